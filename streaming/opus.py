"""Opus packets in order to sound, with the copies of lost packets that the next ones carry.

FFmpeg's decoder, and so PyAV's, cannot be told that a packet is missing. The libopus that PyAV's wheels bring can be
reached by its own interface; where there is none, PyAV decodes and the waveform is continued.
"""

import ctypes
import ctypes.util
import logging
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from streaming.concealment import PcmDecoder, SpeechDecoder

RATE: Final = 48_000

_MOST: Final = 5_760
"""Samples in the longest packet: 120 ms."""

_UNIT: Final = 120
"""Opus makes up sound in multiples of this (2.5 ms)."""

_SILK_MS: Final = (10, 20, 40, 60)
_HYBRID_MS: Final = (10, 20)
_CELT_MS: Final = (2.5, 5, 10, 20)

logger = logging.getLogger(__name__)


def open_decoder() -> SpeechDecoder:
    """A decoder for one sender: libopus itself, or else PyAV's without its help for lost packets."""
    library = load_libopus()
    return LibopusDecoder(library) if library is not None else PyavDecoder()


def packet_samples(payload: bytes) -> int:
    """Length of a packet in samples at 48 kHz, from its first bytes (RFC 6716, section 3.1); 0 when damaged."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame_ms: float = _SILK_MS[config % 4]
    elif config < 16:
        frame_ms = _HYBRID_MS[config % 2]
    else:
        frame_ms = _CELT_MS[config % 4]
    if code == 3:
        frames = payload[1] & 63 if len(payload) > 1 else 0
    else:
        frames = 1 if code == 0 else 2
    samples = int(frame_ms * 48) * frames
    return samples if samples <= _MOST else 0


class LibopusDecoder:
    """libopus: conceals by its own model of the voice, and reads the copies that packets carry of their forerunners."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        memory = ctypes.create_string_buffer(library.opus_decoder_get_size(1))
        status = library.opus_decoder_init(memory, RATE, 1)
        assert status == 0, f"opus_decoder_init answered {status}"
        self._state = memory
        self._out = np.zeros(_MOST, np.int16)

    def samples(self, payload: bytes) -> int:
        return packet_samples(payload)

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        return self._run(payload, _MOST, copy=False)

    def carries_copy(self, payload: bytes) -> bool:
        return bool(self._library.opus_packet_has_lbrr(payload, len(payload)) == 1)

    def recover(self, following: bytes, count: int) -> NDArray[np.int16]:
        return self._made_up(following, count)

    def conceal(self, count: int) -> NDArray[np.int16]:
        return self._made_up(None, count)

    def _made_up(self, following: bytes | None, count: int) -> NDArray[np.int16]:
        pieces: list[NDArray[np.int16]] = []
        left = count
        while left > 0:
            most = min(-(-left // _UNIT) * _UNIT, _MOST)
            piece = self._run(following, most, copy=following is not None)[:left]
            if len(piece) == 0:
                piece = np.zeros(left, np.int16)
            pieces.append(piece)
            left -= len(piece)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def _run(self, payload: bytes | None, most: int, *, copy: bool) -> NDArray[np.int16]:
        size = len(payload) if payload is not None else 0
        made = self._library.opus_decode(self._state, payload, size, self._out.ctypes.data, most, int(copy))
        return self._out[: max(0, made)].copy()


class PyavDecoder(PcmDecoder):
    """PyAV's decoder; what is lost is continued from the waveform."""

    def __init__(self) -> None:
        super().__init__()
        self._codec: Any = av.CodecContext.create("libopus", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = RATE

    def samples(self, payload: bytes) -> int:
        return packet_samples(payload)

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return np.zeros(0, np.int16)
        pieces = [frame.to_ndarray().reshape(-1, len(frame.layout.channels)) for frame in frames]
        if not pieces:
            return np.zeros(0, np.int16)
        samples = np.concatenate(pieces).astype(np.int32)
        return self.joined((samples.sum(1) // samples.shape[1]).astype(np.int16))


@cache
def load_libopus() -> ctypes.CDLL | None:
    """The libopus beside PyAV, or the system's; None, said once in the log, when there is none that fits."""
    for path in _candidates():
        try:
            return _declared(ctypes.CDLL(path))
        except (OSError, AttributeError) as error:
            logger.debug("no use of %s: %s", path, error)
    logger.warning(
        "expected a libopus beside PyAV or in the system, found none: lost microphone packets are filled from the"
        " waveform alone"
    )
    return None


def _candidates() -> list[str]:
    """Where wheels put their libraries: Linux and Windows in av.libs, macOS in av/.dylibs."""
    package = Path(av.__file__).parent
    beside = [
        str(path)
        for folder in (package.with_name("av.libs"), package / ".dylibs")
        for path in sorted(folder.glob("*opus*"))
    ]
    system = ctypes.util.find_library("opus")
    return beside + ([system] if system else [])


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Argument types of what is called; raises AttributeError when something is missing."""
    library.opus_decoder_get_size.argtypes = [ctypes.c_int]
    library.opus_decoder_init.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]
    library.opus_packet_has_lbrr.argtypes = [ctypes.c_char_p, ctypes.c_int32]  # not in libopus 1.3
    library.opus_decode.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    return library
