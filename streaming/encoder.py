"""Video and audio encoders whose packets go to the network as they are."""

from fractions import Fraction
from typing import Any, Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE

VIDEO_CLOCK: Final = 90_000
AUDIO_CLOCK: Final = 48_000
PACKET_SAMPLES: Final = 960
"""Samples at 48 kHz in one Opus packet: 20 ms."""

MAX_BITRATE: Final = {256: 600_000, 512: 1_500_000, 768: 2_500_000}
MIN_BITRATE: Final = 200_000
"""Video bits a second: the most by frame side, and the least that a poor network brings it to."""

VBV_S: Final = 8
"""The rate buffer holds 1/8 s of bits: keyframes stay near the size of a few frames."""

KEYFRAME_S: Final = 10
"""Seconds between keyframes when nobody asks for one."""

OPUS_BITRATE: Final = 64_000


Codec = Literal["h264", "vp8"]


class VideoEncoder:
    """H.264 or VP8 for viewers of moving I420 pictures.

    On one thread and without look-ahead: a picture in, its packet out. Not for two threads at once.
    """

    def __init__(self, size: int, codec: Codec = "h264") -> None:
        self._size = size
        self._codec = codec
        self._bitrate = MAX_BITRATE[size]
        self._context = _open(codec, size, self._bitrate)

    def set_bitrate(self, bits_per_second: int) -> None:
        """Aim at another rate; small changes are left out."""
        change = abs(bits_per_second - self._bitrate) / self._bitrate
        if self._codec == "h264" and change > 0.05:
            self._context.bit_rate = bits_per_second  # taken over with the next picture, without a keyframe
        elif self._codec == "vp8" and change > 0.25:
            self._context = _open(
                self._codec, self._size, bits_per_second
            )  # libvpx takes no new rate; a keyframe
        else:
            return
        self._bitrate = bits_per_second

    def encode(self, i420: NDArray[np.uint8], number: int, *, keyframe: bool = False) -> "av.Packet[Any]":
        """Encode a picture as frame ``number``.

        Convention: ``i420`` is uint8 [size * 3 // 2, size]; it is copied.
        """
        frame = av.VideoFrame.from_ndarray(i420, format="yuv420p")
        frame.pts = number
        frame.time_base = Fraction(1, FRAME_RATE)
        frame.pict_type = av.video.frame.PictureType.I if keyframe else av.video.frame.PictureType.NONE
        packets = self._context.encode(frame)
        assert len(packets) == 1, "zero latency: one picture, one packet"
        packet = av.Packet(bytes(packets[0]))
        packet.pts = number * VIDEO_CLOCK // FRAME_RATE
        packet.time_base = Fraction(1, VIDEO_CLOCK)
        packet.is_keyframe = packets[0].is_keyframe
        return packet


class AudioEncoder:
    """Opus, mono, 20 ms a packet, able to rebuild a lost packet from the next."""

    def __init__(self) -> None:
        context = av.CodecContext.create("libopus", "w")
        context.bit_rate = OPUS_BITRATE
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = AUDIO_CLOCK
        context.time_base = Fraction(1, AUDIO_CLOCK)
        context.thread_count = 1
        context.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "5"}
        self._context = context

    def encode(self, samples: NDArray[np.int16], first_sample: int) -> "av.Packet[Any]":
        """Encode ``PACKET_SAMPLES`` samples; ``first_sample`` is their number at 48 kHz."""
        assert samples.shape == (PACKET_SAMPLES,) and samples.dtype == np.int16
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = AUDIO_CLOCK
        frame.time_base = Fraction(1, AUDIO_CLOCK)
        frame.pts = first_sample
        packets = self._context.encode(frame)
        assert len(packets) == 1, "one block of samples, one packet"
        packet = av.Packet(bytes(packets[0]))
        packet.pts = first_sample  # the codec's own count starts with its priming samples
        packet.time_base = Fraction(1, AUDIO_CLOCK)
        return packet


def _open(codec: Codec, size: int, bitrate: int) -> av.VideoCodecContext:
    context = av.CodecContext.create("libx264" if codec == "h264" else "libvpx", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width = context.height = size
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(FRAME_RATE)
    context.time_base = Fraction(1, FRAME_RATE)
    context.bit_rate = bitrate
    context.thread_count = 1
    context.gop_size = KEYFRAME_S * FRAME_RATE
    rate = {"maxrate": str(bitrate), "bufsize": str(bitrate // VBV_S)}
    if codec == "h264":
        context.profile = "Baseline"
        context.options = rate | {
            "preset": "superfast",
            "tune": "zerolatency",
            "level": "31",
            "forced-idr": "1",
            "sc_threshold": "0",  # another avatar is no reason for a keyframe
        }
    else:
        context.options = rate | {
            "deadline": "realtime",
            "cpu-used": "16",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
            "error-resilient": "1",
        }
    return context
