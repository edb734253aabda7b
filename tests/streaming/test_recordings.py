"""Recordings over HTTP, and how long they are kept."""

import asyncio
import os
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from engine.provenance import PROVENANCE
from streaming.auth import needed
from streaming.recording_store import Recordings, UnknownRecordingError
from streaming.server import Server
from streaming.session import BusyError
from streaming.tokens import Scope
from tests.streaming.fake_engine import read_number
from tests.streaming.test_recorder import Session, recorder_keeps_up, speak


class Named(Session):
    name = label = "session-1"


@pytest.fixture
def session() -> Any:
    return Named()


def test_the_routes_need_the_scopes_that_the_docs_say() -> None:
    publish = frozenset({Scope.PUBLISH})
    for method in ("POST", "DELETE", "GET"):
        assert needed(method, "/api/calls/abc/recording") == publish
    assert needed("GET", "/api/recordings/abc") == needed("DELETE", "/api/recordings/abc") == publish
    assert needed("GET", "/api/recordings") == frozenset({Scope.ADMIN})


@pytest.mark.asyncio(loop_scope="session")
async def test_a_call_is_recorded_downloaded_and_deleted(client: httpx.AsyncClient, server: Server) -> None:
    session = server.open_session(None)

    class Peer:  # what of a call the routes use
        connected = True
        answered_s = float("inf")

    peer: Any = Peer()
    peer.session = session
    server.calls["the-call"] = peer
    try:
        assert (await client.delete("/api/calls/the-call/recording")).status_code == 404
        begun = await client.post("/api/calls/the-call/recording")
        assert begun.status_code == 201 and begun.json()["ended"] is None
        name = begun.json()["recording"]
        again = await client.post("/api/calls/the-call/recording")
        assert again.status_code == 409 and "stop that recording first" in again.json()["error"]
        assert (await client.get(f"/api/recordings/{name}")).status_code == 409
        recorder = server.recordings._recorders[name]
        async with asyncio.timeout(60):
            while True:
                if recorder.seconds > 1.0:
                    break
                await asyncio.sleep(0.05)
        stopped = (await client.delete("/api/calls/the-call/recording")).json()
        assert stopped["ended"] == "stopped" and stopped["size_bytes"] > 1000
        assert name in [
            info["recording"] for info in (await client.get("/api/recordings")).json()["recordings"]
        ]
        film = await client.get("/api/calls/the-call/recording")
        assert (
            film.headers["content-type"] == "video/mp4"
            and "attachment" in film.headers["content-disposition"]
        )
        path = server.recordings.directory / "download.check"
        path.write_bytes(film.content)
        with av.open(str(path)) as container:
            numbers = [
                read_number(frame.to_ndarray(format="yuv420p")[:256]) for frame in container.decode(video=0)
            ]
            assert container.metadata["comment"] == PROVENANCE
        assert len(numbers) > 1 and numbers == sorted(numbers)  # a busy machine passes frames over
        path.unlink()
        assert (await client.delete(f"/api/recordings/{name}")).status_code == 204
        assert (await client.get(f"/api/recordings/{name}")).status_code == 404
        assert (await client.get("/api/calls/the-call/recording")).status_code == 404
    finally:
        del server.calls["the-call"]
        await server.close_session(session.name)


async def made(recordings: Recordings, session: Any) -> str:
    name = recordings.start(session).recording
    await asyncio.sleep(0)
    await speak(session, 10)
    await recorder_keeps_up(recordings._recorders[name])
    await recordings.finish(name)
    return name


async def test_recordings_are_deleted_after_their_lifetime(session: Any, tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, lifetime_s=3600.0)
    old, new = await made(recordings, session), await made(recordings, session)
    path = tmp_path / f"{old}.mp4"
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3700))
    recordings.sweep()
    assert [info.recording for info in recordings.all()] == [new]
    with pytest.raises(UnknownRecordingError):
        await recordings.file(old)


async def test_a_recording_that_runs_is_not_swept(session: Any, tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, lifetime_s=0.0, clock=lambda: 4e9)
    name = recordings.start(session).recording
    recordings.sweep()
    assert recordings.info(name).ended is None
    await recordings.stop()
    recordings.sweep()
    assert recordings.all() == []


async def test_another_server_finds_them_again(session: Any, tmp_path: Path) -> None:
    name = await made(Recordings(tmp_path, 3600.0), session)
    (tmp_path / "what somebody put there.mp4").touch()
    later = Recordings(tmp_path, 3600.0)
    assert [(info.recording, info.ended) for info in later.all()] == [(name, "kept")]
    assert (await later.file(name)).stat().st_mode & 0o777 == 0o600
    await later.delete(name)
    assert later.all() == []


async def test_one_recording_of_a_session_at_a_time_and_no_strange_names(
    session: Any, tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path, 3600.0)
    first = recordings.start(session).recording
    with pytest.raises(BusyError):
        recordings.start(session)
    await recordings.finish(first)
    second = recordings.start(session).recording
    assert recordings.of_session(session) == second != first
    await recordings.delete(second)
    for name in ("../../etc/passwd", "", "a" * 65, "\U0001d49c" * 64, "none"):
        with pytest.raises(UnknownRecordingError):
            recordings.info(name)


async def test_a_later_session_of_the_same_name_gets_nothing_of_the_former_one(
    session: Any, tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path, 3600.0)
    name = await made(recordings, session)
    later: Any = Named()
    assert later.name == session.name
    with pytest.raises(UnknownRecordingError, match="has not been recorded"):
        recordings.of_session(later)
    own = await made(recordings, later)
    assert (recordings.of_session(session), recordings.of_session(later)) == (name, own)


async def test_who_waits_for_the_end_of_a_recording_that_is_being_deleted_gets_none(
    session: Any, tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path, 3600.0)
    name = recordings.start(session).recording
    recordings._recorders[name]._end("session ended")
    deleting = asyncio.create_task(recordings.delete(name))
    with pytest.raises(UnknownRecordingError):
        await asyncio.gather(deleting, recordings.file(name))
    assert recordings.all() == []


async def test_when_it_began_is_told_however_long_it_is_written(session: Any, tmp_path: Path) -> None:
    wall_s = 1000.0
    recordings = Recordings(tmp_path, 1e9, clock=lambda: wall_s)
    name = await made(recordings, session)
    wall_s = 2000.0
    assert recordings.info(name).created_s == 1000.0
