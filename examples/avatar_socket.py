"""A small client of Vividlive's WebSocket (docs/protocol.md): what the examples here have in common."""

import argparse
import asyncio
import json
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

MOTION, JPEG, I420, SOUND, USER_SOUND = range(1, 6)
"""Kinds of binary messages."""

SPARE_S = 10.0
"""Room that is left in the server's buffer: its reports are a quarter of a second old."""

HEADER = struct.Struct("<BBHIQ")


@dataclass
class Media:
    """A binary message: blendshapes, a picture or sound; ``sample`` is the number of its first sample."""

    kind: int
    flags: int
    size: int
    frame: int
    sample: int
    body: bytes


class AvatarSocket:
    """A connection to one avatar: ``async with AvatarSocket(url) as avatar``."""

    def __init__(self, url: str, *, token: str | None = None, **query: str | None) -> None:
        """``query`` is ``avatar`` (the session that all share who ask for it) or ``session`` (one that is there)."""
        asked = {name: value for name, value in query.items() if value is not None}
        self._address = f"{url}?{urlencode(asked)}" if asked else url
        self._headers = {"Authorization": f"Bearer {token}"} if token else None
        self.ready: dict[str, Any] = {}
        self.queued_ms = 0.0
        self._played = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            # Pictures are larger than the usual limit, and compressing sound costs time and gains nothing.
            self._socket: ClientConnection = await connect(
                self._address, additional_headers=self._headers, max_size=1 << 24, compression=None
            )
        except InvalidStatus as refusal:
            raise SystemExit((refusal.response.body or b"refused").decode()) from refusal
        except (OSError, InvalidURI, InvalidHandshake) as error:
            raise SystemExit(f"expected a Vividlive server at {self._address}: {error}") from error
        self.ready = json.loads(await self._socket.recv())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()

    async def tell(self, kind: str, **fields: Any) -> None:
        """Send a message of control."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def say(self, sound: bytes) -> None:
        """Push sound in the form that ``start`` has named."""
        await self._socket.send(sound)

    async def wait_for_room(self, seconds: float) -> None:
        """Wait until so much more sound may be pushed. Somebody else must be reading the events meanwhile."""
        while self.queued_ms + (seconds + SPARE_S) * 1e3 > self.ready["buffer_ms"]:
            self._played.clear()
            await self._played.wait()
        self.queued_ms += seconds * 1e3  # the next report says how much it really is

    async def events(self) -> AsyncIterator[dict[str, Any] | Media]:
        """All that the server says, until it hangs up."""
        while True:
            try:
                message = await self._socket.recv()
            except ConnectionClosed as closed:
                print(f"the server hung up: {closed}", file=sys.stderr)
                return
            if isinstance(message, bytes):
                yield Media(*HEADER.unpack_from(message), body=message[HEADER.size :])
                continue
            event = json.loads(message)
            if event["type"] == "playback_position":
                self.queued_ms = event["queued_ms"]
                self._played.set()
            yield event


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that say which avatar to talk to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", default="ws://127.0.0.1:8080/ws")
    parser.add_argument("--avatar", help="id of an avatar; the default one without it")
    parser.add_argument("--session", help="name of a session that is there, as POST /api/calls answered it")
    parser.add_argument("--token", help="when the server asks for one")
    return parser


def open_socket(options: argparse.Namespace) -> AvatarSocket:
    """The connection that the options ask for."""
    return AvatarSocket(options.url, token=options.token, avatar=options.avatar, session=options.session)
