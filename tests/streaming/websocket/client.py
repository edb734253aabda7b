"""A client that keeps everything it is told."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streaming.websocket.protocol import Kind, unpack

Media = tuple[Kind, int, int, int, int, bytes]


async def until(holds: Callable[[], Any], changed: asyncio.Event | None = None) -> Any:
    """Wait until something holds, and return it; gives up long after it should."""
    changed = changed if changed is not None else asyncio.Event()
    async with asyncio.timeout(60):
        while not (found := holds()):
            changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), 0.05)
    return found


class Client:
    """Connects, reads on, and finds things in what came."""

    def __init__(self, address: str, *, reading: bool = True, **options: Any) -> None:
        self._address = address
        self._reading = reading
        self._options: dict[str, Any] = {"compression": None, "max_size": 1 << 24, **options}
        self.events: list[dict[str, Any]] = []
        self.media: list[Media] = []
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.socket: ClientConnection

    async def __aenter__(self) -> Self:
        self.socket = await connect(self._address, **self._options)
        if self._reading:
            self.read()
            await self.event("ready")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()
        if self._reader is not None:
            await self._reader

    def read(self) -> None:
        """Begin to read."""
        self._reader = asyncio.create_task(self._read())

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def start(self, sample_rate: int = 16_000, form: str = "s16", **more: Any) -> None:
        await self.tell("start", sample_rate=sample_rate, format=form, **more)

    async def say(self, samples: NDArray[Any]) -> None:
        await self.socket.send(samples.astype("<i2" if samples.dtype.kind == "i" else "<f4").tobytes())

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until something holds here or in the server, and return it."""
        return await until(holds, self._changed)

    async def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first event with these fields, when it is there."""
        found: dict[str, Any] = await self.until(
            lambda: next((e for e in self.events if e.items() >= {"type": kind, **fields}.items()), None)
        )
        return found

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def of(self, kind: Kind) -> list[Media]:
        return [media for media in self.media if media[0] == kind]

    def sound(self, kind: Kind = Kind.SOUND) -> tuple[int, NDArray[np.int16]]:
        """Number of the first sample and all sound that came; it has no gap."""
        blocks = [(media[4], np.frombuffer(media[5], "<i2")) for media in self.of(kind)]
        for (first, samples), (following, _) in zip(blocks, blocks[1:], strict=False):
            assert first + len(samples) == following
        return blocks[0][0], np.concatenate([samples for _, samples in blocks])

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if isinstance(message, str):
                    self.events.append(json.loads(message))
                else:
                    self.media.append(unpack(message))
                self._changed.set()
        except ConnectionClosed:
            pass
        self._changed.set()
