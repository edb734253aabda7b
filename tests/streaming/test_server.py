"""How sessions come and go; the engine worker only listens."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streaming import session
from streaming.avatars import AvatarEntry
from streaming.errors import FullError
from streaming.messages import CloseSession, OpenSession, ToWorker
from streaming.offers import OfferError
from streaming.peer import Peer
from streaming.server import Server
from streaming.settings import ServeSettings


class Workers:
    """Those of a server, which keep what they are told."""

    running = 1

    def __init__(self) -> None:
        self.told: list[ToWorker] = []

    def send(self, message: ToWorker) -> None:
        self.told.append(message)

    def phase_s(self, session: str) -> None:
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
