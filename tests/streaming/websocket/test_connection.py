"""What one client may do to the others' event loop."""

import asyncio
from typing import Any

from streaming.websocket.connection import Connection

MESSAGES = 100


class Flood:
    """A WebSocket on which all messages wait already, so that ``receive`` never does."""

    def __init__(self) -> None:
        self.left = MESSAGES

    async def receive(self) -> dict[str, Any]:
        self.left -= 1
        if self.left < 0:
            return {"type": "websocket.disconnect"}
        return {"type": "websocket.receive", "text": '{"type": "clear"}'}


class Session:
    """What of a session ``clear`` uses."""

    def __init__(self) -> None:
        self.cleared = 0

    def clear(self) -> None:
        self.cleared += 1


async def test_others_have_their_turn_between_the_messages_that_wait() -> None:
    flood, session = Flood(), Session()
    connection = Connection(flood, session, lambda avatar: None, lambda scope: None)  # type: ignore[arg-type]
    reading = asyncio.create_task(connection._read_forever())
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert session.cleared == MESSAGES
    assert turns >= MESSAGES
