"""The user's microphone goes to the agent, and the user's voice interrupts it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.speech.audio_file import load_audio
from streaming.server import Server
from streaming.session import AvatarSession
from streaming.websocket.protocol import Kind
from tests.streaming.websocket.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO = Path(__file__).parents[3] / "engine" / "assets" / "speech" / "hello.wav"

Join = Callable[..., Awaitable[Client]]


class User:
    """Somebody at the microphone of a session, who speaks as fast as time passes."""

    def __init__(self, session: AvatarSession) -> None:
        self._session = session
        self._timestamp = 4_000_000  # any origin

    async def speak(self, samples: NDArray[np.int16]) -> None:
        for first in range(0, len(samples), 960):
            self._session.hear(self._timestamp, samples[first : first + 960])
            self._timestamp += 960
            await asyncio.sleep(0.02)


def hello() -> NDArray[np.int16]:
    """A second of speech."""
    return (load_audio(HELLO.read_bytes()).output[:48_000] * 32767).astype(np.int16)


async def test_an_agent_hears_the_user_and_not_the_mouth_does(join: Join, server: Server) -> None:
    client = await join()
    await client.start(listen=True)
    await client.tell("clear")
    await client.event("cleared")  # the start is done
    session = server.session("grace_hopper")
    await User(session).speak(np.concatenate([hello(), np.zeros(48_000, np.int16)]))
    await client.event("user_speaking")
    await client.event("user_silent")
    numbers = [media[4] for media in client.of(Kind.USER_SOUND)]
    assert numbers == sorted(numbers) and 0 <= numbers[0] and numbers[-1] < session.timeline.head + 1600
    heard = np.concatenate([np.frombuffer(media[5], "<i2") for media in client.of(Kind.USER_SOUND)])
    assert np.abs(heard).max() > 0.5 * np.abs(hello()).max()
    assert client.all("speaking") == []


async def test_the_avatar_listens_while_the_user_speaks_to_the_agent(join: Join, server: Server) -> None:
    client = await join()
    await client.start(listen=True)
    await client.tell("clear")
    await client.event("cleared")
    session = server.session("grace_hopper")
    user = User(session)
    await user.speak(hello())
    assert session._listening
    await user.speak(np.zeros(24_000, np.int16))
    assert not session._listening
    await user.speak(hello())
    assert session._listening
    for _ in range(250):  # the microphone is off
        if session._listening:
            await asyncio.sleep(0.04)
    assert not session._listening
    await user.speak(hello())
    assert session._listening
    await client.start()
    await client.tell("clear")
    await client.until(lambda: len(client.all("cleared")) == 2)
    await user.speak(hello())  # to the mouth
    assert not session._listening


async def test_the_user_interrupts_an_agent_that_allows_it(join: Join, server: Server) -> None:
    client = await join()
    await client.start(listen=True, barge_in=True)
    user = User(server.session("grace_hopper"))
    await client.say((3000 * np.sin(np.arange(16_000 * 4) / 8)).astype(np.int16))
    await client.event("speaking")
    await user.speak(hello())
    cleared = await client.event("cleared")
    assert cleared["by"] == "user"
    order = [event["type"] for event in client.events]
    assert order.index("user_speaking") < order.index("cleared")
    over = await client.event("playback_position", over=True)
    assert over["interrupted"] and 0 < over["sample"] < over["samples"] == 64_000


async def test_without_barge_in_the_agent_decides(join: Join, server: Server) -> None:
    client = await join()
    await client.start(listen=True)
    await client.say((3000 * np.sin(np.arange(16_000 * 2) / 8)).astype(np.int16))
    await client.event("speaking")
    await User(server.session("grace_hopper")).speak(hello())
    await client.event("user_speaking")
    assert client.all("cleared") == []


async def test_one_listens_at_a_time_and_the_mouth_hears_again_after_it(join: Join, server: Server) -> None:
    client, other = await join(), await join()
    await client.start(listen=True)
    await client.tell("clear")
    await client.event("cleared")
    await other.start(listen=True)
    assert "listen" in (await other.event("error", code="busy"))["error"]
    await client.start()
    await client.tell("clear")
    await client.until(lambda: len(client.all("cleared")) == 2)
    await User(server.session("grace_hopper")).speak(hello())
    await client.event("speaking")
    assert client.of(Kind.USER_SOUND) == []
