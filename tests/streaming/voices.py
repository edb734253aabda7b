"""Sound to test with: a made-up voice, and Opus as a browser sends it."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.io.wavfile
import scipy.signal
from numpy.typing import NDArray

from streaming.opus import load_libopus

RATE: Final = 48_000
PACKET: Final = 960
SPEECH: Final = Path(__file__).parents[2] / "engine" / "assets" / "speech"


@cache
def bundled_speech(name: str = "hello.wav") -> NDArray[np.int16]:
    """One of the recordings that ship, mono int16 at 48 kHz."""
    rate, samples = scipy.io.wavfile.read(SPEECH / name)
    return scipy.signal.resample_poly(samples.astype(np.float64), RATE // rate, 1).astype(np.int16)


def voice(seconds: float, hz: float = 120.0, peak: float = 8000.0) -> NDArray[np.int16]:
    """A voiced sound whose pitch glides by a tenth, louder and softer four times a second, never silent."""
    at = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * (hz * at + 0.05 * hz / 3.0 * np.sin(2 * np.pi * 1.5 * at))
    tones = sum(np.sin(n * phase + n) / n for n in range(1, 12))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)
    return (peak / 2.5 * swell * tones).astype(np.int16)


class OpusSender:
    """Packets of 20 ms as Chromium's: for voices, mono, with copies of lost ones when told that some get lost."""

    def __init__(self, *, loss_percent: int = 0) -> None:
        library: Any = load_libopus()
        assert library is not None
        library.opus_encoder_create.restype = ctypes.c_void_p
        library.opus_encoder_destroy.argtypes = [ctypes.c_void_p]
        self._library = library
        self._state = ctypes.c_void_p(
            library.opus_encoder_create(RATE, 1, 2048, ctypes.byref(ctypes.c_int()))
        )
        self._buffer = ctypes.create_string_buffer(1500)
        for request, value in ((4002, 32_000), (4012, 1), (4014, loss_percent)):  # bit rate, copies, loss
            assert library.opus_encoder_ctl(self._state, request, ctypes.c_int(value)) == 0

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """Encode int16 [960]."""
        size = self._library.opus_encode(self._state, samples.tobytes(), PACKET, self._buffer, 1500)
        assert size > 0
        return self._buffer.raw[:size]

    def __del__(self) -> None:
        self._library.opus_encoder_destroy(self._state)


def packets_of(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Cut into whole packets, int16 [n, 960]."""
    return samples[: len(samples) // PACKET * PACKET].reshape(-1, PACKET)


def likeness(heard: NDArray[np.int16], sent: NDArray[np.int16]) -> float:
    """Normalised correlation of two sounds of the same length, in [-1, 1]."""
    a, b = heard.astype(np.float64), sent.astype(np.float64)
    return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
