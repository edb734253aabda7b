"""Numbers that tell how a head moves: how many codes it uses, how slowly it goes, and whether it keeps the beat."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from engine.conventions import FRAME_RATE

Float = NDArray[np.floating[Any]]
Frames = NDArray[np.intp]

REACH_FRAMES: Final = 2.0
"""Standard deviation of the bell that says how near a stroke comes to an accent: 80 ms."""

ACCENT_DB: Final = 5.0
ACCENT_ABOVE_DB: Final = 2.0
"""An accent is a peak of the level that stands out by so much and lies so much above the speaker's mean."""


def perplexity(codes: NDArray[np.integer[Any]]) -> float:
    """How many codes are in use, so to speak: e to the entropy, in nats, of how often each occurs."""
    _, counts = np.unique(codes, return_counts=True)
    shares = counts / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def slow_share(angles: Float, below_hz: float) -> float:
    """Share of the power of the angles' speed [F, 3] that lies below a frequency."""
    speed = np.diff(angles, axis=0)
    window = np.hanning(len(speed))[:, None]
    power = (np.abs(np.fft.rfft((speed - speed.mean(axis=0)) * window, axis=0)) ** 2).sum(axis=1)
    return float(power[np.fft.rfftfreq(len(speed), 1 / FRAME_RATE) < below_hz].sum() / power.sum())


def find_accents(level_db: Float) -> Frames:
    """Frames at which accents peak; level_db: [F], against the speaker's mean."""
    calm = gaussian_filter1d(np.asarray(level_db, np.float64), 0.8)
    return np.asarray(find_peaks(calm, height=ACCENT_ABOVE_DB, prominence=ACCENT_DB)[0], np.intp)


def find_strokes(angles: Float) -> Frames:
    """Frames in which the angles [F, 3] change fastest: local maxima of their speed above its median."""
    speed = np.linalg.norm(np.gradient(np.asarray(angles, np.float64), axis=0), axis=1)
    return np.asarray(find_peaks(speed, height=float(np.median(speed)))[0], np.intp)


def alignment(accents: Frames, strokes: Frames) -> float:
    """Beat alignment in [0, 1]: mean over accents of exp(-d^2 / 2 sigma^2), d being how far the nearest stroke is."""
    if len(accents) == 0 or len(strokes) == 0:
        return 0.0
    distance = np.abs(accents[:, None] - strokes[None]).min(axis=1)
    return float(np.exp(-(distance**2) / (2 * REACH_FRAMES**2)).mean())


def shuffled_alignments(
    accents: Frames, strokes: Frames, frames: int, times: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """``alignment`` [times] with the accents of ``frames`` frames turned round by a second and more."""
    shifts = rng.integers(FRAME_RATE, frames - FRAME_RATE, times)
    return np.array([alignment((accents + shift) % frames, strokes) for shift in shifts])
