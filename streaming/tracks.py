"""The outgoing track of a peer: hands on the packets of a session's feed."""

from collections.abc import Callable
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from streaming.feeds import Outlet


class PacketTrack(MediaStreamTrack):
    """A track whose packets come from an outlet, which is opened when the first one is asked for."""

    def __init__(self, kind: str, open_outlet: Callable[[], Outlet], sent: Callable[[int], None]) -> None:
        """``sent(pts)`` is called when the packet that was handed out before has been sent completely."""
        super().__init__()
        self.kind = kind
        self.outlet: Outlet | None = None
        self._open_outlet = open_outlet
        self._sent = sent
        self._last_pts: int | None = None

    async def recv(self) -> "av.Packet[Any]":
        """Return the next packet when it has left the encoder."""
        if self.readyState != "live":
            raise MediaStreamError
        if self._last_pts is not None:
            self._sent(self._last_pts)
        if self.outlet is None:
            self.outlet = self._open_outlet()
        packet = await self.outlet.next()
        self._last_pts = packet.pts
        return packet

    def stop(self) -> None:
        """Ask for no more packets."""
        super().stop()
        if self.outlet is not None:
            self.outlet.close()
