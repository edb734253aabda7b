"""Refuses request bodies that are too large, while they arrive."""

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class TooLargeError(Exception):
    """A body has passed the limit."""


class BodyLimit:
    """ASGI middleware: counts the bytes of every body, whatever its header promises."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a body that ends in an error once it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = 0
        refused = _promised(scope) > self._most_bytes
        started = False

        async def limited() -> Message:
            nonlocal counted, refused
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self._most_bytes:
                refused = True
                raise TooLargeError
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if refused and not started:
                return  # whatever the app makes of the broken body, the answer is below
            started = True
            await send(message)

        if not refused:
            try:
                await self._app(scope, limited, watched)
            except TooLargeError:
                if started:
                    raise
        if refused and not started:
            await _answer(send, f"expected at most {self._most_bytes} bytes, got more")


def _promised(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _answer(send: Send, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    # Not "connection: close": closed while the body still comes, the connection is reset and the answer lost.
    headers: list[Any] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
