"""What waits to be sent to one client: bounded, in order, and never in anybody's way."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final, Literal

Lane = Literal["event", "frame", "sound"]

MOST_WAITING: Final[dict[Lane, int]] = {"event": 1000, "frame": 3, "sound": 100}
"""Entries of each lane that may wait: frames are worth little when late, sound is kept for two seconds."""


class Outbox:
    """One queue for all that goes to a client. A reader that is too slow loses the oldest frames and sounds.

    Events are never lost: ``overflown`` is set when too many wait, which ends the connection.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Lane, Sequence[str | bytes]]] = deque()
        self._count: Counter[Lane] = Counter()
        self._there = asyncio.Event()
        self.lost: Counter[Lane] = Counter()
        self.overflown = asyncio.Event()

    def event(self, kind: str, **fields: Any) -> None:
        """Send a JSON object."""
        self._put("event", [json.dumps({"type": kind, **fields})])

    def frame(self, messages: Sequence[bytes]) -> None:
        """Send what belongs to one frame; it is kept or lost together."""
        self._put("frame", messages)

    def sound(self, message: bytes) -> None:
        """Send a piece of sound."""
        self._put("sound", [message])

    async def next(self) -> Sequence[str | bytes]:
        """The messages of the oldest entry. Not for two readers."""
        while not self._waiting:
            self._there.clear()
            await self._there.wait()
        lane, messages = self._waiting.popleft()
        self._count[lane] -= 1
        return messages

    def _put(self, lane: Lane, messages: Sequence[str | bytes]) -> None:
        if self._count[lane] >= MOST_WAITING[lane]:
            if lane == "event":
                self.overflown.set()
                return
            self._waiting.remove(next(entry for entry in self._waiting if entry[0] == lane))
            self._count[lane] -= 1
            self.lost[lane] += 1
        self._waiting.append((lane, messages))
        self._count[lane] += 1
        self._there.set()
