"""The two outgoing tracks of a call: they wait for the deadline and hand out encoded packets."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError


async def sleep_until(when_s: float) -> None:
    """Sleep until a monotonic time; at least give way once."""
    await asyncio.sleep(max(0.0, when_s - time.monotonic()))


class PacketTrack(MediaStreamTrack):
    """A track whose packets come from a coroutine function, one at a time."""

    def __init__(
        self, kind: str, next_packet: "Callable[[], Awaitable[av.Packet[Any]]]", sent: Callable[[int], None]
    ) -> None:
        """``sent(pts)`` is called when the packet that was handed out before has been sent completely."""
        super().__init__()
        self.kind = kind
        self._next_packet = next_packet
        self._sent = sent
        self._last_pts: int | None = None

    async def recv(self) -> "av.Packet[Any]":
        """Return the next packet when it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        if self._last_pts is not None:
            self._sent(self._last_pts)
        packet = await self._next_packet()
        self._last_pts = packet.pts
        return packet
