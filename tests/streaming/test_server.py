"""How sessions come and go; the engine worker only listens."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import RTCIceGatherer

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from streaming import session
from streaming.avatars import AvatarEntry
from streaming.engine_port import EngineOptions
from streaming.errors import FullError, UnknownSessionError
from streaming.loader import AvatarLoader
from streaming.messages import (
    Audio,
    CloseSession,
    FrameDone,
    FromWorker,
    OpenSession,
    SessionFailed,
    ToWorker,
)
from streaming.offers import OfferError
from streaming.peer import Peer
from streaming.pictures import Picture
from streaming.server import Server
from streaming.settings import ServeSettings
from streaming.shared import SLOTS, SessionMemory
from streaming.worker import Worker
from tests.streaming.fake_engine import FakeEngine, InlineExecutor
from tests.streaming.offers import recorded


class Workers:
    """Those of a server, which keep what they are told."""

    running = 1
    restarts = 0

    def __init__(self) -> None:
        self.told: list[ToWorker] = []

    def send(self, message: ToWorker) -> None:
        self.told.append(message)

    def phase_s(self, session: str) -> None:
        pass

    def check_alive(self, now_s: float) -> None:
        pass

    async def stop(self) -> None:
        pass


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(ServeSettings(data_dir=tmp_path, max_sessions=1))
    workers: Any = Workers()
    server.workers = workers
    for name in ("ann", "bob"):
        made = server.store.made(name)
        for file in ("avatar.avatar", "avatar.jpg"):
            (made / file).touch()
        server.store.add(AvatarEntry(name, name, True, "self", 0.0), made)
    yield server
    await server.stop()


def opened_and_closed(server: Server) -> list[tuple[type, str]]:
    told: Any = server.workers
    return [
        (type(message), message.session)
        for message in told.told
        if isinstance(message, OpenSession | CloseSession)
    ]


async def test_a_session_that_ends_does_not_end_the_next_one_of_its_name(server: Server) -> None:
    first = server.shared_session("ann")
    ending = asyncio.create_task(server.close_session("ann"))
    await asyncio.sleep(0)
    second = server.shared_session("ann")
    told: Any = server.workers
    so_far = len(told.told)
    first.set_style(0.5, 0.5)
    first.clear()
    assert len(told.told) == so_far  # nothing of the first goes to the second
    await ending
    assert second is not first and server.sessions == {"ann": second}
    assert opened_and_closed(server) == [(OpenSession, "ann"), (CloseSession, "ann"), (OpenSession, "ann")]


async def test_a_session_that_makes_room_does_not_end_the_next_one_of_its_name(server: Server) -> None:
    server.shared_session("ann")
    server.shared_session("bob")
    server.shared_session("ann")
    await asyncio.gather(*server._tasks)
    assert list(server.sessions) == ["ann"]
    assert opened_and_closed(server)[-1] == (OpenSession, "ann")


def said_of(server: Server, *more: ToWorker) -> list[FromWorker]:
    """What a worker says that is told all that the server has told, and more; it is never late."""
    told: Any = server.workers
    said: list[FromWorker] = []
    engine = FakeEngine(EngineOptions(size=server.settings.size))
    worker = Worker(
        engine, AvatarLoader(engine, InlineExecutor()), server.settings.size, said.append, lambda: 0.0
    )
    for message in (*told.told, *more):
        worker.handle(message)
        worker.step()
    worker.close()
    return said


async def test_a_late_frame_is_not_shown_by_the_next_session_of_the_name(server: Server) -> None:
    server.store.bundle("ann").write_text(json.dumps({"chroma": 100}))
    server.shared_session("ann")
    late = said_of(server, Audio("ann", FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
    assert {type(message) for message in late} == {FrameDone}
    await server.close_session("ann")

    second = server.shared_session("ann")
    shown: list[Picture] = []
    second.watch(shown.append)
    told: Any = server.workers
    opened = [message for message in told.told if isinstance(message, OpenSession)]
    memory = SessionMemory(server.settings.size, opened[-1].memory)
    for slot in range(SLOTS):  # its own worker draws there
        memory.fill(slot, np.zeros((server.settings.size * 3 // 2, server.settings.size), np.uint8))
    server._on_message(late[0])
    await asyncio.sleep(0.2)
    assert shown == []
    second.clear()  # a frame of before would be dropped, and its slot given back
    server._on_message(late[0])
    assert memory.free_slot() is None
    memory.close()


async def test_a_late_failure_does_not_end_the_next_session_of_the_name(server: Server) -> None:
    server.shared_session("ann")  # its bundle is an empty file
    late = said_of(server)
    assert [type(message) for message in late] == [SessionFailed]
    await server.close_session("ann")
    second = server.shared_session("ann")
    told: list[dict[str, Any]] = []
    second.on_event(told.append)
    server._on_message(late[0])
    await asyncio.gather(*server._tasks)
    assert server.sessions == {"ann": second} and told == []
    server._on_message(said_of(server)[-1])  # its own
    await asyncio.gather(*server._tasks)
    assert not server.sessions and [event["type"] for event in told] == ["error", "ended"]


async def test_housekeeping_ends_idle_sessions_and_none_that_took_their_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.server.HOUSEKEEPING_S", 0.01)
    server.settings = server.settings.model_copy(update={"max_sessions": 3, "idle_timeout_s": 0.0})
    server.shared_session("ann")
    first = server.shared_session("bob")
    closing, going_on = asyncio.Event(), asyncio.Event()
    close = session.AvatarSession.close

    async def slowly(closed: session.AvatarSession) -> None:
        closing.set()
        await going_on.wait()
        await close(closed)

    monkeypatch.setattr(session.AvatarSession, "close", slowly)
    server._spawn(server._keep_house(), "housekeeping")
    await closing.wait()  # of ann
    ending = asyncio.create_task(server.close_session("bob"))
    await asyncio.sleep(0)
    second = server.shared_session("bob")
    second.enter(server)
    going_on.set()
    await ending
    await asyncio.sleep(0.1)
    assert first is not second and server.sessions == {"bob": second}


async def test_an_offer_that_fails_late_does_not_end_the_next_session_of_the_name(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.shared_session("ann")

    async def fail_late(peer: Peer, offer: str) -> str:
        await server.close_session("ann")
        server.shared_session("ann")
        raise OfferError("late")

    monkeypatch.setattr(Peer, "answer", fail_late)
    with pytest.raises(OfferError):
        await server.open_call("", first)
    assert list(server.sessions) == ["ann"] and server.sessions["ann"] is not first


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("gathered", [False, True], ids=["before", "after"])
async def test_who_waits_for_the_answer_of_a_session_that_ends_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch, gathered: bool
) -> None:
    """An answer waits 5 s for a STUN server that says nothing, before or after it has sockets."""
    gathering, going_on = asyncio.Event(), asyncio.Event()
    gather = RTCIceGatherer.gather

    async def slowly(gatherer: RTCIceGatherer) -> None:
        if gathered:
            await gather(gatherer)
        gathering.set()
        await going_on.wait()
        if not gathered:
            await gather(gatherer)

    monkeypatch.setattr(RTCIceGatherer, "gather", slowly)
    before, tasks = len(os.listdir("/proc/self/fd")), asyncio.all_tasks()
    calling = asyncio.create_task(server.open_call(recorded("chromium_page"), server.shared_session("ann")))
    await gathering.wait()
    async with asyncio.timeout(1.0):  # it is not waited for
        await server.close_session("ann")
    second = server.shared_session("ann")
    going_on.set()
    with pytest.raises(UnknownSessionError, match="'ann' ended before the call"):
        await calling
    assert not server.calls and server.sessions == {"ann": second} and not second.participants
    await server.close_session("ann")
    async with asyncio.timeout(5.0):
        while (left := asyncio.all_tasks() - tasks) or len(os.listdir("/proc/self/fd")) > before:
            await asyncio.wait(left or [asyncio.create_task(asyncio.sleep(0.05))], timeout=0.05)


async def test_who_waits_for_an_answer_of_a_server_that_stops_is_told_to_come_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop_meanwhile(gatherer: RTCIceGatherer) -> None:
        await server.say_goodbye(1.0)
        await server.close_session("ann")

    monkeypatch.setattr(RTCIceGatherer, "gather", stop_meanwhile)
    with pytest.raises(FullError, match="is stopping"):
        await server.open_call(recorded("chromium_page"), server.shared_session("ann"))


async def test_what_cannot_be_deleted_holds_up_nothing(server: Server) -> None:
    server.store.set_default("ann")
    for name in ("cat", "dog"):
        made = server.store.made(name)
        for file in ("avatar.avatar", "avatar.jpg"):
            (made / file).touch()
        server.store.add(AvatarEntry(name, name, False, "self", 0.0), made)
        recording = server.recordings.directory / f"{name}.mp4"
        recording.touch()
        os.utime(recording, (0, 0))
    for path in (server.store.directory / "cat.jpg", server.recordings.directory / "cat.mp4"):
        path.unlink()
        path.mkdir()
        os.utime(path, (0, 0))
    server._sweep()
    assert not (server.store.directory / "dog.jpg").exists()
    assert not (server.recordings.directory / "dog.mp4").exists()


async def test_a_session_without_memory_is_refused_and_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(session, "SessionMemory", full)
    with pytest.raises(FullError, match="no memory for another avatar"):
        server.open_session("ann")
    assert not server.sessions and not opened_and_closed(server)
