"""Streaming pitch: how voiced a video frame is, and how high the voice, by autocorrelation.

The sound is averaged down to 8 kHz, whose autocorrelation is divided by that of its window (Boersma 1993), so that a
peak's height is the share of the power that repeats with that period.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE

WINDOW_SAMPLES: Final = 800
DECIMATION: Final = 2
FFT_SAMPLES: Final = 1024
LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 400.0
MIDDLE_HZ: Final = 160.0
"""Pitch is counted in octaves from here: between most men's and most women's voices."""

OCTAVE_COST: Final = 0.12
"""Height that a peak must gain with each octave of lower pitch: every multiple of a period is a period too."""

VOICED_FROM, VOICED_TO = 0.35, 0.55
"""Height of the peak at which sound begins to count as voiced, and at which it fully does."""

FLOOR: Final = 1e-7
"""Power added to that of the window, so that near silence nothing counts as voiced."""

PITCH_FEATURES: Final = 2


@dataclass
class PitchState:
    """The last samples before the next frame, which its window reaches back to."""

    tail: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(WINDOW_SAMPLES - FRAME_SAMPLES, np.float32)
    )


def track_pitch(state: PitchState, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Voicing and pitch of whole frames of sound, each over the 50 ms that end with the frame.

    Args:
        state: of this stream; it moves on.
        samples: float32 [F * 640] in [-1, 1] at 16 kHz.

    Returns:
        float32 [F, 2]: voicing in [0, 1], and octaves from ``MIDDLE_HZ`` times voicing (about -1.4 to 1.3).
    """
    sound = np.concatenate([state.tail, samples])
    state.tail = sound[len(sound) - len(state.tail) :].copy()
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW_SAMPLES)[::FRAME_SAMPLES]
    return pitch_of(windows)


def pitch_of(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Voicing and pitch, float32 [N, 2] as ``track_pitch`` gives them, of windows float32 [N, 800] at 16 kHz."""
    low = windows.reshape(len(windows), -1, DECIMATION).mean(axis=2)
    low = (low - low.mean(axis=1, keepdims=True)) * _WINDOW
    spectrum = np.fft.rfft(low, FFT_SAMPLES, axis=1)
    wave = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, FFT_SAMPLES, axis=1)[:, : _LAGS[-1] + 2]
    repeats = wave * _WINDOW_REPEATS / (wave[:, :1] + FLOOR * len(_WINDOW))
    best = (repeats[:, _LAGS] - _COST).argmax(axis=1) + _LAGS[0]
    rows = np.arange(len(windows))
    before, peak, after = (repeats[rows, best + step] for step in (-1, 0, 1))
    bend = 2.0 * peak - before - after
    lag = best + np.where(bend > 1e-9, 0.5 * (after - before) / np.maximum(bend, 1e-9), 0.0).clip(-0.5, 0.5)
    voicing = ((peak - VOICED_FROM) / (VOICED_TO - VOICED_FROM)).clip(0.0, 1.0)
    octaves = np.log2(SAMPLE_RATE / DECIMATION / lag / MIDDLE_HZ)
    return np.stack([voicing, octaves * voicing], axis=1).astype(np.float32)


_WINDOW: Final = np.hanning(WINDOW_SAMPLES // DECIMATION).astype(np.float32)
_LAGS: Final = np.arange(
    int(SAMPLE_RATE / DECIMATION / HIGHEST_HZ), int(SAMPLE_RATE / DECIMATION / LOWEST_HZ) + 1
)
_COST: Final = OCTAVE_COST * np.log2(_LAGS / _LAGS[0])


def _window_repeats() -> NDArray[np.float64]:
    """The inverse of the window's own autocorrelation, 1 at no lag."""
    spectrum = np.fft.rfft(_WINDOW, FFT_SAMPLES)
    own = np.fft.irfft(np.abs(spectrum) ** 2, FFT_SAMPLES)[: _LAGS[-1] + 2]
    return np.asarray(own[0] / own)


_WINDOW_REPEATS: Final = _window_repeats()
