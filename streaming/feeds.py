"""One encode for all viewers: what an encoder makes goes to every outlet that is open."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from statistics import median_low
from typing import Any, Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from streaming.bitrate import BitrateControl
from streaming.encoder import MAX_BITRATE, MIN_BITRATE, AudioEncoder, Codec, VideoEncoder

Kind = Literal["audio", "h264", "vp8"]

AUDIO_WAITING: Final = 10
VIDEO_WAITING: Final = 3
"""Packets that a reader may fall behind before it loses some."""

KEYFRAME_GAP_S: Final = 0.5
"""Keyframes on request come no closer than this."""


class Outlet:
    """What one reader gets of a feed, in order. A reader that is too slow loses the oldest packets.

    After a loss, and at the begin, a reader of video gets nothing before the next keyframe.
    """

    def __init__(
        self, waiting: int, want_keyframe: Callable[[], None] | None, on_close: Callable[["Outlet"], None]
    ) -> None:
        """``want_keyframe`` is None where every packet can be decoded by itself."""
        self._waiting = waiting
        self._want_keyframe = want_keyframe
        self._on_close = on_close
        self._packets: deque[av.Packet[Any]] = deque()
        self._there = asyncio.Event()
        self._broken = want_keyframe is not None
        self.lost = 0
        if want_keyframe is not None:
            want_keyframe()

    def __len__(self) -> int:
        return len(self._packets)

    async def next(self) -> "av.Packet[Any]":
        """The next packet. Not for two readers."""
        while not self._packets:
            self._there.clear()
            await self._there.wait()
        return self._packets.popleft()

    def close(self) -> None:
        """Get nothing more; closing twice is no error."""
        self._on_close(self)

    def put(self, packet: "av.Packet[Any]") -> None:
        """Pass a packet on."""
        if self._broken:
            if not packet.is_keyframe:
                return
            self._broken = False
        if len(self._packets) >= self._waiting:
            self._lose()
            if self._broken:
                return
        self._packets.append(packet)
        self._there.set()

    def _lose(self) -> None:
        if self._want_keyframe is None:
            self._packets.popleft()
            self.lost += 1
            return
        self.lost += len(self._packets) + 1
        self._packets.clear()
        self._broken = True
        self._want_keyframe()


class AudioFeed:
    """Opus for all listeners of a session."""

    def __init__(self) -> None:
        self._encoder = AudioEncoder()
        self.outlets: set[Outlet] = set()

    def open(self) -> Outlet:
        """A new listener's outlet."""
        outlet = Outlet(AUDIO_WAITING, None, self.outlets.discard)
        self.outlets.add(outlet)
        return outlet

    def encode(self, samples: NDArray[np.int16], first_sample: int) -> "av.Packet[Any]":
        """As ``AudioEncoder.encode``."""
        return self._encoder.encode(samples, first_sample)

    def close(self) -> None:
        """Let go of the encoder, which Python alone would keep until it next looks for cycles."""
        self.outlets.clear()
        del self._encoder

    def publish(self, packet: "av.Packet[Any]") -> None:
        """Pass a packet on to every listener."""
        for outlet in tuple(self.outlets):
            outlet.put(packet)


class VideoFeed:
    """One codec's pictures for all viewers of a session.

    The encoder aims at the median of what the viewers' networks carry: one poor network does not spoil the
    picture of the others, it loses frames.
    """

    def __init__(self, codec: Codec, size: int) -> None:
        self._encoder = VideoEncoder(size, codec)
        self._most = MAX_BITRATE[size]
        self._viewers: dict[Outlet, BitrateControl] = {}
        self._keyframe_wanted = True
        self._keyframe_s = float("-inf")
        self.target = self._most

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """All that are open."""
        return tuple(self._viewers)

    def open(self) -> Outlet:
        """A new viewer's outlet."""
        outlet = Outlet(VIDEO_WAITING, self.want_keyframe, self._leave)
        self._viewers[outlet] = BitrateControl(MIN_BITRATE, self._most)
        return outlet

    def want_keyframe(self) -> None:
        """A viewer cannot go on without a whole picture."""
        self._keyframe_wanted = True

    def bandwidth(self, outlet: Outlet, bits_per_second: int) -> None:
        """A viewer's estimate of what the network carries."""
        if outlet in self._viewers:
            self._viewers[outlet].estimate(bits_per_second, time.monotonic())
            self._aim()

    def loss(self, outlet: Outlet, share: float) -> None:
        """The share of video packets that a viewer has lost since it last said."""
        if outlet in self._viewers:
            self._viewers[outlet].loss(share)
            self._aim()

    def keyframe_due(self) -> bool:
        """Whether the next picture must be a whole one; asking counts as having been told."""
        now_s = time.monotonic()
        if not self._keyframe_wanted or now_s - self._keyframe_s < KEYFRAME_GAP_S:
            return False
        self._keyframe_wanted = False
        self._keyframe_s = now_s
        return True

    def encode(self, i420: NDArray[np.uint8], number: int, *, keyframe: bool) -> "av.Packet[Any]":
        """As ``VideoEncoder.encode``."""
        return self._encoder.encode(i420, number, keyframe=keyframe)

    def publish(self, packet: "av.Packet[Any]") -> None:
        """Pass a packet on to every viewer."""
        now_s = time.monotonic()
        for outlet, bitrate in tuple(self._viewers.items()):
            bitrate.packet(packet.size, now_s)
            outlet.put(packet)

    def close(self) -> None:
        """Let go of the encoder, which holds megabytes and would live until Python next looks for cycles."""
        self._viewers.clear()
        del self._encoder

    def _leave(self, outlet: Outlet) -> None:
        self._viewers.pop(outlet, None)
        self._aim()

    def _aim(self) -> None:
        if self._viewers:
            self.target = median_low(bitrate.target for bitrate in self._viewers.values())
            self._encoder.set_bitrate(self.target)
