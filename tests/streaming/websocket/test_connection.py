"""What one client may do to the others' event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streaming.server import Server
from streaming.websocket.connection import GOING_AWAY, Connection

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


@pytest.mark.asyncio(loop_scope="session")
async def test_a_live_speaker_is_told_that_the_session_has_ended(
    join: Callable[..., Any], server: Server
) -> None:
    """What the resampler still holds then has nowhere to go."""
    client = await join()
    ready = await client.event("ready")
    await client.tell("subscribe", frames="jpeg")
    await client.start(16_000, mode="live")
    await client.say(np.full(320, 9_000, np.int16))
    session = server.session(ready["session"])
    await client.until(lambda: session._microphone_owner is not None and client.media)
    await server.close_session(session.name)
    await client.until(lambda: client.socket.close_code is not None)
    assert client.socket.close_code == GOING_AWAY
    await client.until(lambda: session.participants == 0)
    await client.until(lambda: not any(each.name.startswith("jpeg") for each in threading.enumerate()))
