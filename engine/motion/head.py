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

_POLES: Final = np.exp(
    -2 * np.pi / FRAME_RATE * np.repeat([REST_HZ, SPEAKING_HZ, POSTURE_HZ, NOD_HZ], [6, 6, 6, 1])
)
_REST, _SPEAKING, _POSTURE, _NOD = slice(0, 6), slice(6, 12), slice(12, 18), 18
"""Where the four movements lie among the filters."""


def _noise_gain(poles: NDArray[np.float64]) -> NDArray[np.float64]:
    """What white noise of unit variance must be multiplied by to leave three filters with unit variance."""
    k = np.arange(2000)
    response = (1 - poles[:, None]) ** 3 * (k + 1) * (k + 2) / 2 * poles[:, None] ** k
    return np.asarray(1 / np.sqrt((response**2).sum(axis=1)))


_NOISE_GAIN: Final = _noise_gain(_POLES[:12])


@dataclass
class HeadState:
    """One session's head; it starts at the photo's own pose.

    smooth: every movement passes through three equal low-pass filters in a row, which makes it smooth to the second
    derivative; one row each.
    """

    rng: np.random.Generator
    smooth: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, len(_POLES))))
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
    goal = np.empty(len(_POLES))
    goal[:12] = state.rng.standard_normal(12) * _NOISE_GAIN
    if state.posture_frames <= 0:
        state.posture_frames = int(state.rng.uniform(*POSTURE_S) * FRAME_RATE)
        state.posture_target = np.clip(state.rng.standard_normal(6), -1.6, 1.6) * POSTURE
    state.posture_frames -= 1
    goal[_POSTURE] = state.posture_target * (0.6 + 0.4 * activity)

    chance, size, wait = state.rng.random(3)
    state.nod_wait -= 1
    if accent and state.nod_wait <= 0 and chance < 0.7:
        state.nod_frames, state.nod_size = 4, NOD_DEG * (0.5 + size)
        state.nod_wait = int((NOD_PAUSE_S[0] + wait * (NOD_PAUSE_S[1] - NOD_PAUSE_S[0])) * FRAME_RATE)
    state.nod_frames -= 1
    goal[_NOD] = state.nod_size if state.nod_frames >= 0 else 0.0

    for stage in state.smooth:
        stage += (1 - _POLES) * (goal - stage)
        goal = stage
    pose = goal[_REST] * REST + goal[_SPEAKING] * (activity * SPEAKING) + goal[_POSTURE]
    pose[1] += goal[_NOD]
    return np.asarray(pose)
