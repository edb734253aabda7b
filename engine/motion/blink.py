"""Blinks: when they come, and how the lids go down and up."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.conventions import FRAME_RATE, FRAME_S
from engine.motion.conversation import Conversation

PAUSE_S: Final = 4.3
SHORTEST_S: Final = 0.9
"""Mean and least time between blinks that nothing brings about."""

SPEAKING_PACE: Final = 0.7
LISTENING_PACE: Final = 0.78
"""How quickly that time passes within a phrase of the avatar's, and while it listens; in silence 1."""

PHRASE_BLINK: Final = 0.6
OTHER_PHRASE_BLINK: Final = 0.3
"""Chances that the end of a phrase, the avatar's or the other side's, brings a blink..."""
PHRASE_WAIT_FRAMES: Final = 6
"""...within so many frames..."""
REST_S: Final = 3.0
"""...if the last one is so long ago, and less often if not."""

LEAP_BLINK: Final = 0.015
"""Chance that a leap of the gaze brings a blink, for each degree."""

DOUBLE_BLINK: Final = 0.05
PARTIAL_BLINK: Final = 0.1
PARTIAL_DEPTH: Final = (0.5, 0.8)
"""Chances that a blink is followed by a second one at once, and that it does not shut the eye; how far it then goes."""

CLOSING_S: Final = (0.075, 0.105)
SHUT_S: Final = (0.042, 0.06)
"""The lids stay together for more than a frame: one picture at least shows it."""
OPENING_S: Final = (0.17, 0.27)
LONG_BLINK: Final = 0.15
LONG_SHUT_S: Final = 0.14
"""Chance that a blink of a listener's stays shut for longer, and by how much."""

LAG_S: Final = 0.006
"""At most so much one eye is behind the other; which, and by how much, is the session's own."""


@dataclass
class BlinkState:
    """One session's lids.

    wait: frames until the next blink, at the present pace. since: frames since the last one began. into_s: time since
    then at the present frame. closing_s, shut_s, opening_s, depth: of the last one.
    """

    rng: np.random.Generator
    wait: float
    lag_s: float
    since: int = 10 * FRAME_RATE
    into_s: float = 1.0
    closing_s: float = CLOSING_S[0]
    shut_s: float = SHUT_S[0]
    opening_s: float = OPENING_S[0]
    depth: float = 1.0


def new_blinks(rng: np.random.Generator) -> BlinkState:
    """Begin with open eyes."""
    return BlinkState(rng, wait=rng.uniform(0.6, 3.0) * FRAME_RATE, lag_s=rng.uniform(-LAG_S, LAG_S))


def blink(state: BlinkState, talk: Conversation, leap_deg: float) -> tuple[float, float]:
    """Advance one frame; how far the left and the right eye are shut by a blink, in [0, 1].

    leap_deg: the size of a gaze shift that begins with this frame, else 0.
    """
    state.since += 1
    state.into_s += FRAME_S
    state.wait -= SPEAKING_PACE if talk.speaking else LISTENING_PACE if talk.listening else 1.0
    if talk.ended:
        _prompt(state, PHRASE_BLINK)
    elif talk.other_ended and talk.listening:
        _prompt(state, OTHER_PHRASE_BLINK)
    elif leap_deg and state.rng.random() < LEAP_BLINK * leap_deg:
        state.wait = 0.0
    if state.wait <= 0.0 and state.into_s > _length_s(state):
        _begin(state, talk.listening)
    return _shut(state, state.into_s), _shut(state, state.into_s - state.lag_s)


def _prompt(state: BlinkState, chance: float) -> None:
    """The end of a phrase may bring a blink soon."""
    rested = min(1.0, state.since * FRAME_S / REST_S) ** 2
    if state.rng.random() < chance * rested:
        state.wait = min(state.wait, state.rng.random() * PHRASE_WAIT_FRAMES)


def _begin(state: BlinkState, listening: bool) -> None:
    rng = state.rng
    partial, double, long = rng.random(3)
    state.since = 0
    state.into_s = rng.random() * FRAME_S
    state.closing_s, state.shut_s, state.opening_s = (
        rng.uniform(*length_s) for length_s in (CLOSING_S, SHUT_S, OPENING_S)
    )
    state.depth = rng.uniform(*PARTIAL_DEPTH) if partial < PARTIAL_BLINK else 1.0
    if listening and long < LONG_BLINK:
        state.shut_s += LONG_SHUT_S
    if double < DOUBLE_BLINK:
        state.wait = _length_s(state) * FRAME_RATE * 0.5
    else:
        state.wait = (SHORTEST_S + rng.gamma(2.0, (PAUSE_S - SHORTEST_S) / 2.0)) * FRAME_RATE


def _length_s(state: BlinkState) -> float:
    return state.closing_s + state.shut_s + state.opening_s + LAG_S


def _shut(state: BlinkState, into_s: float) -> float:
    """How far the lids are shut at a moment of the last blink: quickly down, slowly up."""
    if into_s < state.closing_s:
        part = max(0.0, into_s / state.closing_s)
    else:
        opened = (into_s - state.closing_s - state.shut_s) / state.opening_s
        if opened >= 1.0:
            return 0.0
        part = (1.0 - max(0.0, opened)) ** 1.5
    return state.depth * part * part * (3.0 - 2.0 * part)
