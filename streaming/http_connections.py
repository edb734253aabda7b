"""What uvicorn's connections lack: they hang up on a client that does not finish its request, or does not read."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_S: Final = 20.0
"""How long the head of a request may take to arrive."""

BODY_S: Final = 60.0
"""How long the body of a request may pause."""

UNREAD_S: Final = 20.0
"""How long a WebSocket client may leave what is sent to it unread."""

CLOSE_S: Final = 1.0
"""How long the last words may take to leave when the server ends; less than ``streaming.serve.SHUTDOWN_S``."""


class HttpConnection(H11Protocol):
    """Hangs up on a client that connects and says nothing, or stops in the middle of a request."""

    _hang_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._hang_up_after(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        if self.transport.get_protocol() is not self:  # it is a WebSocket now
            self._stop_waiting()
        elif self.cycle is None or self.cycle.response_complete:
            if self._hang_up is None:  # for all of the head, which may come byte by byte
                self._hang_up_after(HEAD_S)
        else:
            self._stop_waiting()
            if self.cycle.more_body:
                self._hang_up_after(BODY_S)

    def _hang_up_after(self, seconds: float) -> None:
        self._hang_up = self.loop.call_later(seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
            self._hang_up = None


class WebSocketConnection(WebSocketsSansIOProtocol):
    """Hangs up on a client that does not read: closing alone would wait until it has read all."""

    _hang_up: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._hang_up is not None:
            self._hang_up.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is sent to; whoever sends waits."""
        super().pause_writing()
        self._hang_up = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read on."""
        if self._hang_up is not None:
            self._hang_up.cancel()
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        """The client does not answer pings."""
        super().keepalive_timeout()
        self.transport.abort()

    def shutdown(self) -> None:
        """The server ends."""
        super().shutdown()
        self.loop.call_later(CLOSE_S, self.transport.abort)
