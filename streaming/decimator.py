"""48 kHz to 16 kHz, in chunks of any length."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

OUTPUT_PER_ANALYSIS: Final = 3
"""Samples of the 48 kHz output sound for each sample of the 16 kHz analysis sound."""

_TAPS: Final = 61
_CUTOFF_HZ: Final = 7_300.0
_OUTPUT_RATE: Final = 48_000.0


class Decimator:
    """A linear-phase low-pass at 7.3 kHz that keeps every third sample.

    Convention: takes int16 at 48 kHz, a multiple of three at a time; gives float32 [T / 3] in [-1, 1] at 16 kHz.
    The result lags by 30 input samples (0.6 ms).
    """

    def __init__(self) -> None:
        at = np.arange(_TAPS) - (_TAPS - 1) / 2
        taps = np.sinc(2 * _CUTOFF_HZ / _OUTPUT_RATE * at) * np.kaiser(_TAPS, 7.0)
        self._taps = (taps / taps.sum() / 32768.0).astype(np.float32)
        self._past = np.zeros(_TAPS - 1, np.float32)

    def add(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Filter the next chunk."""
        assert len(samples) % OUTPUT_PER_ANALYSIS == 0
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        padded = np.concatenate([self._past, samples.astype(np.float32)])
        self._past = padded[-(_TAPS - 1) :]
        return np.convolve(padded, self._taps, "valid")[::OUTPUT_PER_ANALYSIS].astype(np.float32)
