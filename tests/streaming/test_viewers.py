"""Many peers on one session: joining, coming back, viewing only, VP8, one microphone at a time."""

import asyncio
import json
from typing import Any

import httpx
import numpy as np
import pytest

from streaming import aiortc_private
from streaming.app import build_app
from streaming.errors import FullError
from streaming.peer import Peer
from streaming.server import HURRIED_CONNECT_S, Server
from tests.streaming.fake_engine import read_number
from tests.streaming.loopback import Caller
from tests.streaming.test_call_loopback import Bursts

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def place(client: httpx.AsyncClient, caller: Caller, **more: Any) -> dict[str, str]:
    answer = await client.post("/api/calls", json={"sdp": await caller.offer(), **more})
    assert answer.status_code == 201, answer.text
    placed: dict[str, str] = answer.json()
    await caller.accept(placed["sdp"])
    return placed


async def leave(client: httpx.AsyncClient, server: Server, *callers: Caller) -> None:
    for call in list(server.calls):
        await client.delete(f"/api/calls/{call}")
    for caller in callers:
        await caller.close()
    for session in list(server.sessions):
        await server.close_session(session)


async def offer_everywhere(client: httpx.AsyncClient, offer: str) -> list[httpx.Response]:
    """What each way into a call answers to an offer."""
    sdp = {"Content-Type": "application/sdp"}
    return [
        await client.post("/api/calls", json={"sdp": offer}),
        await client.post("/api/calls", json={"sdp": offer, "session": "grace_hopper"}),
        await client.post("/whep/grace_hopper", content=offer, headers=sdp),
        await client.post("/whip", content=offer, headers=sdp),
    ]


async def test_viewers_of_one_avatar_share_one_encode(client: httpx.AsyncClient, server: Server) -> None:
    callers = [Caller() for _ in range(3)]
    placed = [await place(client, caller, session="grace_hopper") for caller in callers]
    assert {one["session"] for one in placed} == {"grace_hopper"}
    feed = server.sessions["grace_hopper"].pictures.feeds
    await callers[0].until(lambda: all(len(caller.pictures) > 30 for caller in callers))
    assert list(feed) == ["h264"] and len(feed["h264"].outlets) == 3
    # Every viewer's time stamps count from the session's begin, whenever they came.
    for caller in callers:
        origins = {pts - 3600 * read_number(luma) for pts, luma in caller.pictures}
        assert len(origins) < len(caller.pictures) // 2  # repeated frames differ: the machine may be busy
    await client.delete(f"/api/calls/{placed[0]['call']}")
    seen = len(callers[1].pictures)
    await callers[1].until(lambda: len(callers[1].pictures) > seen + 10)
    await leave(client, server, *callers)


async def test_a_page_that_comes_back_finds_its_session(client: httpx.AsyncClient, server: Server) -> None:
    first = Caller()
    placed = await place(client, first, avatar="grace_hopper")
    await first.until(lambda: len(first.pictures) > 3 and first.control.readyState == "open")
    first.send({"type": "style", "expressiveness": 0.5, "head_motion": 0.25, "mood": -0.5})
    session = server.session(placed["session"])
    await first.until(lambda: session._style == (0.5, 0.25, -0.5))
    await client.delete(f"/api/calls/{placed['call']}")
    await first.close()
    assert session.empty_since_s is not None

    again = Caller()
    back = await place(client, again, session=placed["session"])
    assert back["session"] == placed["session"] and back["call"] != placed["call"]
    assert server.session(back["session"]) is session and session.empty_since_s is None
    await again.until(lambda: len(again.pictures) > 10)
    numbers = [read_number(luma) for _, luma in again.pictures]
    assert numbers[0] >= read_number(first.pictures[-1][1])  # the same line of frames
    await leave(client, server, again)
    late = Caller()
    gone = await client.post("/api/calls", json={"sdp": await late.offer(), "session": placed["session"]})
    await late.close()
    assert gone.status_code == 404 and "no session" in gone.json()["error"]


async def test_a_session_without_anybody_makes_room(client: httpx.AsyncClient, server: Server) -> None:
    callers = [Caller() for _ in range(server.settings.max_sessions + 1)]
    placed = [await place(client, caller) for caller in callers[:-1]]
    await client.delete(f"/api/calls/{placed[0]['call']}")
    last = await place(client, callers[-1])
    assert placed[0]["session"] not in server.sessions
    assert {placed[1]["session"], last["session"]} <= set(server.sessions)
    await leave(client, server, *callers)


async def test_calls_that_never_connect_make_room(client: httpx.AsyncClient, server: Server) -> None:
    callers = [Caller() for _ in range(server.settings.max_sessions)]
    waiting = [
        (await client.post("/api/calls", json={"sdp": await caller.offer()})).json() for caller in callers
    ]
    last = Caller()
    refused = await client.post("/api/calls", json={"sdp": await last.offer()})
    assert refused.status_code == 503
    server.call(waiting[0]["call"]).answered_s -= HURRIED_CONNECT_S
    placed = await place(client, last)
    assert waiting[0]["session"] not in server.sessions and waiting[1]["session"] in server.sessions
    await client.delete(f"/api/calls/{waiting[1]['call']}")
    await leave(client, server, *callers, last)
    assert placed["call"] not in server.calls and waiting[0]["call"] not in server.calls


