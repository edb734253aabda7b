"""The sway of a head that lives: slow drift, changes of posture, more of both and small nods while speaking."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE

REST: Final = np.array([0.9, 0.6, 0.5, 0.006, 0.003, 0.004])
"""Standard deviation of the drift while silent, in the order and units of ``POSE_NAMES``."""

SPEAKING: Final = np.array([1.3, 1.0, 0.7, 0.008, 0.004, 0.006])
"""Standard deviation of the drift that speaking adds."""

POSTURE: Final = np.array([1.6, 0.8, 0.8, 0.010, 0.004, 0.006])
"""Standard deviation of the posture that is held for some seconds."""

REST_HZ: Final = 0.22
SPEAKING_HZ: Final = 0.7
POSTURE_HZ: Final = 0.35
NOD_HZ: Final = 1.5
"""Corner frequencies of the filters that the four movements pass through."""

POSTURE_S: Final = (4.0, 11.0)
NOD_DEG: Final = 2.2
NOD_PAUSE_S: Final = (0.5, 1.6)


@dataclass
class _Smooth:
    """Three equal low-pass filters in a row: smooth to the second derivative."""

    hz: float
    stages: NDArray[np.float64]

    def step(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        gain = 1.0 - np.exp(-2 * np.pi * self.hz / FRAME_RATE)
        for number in range(len(self.stages)):
            value = self.stages[number] = self.stages[number] + gain * (value - self.stages[number])
        return value

    @property
    def noise_gain(self) -> float:
        """What white noise of unit variance must be multiplied by to come out with unit variance."""
        pole = np.exp(-2 * np.pi * self.hz / FRAME_RATE)
        response = (1 - pole) ** 3 * np.array([(k + 1) * (k + 2) / 2 * pole**k for k in range(2000)])
        return float(1 / np.sqrt((response**2).sum()))


def _smooth(hz: float, size: int) -> _Smooth:
    return _Smooth(hz, np.zeros((3, size)))


@dataclass
class HeadState:
    """One session's head; it starts at the photo's own pose."""

    rng: np.random.Generator
    rest: _Smooth = field(default_factory=lambda: _smooth(REST_HZ, 6))
    speaking: _Smooth = field(default_factory=lambda: _smooth(SPEAKING_HZ, 6))
    posture: _Smooth = field(default_factory=lambda: _smooth(POSTURE_HZ, 6))
    nod: _Smooth = field(default_factory=lambda: _smooth(NOD_HZ, 1))
    posture_target: NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))
    posture_frames: int = 0
    nod_frames: int = 0
    nod_wait: int = 0
    nod_size: float = 0.0


def move_head(state: HeadState, activity: float, accent: bool) -> NDArray[np.float64]:
    """Advance one frame; return the pose [6] in the order of ``POSE_NAMES``.

    Args:
        activity: how much somebody speaks, in [0, 1], itself smooth.
        accent: a stressed syllable begins; some of them are nodded to.
    """
    white = state.rng.standard_normal((2, 6))
    pose = state.rest.step(white[0] * _REST_GAIN) * REST
    pose += state.speaking.step(white[1] * _SPEAKING_GAIN) * SPEAKING * activity
    if state.posture_frames <= 0:
        state.posture_frames = int(state.rng.uniform(*POSTURE_S) * FRAME_RATE)
        state.posture_target = np.clip(state.rng.standard_normal(6), -1.6, 1.6) * POSTURE
    state.posture_frames -= 1
    pose += state.posture.step(state.posture_target * (0.6 + 0.4 * activity))

    chance, size, wait = state.rng.random(3)
    state.nod_wait -= 1
    if accent and state.nod_wait <= 0 and chance < 0.7:
        state.nod_frames, state.nod_size = 4, NOD_DEG * (0.5 + size)
        state.nod_wait = int((NOD_PAUSE_S[0] + wait * (NOD_PAUSE_S[1] - NOD_PAUSE_S[0])) * FRAME_RATE)
    state.nod_frames -= 1
    push = state.nod_size if state.nod_frames >= 0 else 0.0
    pose[1] += float(state.nod.step(np.array([push]))[0])
    return np.asarray(pose)


_REST_GAIN: Final = _smooth(REST_HZ, 1).noise_gain
_SPEAKING_GAIN: Final = _smooth(SPEAKING_HZ, 1).noise_gain
