"""Two curves of one thing, a value a frame: how they correlate, which is late, and how much each moves."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.training.evaluate.report import Value

MAX_LAG: Final = 10
"""Frames either way in which the best lag is sought."""


def compare(real: NDArray[np.float64], driven: NDArray[np.float64]) -> dict[str, Value]:
    """Correlation, best lag and spread of two opening curves; frames in which one is NaN do not count."""
    frames = min(len(real), len(driven))
    real, driven = real[:frames], driven[:frames]
    by_lag = correlations(real, driven)
    best = best_lag(by_lag)
    spread = float(np.nanstd(driven) / max(float(np.nanstd(real)), 1e-9))
    return {
        "frames": frames,
        "r": float(by_lag[MAX_LAG]),
        "best_lag": best,
        "r_best_lag": float(by_lag[best + MAX_LAG]),
        "sd_ratio": spread,
        "mean_real": float(np.nanmean(real)),
        "mean_driven": float(np.nanmean(driven)),
    }


def correlations(real: NDArray[np.float64], driven: NDArray[np.float64]) -> NDArray[np.float64]:
    """r of real[n] and driven[n + lag] at every lag from -MAX_LAG to MAX_LAG: float64 [2 MAX_LAG + 1]."""
    frames = min(len(real), len(driven))
    lags = range(-MAX_LAG, MAX_LAG + 1)
    return np.array([_correlation_at(real[:frames], driven[:frames], lag) for lag in lags])


def best_lag(by_lag: NDArray[np.float64]) -> int:
    """Where ``correlations`` are highest, nearest to 0 among equals; positive: the driven curve is late."""
    return max(range(-MAX_LAG, MAX_LAG + 1), key=lambda lag: (by_lag[lag + MAX_LAG], -abs(lag)))


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's r of the frames that both have; 0 where one of them does not move."""
    frames = min(len(a), len(b))
    both = np.isfinite(a[:frames]) & np.isfinite(b[:frames])
    x, y = a[:frames][both], b[:frames][both]
    if len(x) < 3 or x.std() < 1e-9 or y.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def slope(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How far b goes, in the mean, as a goes by 1, by the frames that both have; 0 where a does not move."""
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both], b[both]
    if len(x) < 3 or x.std() < 1e-9:
        return 0.0
    return float(np.polyfit(x, y, 1)[0])


def _correlation_at(real: NDArray[np.float64], driven: NDArray[np.float64], lag: int) -> float:
    """r of real[n] and driven[n + lag]."""
    if abs(lag) >= len(real):
        return 0.0
    return correlation(real[max(0, -lag) :], driven[max(0, lag) :])
