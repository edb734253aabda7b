"""A whole call from aiortc to the server and back: negotiation, numbers, sound with its picture, worker's death."""

import asyncio
import gc
import os
import signal
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aioice.ice import Connection as IceConnection
from aiortc import MediaStreamTrack, RTCDtlsTransport

from streaming import aiortc_private
from streaming.aiortc_private import PLAYOUT_DELAY_URI
from streaming.server import Server
from streaming.timeline import to_int16
from tests.streaming.fake_engine import read_number
from tests.streaming.loopback import Caller

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZE = 256


class Bursts(MediaStreamTrack):
    """A microphone that is silent for a second and loud for a second."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._block = 0
        self._begun: float | None = None

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(self._begun + self._block * 0.02 - loop.time())
        time_s = (self._block * 960 + np.arange(960)) / 48_000
        loud = 9000 * np.sin(2 * np.pi * 440 * time_s) * (time_s % 2.0 >= 1.0)
        frame = av.AudioFrame.from_ndarray(loud.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self._block * 960
        self._block += 1
        return frame


async def call(client: httpx.AsyncClient, caller: Caller) -> tuple[str, str]:
    answer = await client.post("/api/calls", json={"sdp": await caller.offer(), "avatar": "grace_hopper"})
    assert answer.status_code == 201
    await caller.accept(answer.json()["sdp"])
    return answer.json()["call"], answer.json()["sdp"]


def mouth_open(luma: np.ndarray) -> bool:
    return bool(luma[SIZE * 3 // 4 - 8, SIZE // 2] < 70)


async def test_a_call_that_ends_just_as_it_connects_leaves_nothing_running(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiortc has stopped senders and receivers already, and goes on to start them."""
    handshake, close = RTCDtlsTransport._do_handshake, IceConnection.close
    shaken, stopping, running = asyncio.Event(), asyncio.Event(), asyncio.all_tasks()

    async def late_handshake(transport: RTCDtlsTransport) -> None:
        await handshake(transport)
        if transport in ours:
            shaken.set()
            await stopping.wait()

    async def slow_close(ice: IceConnection) -> None:
        if ice in {dtls.transport._connection for dtls in ours}:
            stopping.set()
            await asyncio.sleep(0.05)
        await close(ice)

    monkeypatch.setattr(RTCDtlsTransport, "_do_handshake", late_handshake)
    monkeypatch.setattr(IceConnection, "close", slow_close)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    ours: set[RTCDtlsTransport] = set()
    caller = Caller()
    answer = (await client.post("/api/calls", json={"sdp": await caller.offer()})).json()
    connection = server.calls[answer["call"]]._connection
    ours |= {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    await caller.accept(answer["sdp"])
    await shaken.wait()
    await client.delete(f"/api/calls/{answer['call']}")
    await caller.close()
    await server.close_session(answer["session"])
    async with asyncio.timeout(10):
        while left := asyncio.all_tasks() - running:
            await asyncio.wait(left, timeout=0.1)
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert complaints == []


async def test_a_call_with_a_microphone(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller(Bursts())
    name, answer = await call(client, caller)
    video = answer[answer.index("m=video") :]
    payload = video.split()[3]
    assert f"a=rtpmap:{payload} H264/90000" in video
    assert PLAYOUT_DELAY_URI in video
    assert aiortc_private.negotiated_codec(caller.connection.getTransceivers()[1]) == "video/H264"

    await caller.until(lambda: len(caller.pictures) > 100 and len(caller.sound) > 200)
    await caller.until(lambda: any(m["type"] == "state" for m in caller.messages))
    caller.send({"type": "style", "expressiveness": 9, "head_motion": 1})
    await caller.until(lambda: any(m["type"] == "error" for m in caller.messages))

    # The picture with number n carries the time stamp of frame n: both count from the session's begin.
    numbers = [(pts, read_number(luma)) for pts, luma in caller.pictures]
    origin = numbers[0][0] - 3600 * numbers[0][1]
    shown = [(pts - origin) // 3600 - number for pts, number in numbers]
    assert min(shown) == 0
    assert shown.count(0) > len(shown) // 2  # the others are repeated: the machine may be busy

    # The mouth opens in the very frames whose sound is loud.
    level = {pts // 960: np.abs(samples).max() for pts, samples in caller.sound}
    fresh = [luma for (_, luma), lag in zip(caller.pictures, shown, strict=True) if lag == 0]
    assert any(map(mouth_open, fresh)) and not all(map(mouth_open, fresh))
    assert max(level.values()) > 5000

    stats = [m for m in caller.messages if m["type"] == "stats"][-1]
    assert set(stats) == {"type", "frame", "fps", "repeated", "latency_ms", "ladder", "stages"}
    assert "draw" in stats["stages"] and "encode" in stats["stages"]
    assert {"type": "state", "speaking": True} in caller.messages
    assert any("expressiveness" in m["error"] for m in caller.messages if m["type"] == "error")
    live = server.call(name).session
    await caller.until(lambda: live.timeline.microphone.active(asyncio.get_running_loop().time()))
    await client.delete(f"/api/calls/{name}")
    await caller.close()


async def test_silence_without_a_microphone_and_a_dead_worker(
    client: httpx.AsyncClient, server: Server
) -> None:
    caller = Caller()
    name, _ = await call(client, caller)
    await caller.until(lambda: len(caller.pictures) > 25)
    assert not any(np.abs(samples).max() > 50 for _, samples in caller.sound)
    worker = server.workers.worker_of(server.call(name).session.name)
    assert worker is not None and worker.pid is not None
    pid = worker.pid
    os.kill(pid, signal.SIGKILL)
    before = len(caller.sound)
    await caller.until(lambda: server.workers.restarts == 1)
    await caller.until(lambda: server.workers.running)
    assert len(caller.sound) > before  # sound went on
    assert worker.pid != pid

    pictures = len(caller.pictures)
    await caller.until(lambda: len(caller.pictures) > pictures + 60)
    last = caller.pictures[-30:]
    assert (np.diff([pts for pts, _ in last]) > 0).all()  # the call's numbers go on
    assert len({read_number(luma) for _, luma in last}) > 5  # and the picture moves again
    await client.delete(f"/api/calls/{name}")
    await caller.close()


async def test_clear_silences_speech_that_is_playing(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller()
    name, _ = await call(client, caller)
    await caller.until(lambda: len(caller.sound) > 5)
    server.call(name).session.play(to_int16(0.4 * np.sin(np.arange(48_000 * 20) * 0.05, dtype=np.float32)))

    def loud(block: tuple[int, np.ndarray]) -> bool:
        return bool(np.abs(block[1].astype(np.int32)).max() > 2000)

    await caller.until(lambda: loud(caller.sound[-1]))
    await client.post(f"/api/calls/{name}/clear")
    at = len(caller.sound)
    await caller.until(lambda: len(caller.sound) > at + 60)
    assert not any(map(loud, caller.sound[at + 30 :]))
    await client.delete(f"/api/calls/{name}")
    await caller.close()


async def test_a_caller_who_leaves_is_noticed(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller()
    name, _ = await call(client, caller)
    await caller.until(lambda: len(caller.pictures) > 3)
    await caller.close()
    async with asyncio.timeout(30):
        while name in server.calls:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.05)


async def test_deleting_the_shown_avatar_switches_to_the_default(
    client: httpx.AsyncClient, server: Server
) -> None:
    made = await client.post("/api/avatars", files={"photo": ("a.jpg", b"a face!")}, data={"rights": "self"})
    await client.get(f"/api/avatar-jobs/{made.json()['job']}/events")
    upload = next(entry for entry in server.store.all() if not entry.bundled)
    caller = Caller()
    name, _ = await call(client, caller)
    await caller.until(lambda: len(caller.pictures) > 3 and caller.control.readyState == "open")
    caller.send({"type": "avatar", "id": upload.id})
    await caller.until(lambda: {"type": "avatar", "id": upload.id} in caller.messages)
    assert server.call(name).session.avatar_id == upload.id
    assert (await client.delete(f"/api/avatars/{upload.id}")).status_code == 204
    assert server.call(name).session.avatar_id == "grace_hopper"
    await caller.until(lambda: {"type": "avatar", "id": "grace_hopper"} in caller.messages)
    caller.send({"type": "avatar", "id": upload.id})
    await caller.until(lambda: any("no avatar" in m.get("error", "") for m in caller.messages))
    await client.delete(f"/api/calls/{name}")
    await caller.close()
