"""Breathing: evenly while silent; while speaking quickly in, at the end of a phrase or before a turn, and slowly out."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.conventions import FRAME_RATE
from engine.motion.conversation import Conversation

QUIET_S: Final = 60 / 14
"""A breath while silent."""
SPREAD: Final = 0.14
"""Breaths are longer or shorter by up to this share."""
INHALE: Final = 0.4
"""Part of a quiet breath that is breathing in."""
QUIET_DEPTH: Final = (0.75, 0.95)
"""Where a quiet breath in ends; one for speaking ends at 1."""

SPEECH_INHALE_S: Final = 0.6
SPEECH_EXHALE_S: Final = 5.5
REFILL_BELOW: Final = 0.75
"""The end of a phrase is used for breathing in when no more than this is left."""

SOFTEN: Final = 0.5
"""How much of the way to where the chest should be it goes in a frame: no turn of it is sudden."""


@dataclass
class BreathState:
    """One session's chest; a stroke of ``length`` frames leads it from ``begin`` to ``goal``."""

    rng: np.random.Generator
    chest: float = 0.0
    begin: float = 0.0
    goal: float = 0.0
    length: float = 1.0
    into: float = 0.0


def breathe(state: BreathState, talk: Conversation) -> float:
    """Advance one frame; the lift of the chest, in [0, 1]."""
    state.into += 1.0
    inhaling = state.goal > 0.0
    now = _stroke(state)
    if (talk.ended or talk.thinking) and not inhaling and now < REFILL_BELOW:
        _turn(state, now, 1.0, SPEECH_INHALE_S)
    elif talk.began:
        _turn(state, now, 0.0, SPEECH_EXHALE_S)
    elif state.into >= state.length:
        if inhaling:
            _turn(state, now, 0.0, SPEECH_EXHALE_S if talk.speaking else (1 - INHALE) * QUIET_S)
        elif not talk.speaking:
            _turn(state, now, state.rng.uniform(*QUIET_DEPTH), INHALE * QUIET_S)
    state.chest += SOFTEN * (_stroke(state) - state.chest)
    return state.chest


def _turn(state: BreathState, begin: float, goal: float, length_s: float) -> None:
    state.begin, state.goal, state.into = begin, goal, 0.0
    state.length = length_s * state.rng.uniform(1 - SPREAD, 1 + SPREAD) * FRAME_RATE


def _stroke(state: BreathState) -> float:
    done = min(1.0, state.into / state.length)
    return state.begin + (state.goal - state.begin) * (0.5 - 0.5 * math.cos(math.pi * done))
