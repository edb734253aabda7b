"""Conversations for the tests of idle life: who speaks in each frame, with pauses and turns of human lengths."""

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE

Flags = NDArray[np.bool_]


def phrases(frames: int, seed: int) -> Flags:
    """One side that talks on: phrases of 0.5 to 8 s and pauses of 0.25 to 0.9 s."""
    rng = np.random.default_rng(seed)
    voice = np.zeros(frames, bool)
    begin = FRAME_RATE
    while begin < frames:
        end = begin + int(FRAME_RATE * min(0.3 + rng.gamma(3.0, 0.9), 8.0))
        voice[begin:end] = True
        begin = end + int(FRAME_RATE * rng.uniform(0.25, 0.9))
    return voice


def ends(voice: Flags) -> NDArray[np.intp]:
    """The first frames after phrases."""
    return np.flatnonzero(voice[:-1] & ~voice[1:]) + 1


def near(places: NDArray[np.intp], frames: int, reach: int) -> Flags:
    """Which frames lie within ``reach`` after one of the places."""
    found = np.zeros(frames, bool)
    for place in places:
        found[place : place + reach] = True
    return found
