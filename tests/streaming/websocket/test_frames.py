"""Frames, blendshapes and sound for other renderers, and a reader that is too slow."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import cv2
import numpy as np
import pytest

from engine.conventions import ARKIT_NAMES, POSE_NAMES
from streaming.server import Server
from streaming.websocket.protocol import REPEATED, SPEAKING, Kind
from tests.streaming.fake_engine import JAW, read_number
from tests.streaming.websocket.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

Join = Callable[..., Awaitable[Client]]


async def test_blendshapes_move_with_the_sound_of_their_frame(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", blendshapes=True, audio=True)
    subscribed = await client.event("subscribed")
    assert subscribed["blendshapes"] == [*ARKIT_NAMES, *POSE_NAMES]
    await client.start()
    await client.say(np.full(16_000, 6000, np.int16))
    await client.tell("end_of_utterance")
    await client.event("idle")
    first, sound = client.sound()
    fresh = [media for media in client.of(Kind.MOTION) if not media[1] & REPEATED]
    opened = 0
    for _, flags, size, number, sample, body in fresh:
        values = np.frombuffer(body, "<f4")
        assert (size, sample, values.shape) == (256, number * 1920, (58,))
        begin = sample - first
        if 0 <= begin and begin + 1920 <= len(sound):
            level = float(np.sqrt(np.mean((sound[begin : begin + 1920] / 32768) ** 2)))
            assert abs(values[JAW] - min(1.0, 5 * level)) < 0.15  # the filter before the engine lags 0.6 ms
            opened += values[JAW] > 0.5
            if values[JAW] > 0.9:
                assert flags & SPEAKING
    assert opened > 5
    numbers = [media[3] for media in fresh]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("form", ["jpeg", "i420"])
async def test_pictures_are_those_of_their_frames(join: Join, form: str) -> None:
    client = await join()
    await client.tell("subscribe", frames=form, blendshapes=True)
    kind = Kind.JPEG if form == "jpeg" else Kind.I420
    await client.until(lambda: len(client.of(kind)) >= 8)
    for _, flags, size, number, _, body in client.of(kind):
        if form == "jpeg":
            luma = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_GRAYSCALE)
        else:
            luma = np.frombuffer(body, np.uint8).reshape(384, 256)[:256]
        assert luma.shape == (size, size) == (256, 256)
        if not flags & REPEATED:
            assert read_number(luma) == number
    moved = [media[3] for media in client.of(Kind.MOTION)]
    shown = [media[3] for media in client.of(kind)]
    assert moved[: len(shown)] == shown


async def test_a_subscription_takes_the_place_of_the_one_before(join: Join) -> None:
    client = await join()
    await client.tell("subscribe", frames="jpeg")
    await client.until(lambda: client.of(Kind.JPEG))
    await client.tell("subscribe", blendshapes=True)
    await client.event("subscribed", frames=None)
    seen = len(client.of(Kind.JPEG))
    await client.until(lambda: len(client.of(Kind.MOTION)) > 10)
    assert len(client.of(Kind.JPEG)) <= seen + 1
    await client.tell("subscribe")
    await client.event("subscribed", frames=None, blendshapes=None)
    seen = len(client.of(Kind.MOTION))
    await asyncio.sleep(0.2)
    assert len(client.of(Kind.MOTION)) <= seen + 1


async def test_a_slow_reader_loses_frames_and_holds_up_nobody(join: Join, address: str) -> None:
    host, port = address.split("/")[2].split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    small.connect((host, int(port)))
    small.setblocking(False)
    slow = await join(reading=False, sock=small, max_queue=1)
    await slow.tell("subscribe", frames="i420")
    quick = await join()
    await quick.tell("subscribe", blendshapes=True)
    await quick.until(lambda: len(quick.of(Kind.MOTION)) > 100)  # 10 MB of pictures for the slow one
    slow.read()
    lost = await slow.event("lost")
    assert lost["frames"] > 0
    await slow.until(lambda: np.diff([media[3] for media in slow.of(Kind.I420)]).max(initial=0) > 1)
    numbers = [media[3] for media in slow.of(Kind.I420)]
    assert numbers == sorted(numbers)
    numbers = [media[3] for media in quick.of(Kind.MOTION)]
    assert numbers == sorted(set(numbers))
    assert quick.all("lost") == []


async def test_the_end_of_the_session_is_told(join: Join, server: Server) -> None:
    client = await join()
    await client.tell("subscribe", frames="jpeg")
    await client.until(lambda: client.of(Kind.JPEG))
    await server.close_session("grace_hopper")
    await client.until(lambda: client.socket.close_code)
    assert client.socket.close_code == 1001
