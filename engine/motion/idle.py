"""What a living face does besides speaking: it blinks, looks about, breathes, sways and raises its brows.

Everything follows the seed, the frame number and the speech heard so far, so a session is reproducible.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, FRAME_RATE
from engine.motion.head import HeadState, move_head

BLINK: Final = (0.3, 0.85, 1.0, 0.9, 0.62, 0.36, 0.17, 0.06)
"""How far the lids are shut in the frames of one blink."""

BLINK_PAUSE_S: Final = 4.4
BLINK_SHORTEST_S: Final = 0.8
DOUBLE_BLINK: Final = 0.06
"""Chance that a blink is followed by a second one at once."""

PHRASE_BLINK: Final = 0.4
GAZE_BLINK: Final = 0.15
"""Chances that the end of a phrase or a leap of the gaze brings a blink."""

BREATHS_PER_S: Final = 14 / 60
INHALE: Final = 0.42
"""Part of a breath that is breathing in."""

EYE_RANGE_DEG: Final = 30.0
"""Turn of an eye at eyeLook* = 1."""

BROW_RAISE: Final = 0.22


def _places(*names: str) -> NDArray[np.intp]:
    return np.array([ARKIT_INDEX[name] for name in names])


_TO_RIGHT: Final = _places("eyeLookOutLeft", "eyeLookInRight")  # the viewer's right
_TO_LEFT: Final = _places("eyeLookInLeft", "eyeLookOutRight")
_DOWN: Final = _places("eyeLookDownLeft", "eyeLookDownRight")
_UP: Final = _places("eyeLookUpLeft", "eyeLookUpRight")
_LIDS: Final = _places("eyeBlinkLeft", "eyeBlinkRight")
_INNER_BROWS: Final = _places("browInnerUp")
_OUTER_BROWS: Final = _places("browOuterUpLeft", "browOuterUpRight")


@dataclass
class IdleState:
    """One session's life signs besides its mouth."""

    rng: np.random.Generator
    head: HeadState
    blink_wait: int
    blink_frame: int = len(BLINK)
    breath_phase: float = 0.0
    breath_rate: float = BREATHS_PER_S
    gaze_wait: int = 30
    gaze_away: bool = False
    gaze_target: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    gaze: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    activity: float = 0.0
    was_speaking: bool = False
    brow_target: float = 0.0
    brow: tuple[float, float] = (0.0, 0.0)


def new_idle(seed: int) -> IdleState:
    """Begin a session's life."""
    own, head = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    return IdleState(own, HeadState(head), blink_wait=int(own.uniform(0.6, 3.0) * FRAME_RATE))


def live(
    state: IdleState, speaking: bool, accent: bool, expressiveness: float, head_motion: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Advance one frame.

    Args:
        speaking: whether the frame's sound is speech. accent: whether a stressed syllable begins.
        expressiveness, head_motion: factors, 1 is natural, 0 is still.

    Returns:
        blendshapes [52] without the mouth, pose [6] (``POSE_NAMES``), breath in [0, 1].
    """
    ended = state.was_speaking and not speaking
    state.was_speaking = speaking
    state.activity += (float(speaking) - state.activity) * 0.06
    shapes = np.zeros(len(ARKIT_INDEX))
    breath = _breathe(state)
    pose = move_head(state.head, state.activity, accent) * head_motion
    pose[1] -= 0.25 * breath * head_motion
    pose[4] -= 0.002 * breath * head_motion
    moved = _look(state, shapes, pose)
    _blink(state, shapes, ended, moved)
    _raise_brows(state, shapes, accent, expressiveness)
    return shapes, pose, breath


def _breathe(state: IdleState) -> float:
    state.breath_phase += state.breath_rate / FRAME_RATE
    if state.breath_phase >= 1.0:
        state.breath_phase -= 1.0
        state.breath_rate = BREATHS_PER_S * float(state.rng.uniform(0.88, 1.14))
    phase = state.breath_phase
    part = 0.5 * phase / INHALE if phase < INHALE else 0.5 + 0.5 * (phase - INHALE) / (1 - INHALE)
    return 0.5 - 0.5 * math.cos(2 * math.pi * part)


def _look(state: IdleState, shapes: NDArray[np.float64], pose: NDArray[np.float64]) -> bool:
    """Move the gaze; it holds on to its target while the head turns. Returns whether it leaps by much."""
    leap = False
    state.gaze_wait -= 1
    if state.gaze_wait <= 0:
        before = state.gaze_target
        if state.gaze_away or state.rng.random() > 0.2 + 0.25 * state.activity:
            state.gaze_away = False
            state.gaze_target = state.rng.normal(0.0, (0.7, 0.5))
            state.gaze_wait = int(state.rng.uniform(0.5, 2.2) * FRAME_RATE)
        else:
            state.gaze_away = True
            side = state.rng.choice([-1.0, 1.0]) * state.rng.uniform(3.0, 9.0)
            state.gaze_target = np.array([side, state.rng.uniform(-4.0, 5.0)])
            state.gaze_wait = int(state.rng.uniform(0.35, 1.1) * FRAME_RATE)
        leap = bool(np.abs(state.gaze_target - before).max() > 5.0)
    state.gaze = state.gaze + 0.7 * (state.gaze_target - state.gaze)
    right, down = ((state.gaze - pose[:2]) / EYE_RANGE_DEG).tolist()  # to the viewer's right, down
    for value, names in ((right, _TO_RIGHT), (-right, _TO_LEFT), (down, _DOWN), (-down, _UP)):
        if value > 0.0:
            shapes[names] = min(value, 1.0)
    return leap


def _blink(state: IdleState, shapes: NDArray[np.float64], phrase_ended: bool, gaze_leaps: bool) -> None:
    """Blinks come at random, and with the end of a phrase or a leap of the gaze."""
    state.blink_wait -= 1
    chance = state.rng.random()
    if (phrase_ended and chance < PHRASE_BLINK) or (gaze_leaps and chance < GAZE_BLINK):
        state.blink_wait = min(state.blink_wait, 1 + int(chance * 8))
    if state.blink_wait <= 0 and state.blink_frame >= len(BLINK):
        state.blink_frame = 0
        pause = BLINK_SHORTEST_S + state.rng.gamma(2.0, (BLINK_PAUSE_S - BLINK_SHORTEST_S) / 2.0)
        state.blink_wait = len(BLINK) + 1 if state.rng.random() < DOUBLE_BLINK else int(pause * FRAME_RATE)
    if state.blink_frame < len(BLINK):
        shapes[_LIDS] = BLINK[state.blink_frame]
        state.blink_frame += 1


def _raise_brows(state: IdleState, shapes: NDArray[np.float64], accent: bool, expressiveness: float) -> None:
    """Some accents lift the brows a little; they sink again within half a second."""
    if accent and state.rng.random() < 0.35:
        state.brow_target = BROW_RAISE * float(state.rng.uniform(0.4, 1.0))
    state.brow_target *= 0.9
    first, second = state.brow
    first += 0.35 * (state.brow_target - first)
    second += 0.35 * (first - second)
    state.brow = first, second
    lift = min(1.0, second * expressiveness)
    shapes[_INNER_BROWS] = lift
    shapes[_OUTER_BROWS] = 0.7 * lift
