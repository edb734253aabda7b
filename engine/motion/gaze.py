"""Gaze: fixations on the viewer's face and away from it, the leaps between them, and what lids and vergence add."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, FRAME_RATE, FRAME_S
from engine.motion.conversation import Conversation

SIDE_DEG: Final = 28.0
DOWN_DEG: Final = 20.0
UP_DEG: Final = 13.5
"""Turns that an eye seems to make at eyeLook* = 1: the head model moves the iris by 5.7, 4.1 and 2.8 mm, and an eyeball
has a radius of 12."""

WIDEN: Final = 0.35
"""eyeWide for each eyeLookUp: that shape alone lifts the upper lid half as far as the iris. Down the lid follows."""

VERGENCE_DEG: Final = 1.5
"""Each eye's turn to the nose while the viewer is looked at, beyond the photo's: eyes 63 mm apart turn 2.8 degrees each
to a viewer at 65 cm, and 1.3 to a portrait camera at 1.4 m."""
VERGENCE_SPEED: Final = 0.25
"""Part of the way that vergence goes in a frame: it is no leap."""

SACCADE_S: Final = 0.021
SACCADE_S_PER_DEG: Final = 0.0022
"""How long a leap takes: the main sequence."""

FACE_DEG: Final = 1.6
MOUTH_DEG: Final = 2.6
"""The viewer's eyes lie so far to either side of the middle of their face, their mouth so far below; nearer than on a
real screen, for a leap from eye to eye should not look like one away."""

FIXATION_S: Final = 0.9
FIXATION_LEAST_S: Final = 0.24
"""Mean and least time on one place of the face."""
AWAY_SHARE: Final = 0.6
"""Away from it the eyes rest for this part of that."""

ON_S: Final = {"speaking": 3.0, "listening": 8.0, "silent": 4.5}
AWAY_S: Final = {"speaking": 0.9, "listening": 0.45, "silent": 0.8}
"""Mean times that the gaze stays on the viewer's face and away from it."""
AWAY_LEAST_S: Final = 0.3

BEGIN_AWAY: Final = 0.45
BEGIN_SILENCE_S: Final = 0.8
"""Chance that a phrase that begins after at least so long a silence is begun looking away."""
THINK_AWAY: Final = 0.65
THINK_S: Final = 1.2
"""Chance that the gaze goes away to think once the other side is done, and for how long at least."""
SETTLE_S: Final = 1.0
"""After the end of a phrase the gaze stays on the viewer for so long."""

AWAY_SIDE_DEG: Final = (3.5, 9.0)
AWAY_DOWN_DEG: Final = (-4.5, 4.5)
THINK_DOWN_DEG: Final = (-6.0, -1.5)

MICRO_HZ: Final = 1.3
MICRO_DEG: Final = 0.2
"""Rate of microsaccades, and their standard deviation in either direction."""


@dataclass
class GazeState:
    """One session's eyes. Angles in degrees to the viewer's right and down, relative to the photo's gaze.

    right, down: where the gaze is. origin, target: of the last leap. flight_s, length_s: time since it began, and what
    it takes. hold: frames for which the gaze may not change between face and away. called: the viewer wants it.
    rested: frames on this place.
    eyes_first: how often, among places of the face, it is an eye; the session's own.
    """

    rng: np.random.Generator
    eyes_first: float
    right: float = 0.0
    down: float = 0.0
    origin: tuple[float, float] = (0.0, 0.0)
    target: tuple[float, float] = (0.0, 0.0)
    flight_s: float = 1.0
    length_s: float = SACCADE_S
    away: bool = False
    hold: int = 0
    called: bool = False
    rested: int = 0
    vergence: float = VERGENCE_DEG


def new_gaze(rng: np.random.Generator) -> GazeState:
    """Begin looking at the viewer."""
    return GazeState(rng, eyes_first=rng.uniform(0.5, 0.85))


def saccade_s(size_deg: float) -> float:
    """How long a leap of the gaze takes."""
    return SACCADE_S + SACCADE_S_PER_DEG * size_deg


def look(state: GazeState, talk: Conversation) -> float:
    """Advance one frame; returns the size in degrees of a leap that begins with it, else 0."""
    state.hold -= 1
    state.rested += 1
    state.called = state.called or talk.ended or talk.other_began
    leap_deg = 0.0
    if state.flight_s >= state.length_s:
        leap_deg = _decide(state, talk)
    else:
        state.flight_s += FRAME_S
    part = min(1.0, state.flight_s / state.length_s)
    part *= part * (3.0 - 2.0 * part)
    state.right, state.down = (
        begin + part * (end - begin) for begin, end in zip(state.origin, state.target, strict=True)
    )
    state.vergence += VERGENCE_SPEED * ((0.0 if state.away else VERGENCE_DEG) - state.vergence)
    return leap_deg


