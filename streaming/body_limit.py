"""Refuses request bodies that are too large, while they arrive."""

import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import InputError


class TooLargeError(InputError):
    """A body beyond the limit: HTTP 413."""


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
        started = False

        async def limited() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > self._most_bytes:
                raise self._refusal()
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if counted > self._most_bytes and not started:
                raise self._refusal()  # the app made another error of ours: ours is the one to tell
            started = True
            await send(message)

        try:
            if _promised(scope) > self._most_bytes:
                raise self._refusal()
            await self._app(scope, limited, watched)
        except TooLargeError as error:
            if started:
                raise
            await _answer(send, str(error))

    def _refusal(self) -> TooLargeError:
        return TooLargeError(f"expected at most {self._most_bytes} bytes, got more")


def _promised(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _answer(send: Send, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers: list[Any] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