async def test_who_waits_for_an_answer_keeps_their_place(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer takes 5 s where the STUN server says nothing: as long as a call may take to connect."""
    answer = Peer.answer
    going_on = asyncio.Event()

    async def slowly(peer: Peer, offer: str) -> str:
        await going_on.wait()
        return await answer(peer, offer)

    monkeypatch.setattr(Peer, "answer", slowly)
    monkeypatch.setattr("streaming.server.HURRIED_CONNECT_S", 0.0)
    callers = [Caller(), Caller()]
    placing = [asyncio.create_task(place(client, caller)) for caller in callers]
    while len(server.calls) < 2:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)
    try:
        with pytest.raises(FullError):
            server.open_session(None)
    finally:
        going_on.set()
        placed = await asyncio.gather(*placing)
    assert all(one["session"] in server.sessions for one in placed)
    await leave(client, server, *callers)


async def test_a_call_whose_session_ends_before_its_answer_came_is_refused(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Peer.answer

    async def too_late(peer: Peer, offer: str) -> str:
        answered = await answer(peer, offer)
        await server.close_session(peer.session.name)
        return answered

    monkeypatch.setattr(Peer, "answer", too_late)
    caller = Caller()
    offer = await caller.offer()
    for refused in await offer_everywhere(client, offer):
        assert refused.status_code == 404 and "ended before the call" in refused.json()["error"]
    assert not server.calls and not server.sessions
    await caller.close()


async def test_a_page_that_was_left_before_its_answer_came_is_in_no_call(server: Server) -> None:
    caller = Caller()
    body = json.dumps({"sdp": await caller.offer()}).encode()
    coming = iter([{"type": "http.request", "body": body}, {"type": "http.disconnect"}])
    before = set(server.calls)
    told = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/calls",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
    }
    await build_app(server)(scope, receive, send)
    assert told[0]["status"] == 201 and set(server.calls) == before
    await caller.close()


async def test_a_refused_call_opens_no_session_and_ends_none_that_waits(
    client: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = {server.open_session(None).name for _ in range(server.settings.max_sessions)}
    bad = await client.post("/api/calls", json={"sdp": "garbage"})
    assert bad.status_code == 400
    assert set(server.sessions) == waiting

    caller = Caller()
    offer = await caller.offer()
    monkeypatch.setattr(server, "calls", dict.fromkeys(range(server.settings.max_viewers)))
    for answer in await offer_everywhere(client, offer):
        assert answer.status_code == 503 and "viewers at a time" in answer.json()["error"]
    assert set(server.sessions) == waiting
    monkeypatch.undo()
    await leave(client, server, caller)


async def test_who_only_views_is_neither_heard_nor_obeyed(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller(Bursts())
    placed = await place(client, caller, session="grace_hopper", view_only=True)
    await caller.until(lambda: len(caller.pictures) > 3 and caller.control.readyState == "open")
    caller.send({"type": "style", "expressiveness": 0.5, "head_motion": 0.5})
    await caller.until(lambda: any("viewer" in m.get("error", "") for m in caller.messages))
    refused = await client.post(f"/api/calls/{placed['call']}/clear")
    assert refused.status_code == 403 and "only views" in refused.json()["error"]
    session = server.session("grace_hopper")
    assert session._style == (1.0, 1.0, 0.0)
    assert not session.timeline.microphone.active(asyncio.get_running_loop().time())
    await leave(client, server, caller)


async def test_a_second_microphone_waits_for_the_first(client: httpx.AsyncClient, server: Server) -> None:
    first, second = Caller(Bursts()), Caller(Bursts())
    await place(client, first, session="grace_hopper")
    await first.until(lambda: any(np.abs(sound).max() > 5000 for _, sound in first.sound))
    await place(client, second, session="grace_hopper")
    await second.until(lambda: any("microphone" in m.get("error", "") for m in second.messages))
    await second.until(
        lambda: any(np.abs(sound).max() > 5000 for _, sound in second.sound)
    )  # hears the first
    await leave(client, server, first, second)


async def test_vp8_for_a_browser_without_h264(client: httpx.AsyncClient, server: Server) -> None:
    caller = Caller(codec="video/VP8")
    placed = await place(client, caller)
    assert aiortc_private.negotiated_codec(caller.connection.getTransceivers()[1]) == "video/VP8"
    assert "H264" not in placed["sdp"]
    await caller.until(lambda: len(caller.pictures) > 20)
    numbers = [read_number(luma) for _, luma in caller.pictures]
    assert numbers == sorted(numbers) and len(set(numbers)) > 5
    await leave(client, server, caller)