def _decide(state: GazeState, talk: Conversation) -> float:
    """Begin a leap, or rest where the gaze is; returns the leap's size."""
    rng = state.rng
    spell, chance = rng.random(2)
    least, mean = FIXATION_LEAST_S * FRAME_RATE, FIXATION_S * FRAME_RATE
    if state.away:
        least, mean = AWAY_SHARE * least, AWAY_SHARE * mean
    if talk.began and talk.silence > BEGIN_SILENCE_S * FRAME_RATE:
        if not state.away and chance < BEGIN_AWAY:
            return _look_away(state, AWAY_DOWN_DEG, AWAY_LEAST_S)
    elif talk.thinking:
        if chance < THINK_AWAY:
            return _look_away(state, THINK_DOWN_DEG, THINK_S)
    elif state.called and (state.rested > least or not state.away):
        state.called, state.hold = False, int(SETTLE_S * FRAME_RATE)
        if state.away:
            return _look_at_viewer(state)
    elif state.hold <= 0:
        role = "speaking" if talk.speaking else "listening" if talk.listening else "silent"
        if spell * (AWAY_S if state.away else ON_S)[role] < FRAME_S:
            return _look_at_viewer(state) if state.away else _look_away(state, AWAY_DOWN_DEG, AWAY_LEAST_S)
    if state.rested > least and chance * (mean - least) < 1.0:
        return _wander(state) if state.away else _look_at_viewer(state)
    if chance > 1.0 - MICRO_HZ * FRAME_S:
        right, down = rng.normal(0.0, MICRO_DEG, 2)
        _leap(state, state.right + right, state.down + down)
    return 0.0


def _look_at_viewer(state: GazeState) -> float:
    """Turn to an eye or the mouth of the viewer."""
    which, right, down = state.rng.random(3)
    state.away = False
    state.rested = 0
    eye = which < state.eyes_first
    side = FACE_DEG if which < 0.5 * state.eyes_first else -FACE_DEG
    return _leap(state, (side if eye else 0.0) + right - 0.5, (0.0 if eye else MOUTH_DEG) + down - 0.5)


def _look_away(state: GazeState, down_deg: tuple[float, float], least_s: float) -> float:
    rng = state.rng
    state.away = True
    state.rested = 0
    state.hold = int(least_s * FRAME_RATE)
    side = rng.uniform(*AWAY_SIDE_DEG)
    return _leap(state, side if rng.random() < 0.5 else -side, rng.uniform(*down_deg))


def _wander(state: GazeState) -> float:
    """Look at another place nearby, a little nearer to the viewer on the whole."""
    state.rested = 0
    right, down = state.rng.normal(0.0, 1.2, 2)
    return _leap(state, 0.9 * state.right + right, 0.9 * state.down + down)


def _leap(state: GazeState, right: float, down: float) -> float:
    """Begin a saccade, at any moment between this frame and the one before."""
    size_deg = float(np.hypot(right - state.right, down - state.down))
    state.origin, state.target = (state.right, state.down), (right, down)
    state.length_s = saccade_s(size_deg)
    state.flight_s = state.rng.random() * FRAME_S
    return size_deg


def turn_eyes(state: GazeState, shapes: NDArray[np.float64], yaw_deg: float, pitch_deg: float) -> None:
    """Set eyeLook* so that the gaze holds on to its target while the head is turned; lids follow the eyes.

    shapes: float64 [52], changed. yaw_deg, pitch_deg: the head's.
    """
    right, down = state.right - yaw_deg, state.down - pitch_deg
    left_eye, right_eye = (right - state.vergence) / SIDE_DEG, (right + state.vergence) / SIDE_DEG
    shapes[_OUT_LEFT if left_eye > 0.0 else _IN_LEFT] = min(abs(left_eye), 1.0)
    shapes[_IN_RIGHT if right_eye > 0.0 else _OUT_RIGHT] = min(abs(right_eye), 1.0)
    if down > 0.0:
        shapes[_DOWN] = min(down / DOWN_DEG, 1.0)
    else:
        up = min(-down / UP_DEG, 1.0)
        shapes[_UP] = up
        shapes[_WIDE] = WIDEN * up


_OUT_LEFT, _IN_LEFT = ARKIT_INDEX["eyeLookOutLeft"], ARKIT_INDEX["eyeLookInLeft"]
_IN_RIGHT, _OUT_RIGHT = ARKIT_INDEX["eyeLookInRight"], ARKIT_INDEX["eyeLookOutRight"]
_DOWN, _UP, _WIDE = (
    np.array([ARKIT_INDEX[name + side] for side in ("Left", "Right")])
    for name in ("eyeLookDown", "eyeLookUp", "eyeWide")
)
