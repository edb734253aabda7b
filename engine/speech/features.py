"""Streaming log-mel features: one vector a video frame, computed alike however the sound is cut into chunks."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE

HOP_SAMPLES: Final = 160
HOPS: Final = FRAME_SAMPLES // HOP_SAMPLES
WINDOW_SAMPLES: Final = 400
FFT_SAMPLES: Final = 512
MEL_BANDS: Final = 40
MEL_LOW_HZ: Final = 60.0
MEL_HIGH_HZ: Final = 7600.0
FLOOR: Final = 1e-6
"""Added to the mel power before the logarithm: about -60 dBFS, below what a microphone's noise makes."""

FEATURES: Final = HOPS * MEL_BANDS
"""Length of a frame's vector: the four hops of the frame, oldest first, ``MEL_BANDS`` each."""


@dataclass
class FeatureState:
    """The last samples before the next frame, which the first windows of that frame reach back to."""

    tail: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(WINDOW_SAMPLES - HOP_SAMPLES, np.float32)
    )


def log_mel(state: FeatureState, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of whole frames of sound.

    Convention: hop k ends with its own last sample; its window is the 400 samples up to there. Frame by frame or
    all at once gives the same values to rounding; frame by frame gives the same bits.

    Args:
        state: of this stream; it moves on.
        samples: float32 [F * 640] in [-1, 1] at 16 kHz.

    Returns:
        float32 [F, FEATURES], roughly in [-1, 2.5]; digital silence gives the same value everywhere.
    """
    sound = np.concatenate([state.tail, samples])
    state.tail = sound[len(sound) - len(state.tail) :].copy()
    hops = len(samples) // HOP_SAMPLES
    step = sound.itemsize
    windows = np.ndarray((hops, WINDOW_SAMPLES), sound.dtype, sound, strides=(HOP_SAMPLES * step, step))
    spectrum = np.fft.rfft(windows * _WINDOW, FFT_SAMPLES, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = np.log(power @ _FILTERS + np.float32(FLOOR))
    return np.asarray((mel + 10.0) / 6.0, np.float32).reshape(-1, FEATURES)


def _mel_filters() -> NDArray[np.float32]:
    """Triangular filters on the mel scale (O'Shaughnessy), each with unit sum: float32 [257, MEL_BANDS]."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    edges = np.linspace(mel(MEL_LOW_HZ), mel(MEL_HIGH_HZ), MEL_BANDS + 2)
    bins = np.array([[mel(hz)] for hz in np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE)])
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = np.maximum(np.minimum(rise, fall), 0.0)
    return np.asarray(filters / filters.sum(axis=0), np.float32)


_FILTERS: Final = _mel_filters()
_WINDOW: Final = (np.hanning(WINDOW_SAMPLES) * np.sqrt(8.0 / 3.0 / WINDOW_SAMPLES)).astype(np.float32)
"""Hann window with unit energy: white noise of power P has a mean periodogram of P in each bin."""
