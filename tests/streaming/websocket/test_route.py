"""Who is let in, where to, and how a connection ends."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streaming.server import Server
from streaming.settings import ServeSettings
from streaming.websocket.protocol import BUFFER_S, MAX_MESSAGE_BYTES
from tests.streaming.websocket.client import Client
from tests.streaming.websocket.conftest import served

pytestmark = pytest.mark.asyncio(loop_scope="session")

Join = Callable[..., Awaitable[Client]]


async def refused(address: str, **options: Any) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(address, **options):
            pass
    response = refusal.value.response
    return response.status_code, json.loads(response.body)["error"]


async def test_clients_of_one_avatar_meet_in_its_session(join: Join, server: Server) -> None:
    first = await join()
    ready = await first.event("ready")
    assert (ready["protocol"], ready["session"], ready["avatar"]) == (1, "grace_hopper", "grace_hopper")
    assert (ready["buffer_ms"], ready["max_message_bytes"]) == (BUFFER_S * 1000, MAX_MESSAGE_BYTES)
    assert ready["latency_ms"] == 500.0 and 16_000 in ready["sample_rates"]
    await join("?session=grace_hopper")
    await join("")
    session = server.session("grace_hopper")
    assert session.participants == 3
    await first.socket.close()
    await first.until(lambda: session.participants == 2)


async def test_a_private_session_is_joined_by_its_name(join: Join, server: Server) -> None:
    session = server.open_session(None)
    client = await join(f"?session={session.name}")
    assert (await client.event("ready"))["session"] == session.name
    assert session.participants == 1
    await client.start(listen=True)
    await client.tell("subscribe", frames="jpeg", audio=True)
    await client.event("subscribed")
    await client.socket.close()
    await client.until(lambda: session.participants == 0)
    assert len(session.pictures.watchers) == len(session.sounds.listeners) == len(session._events) == 0
    assert not session.timeline.microphone_aside


async def test_who_is_let_in_has_a_place_and_hears_that_the_session_ended_meanwhile(
    address: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = WebSocket.accept
    participants = []

    async def slowly(websocket: WebSocket) -> None:
        participants.append(server.session("grace_hopper").participants)
        await server.close_session("grace_hopper")
        await accept(websocket)

    monkeypatch.setattr(WebSocket, "accept", slowly)
    async with connect(address + "?avatar=grace_hopper") as socket, asyncio.timeout(10):
        with pytest.raises(ConnectionClosed):
            while True:
                await socket.recv()
        assert (socket.close_code, socket.close_reason) == (1001, "the session has ended")
    assert participants == [1] and not server.sessions


async def test_refusals_are_answers_with_one_line(address: str, server: Server) -> None:
    status, error = await refused(address + "?avatar=nobody")
    assert status == 404 and "no avatar 'nobody'" in error
    status, error = await refused(address + "?session=none")
    assert status == 404 and "no session" in error
    status, error = await refused(address + "?avatar=grace_hopper&session=grace_hopper")
    assert status == 422 and "either" in error
    assert server.sessions == {}
    async with httpx.AsyncClient() as http:
        plain = await http.get(address.replace("ws:", "http:"))
    assert plain.status_code == 426 and "WebSocket" in plain.json()["error"]


async def test_the_number_of_connections_is_limited(
    join: Join, address: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "settings", server.settings.model_copy(update={"max_websockets": 2}))
    first = await join()
    await join()
    with pytest.raises(InvalidStatus) as refusal:
        await join()
    assert refusal.value.response.status_code == 503
    assert refusal.value.response.headers["Retry-After"]
    await first.socket.close()
    await first.until(lambda: server.session("grace_hopper").participants == 1)
    await join()


async def test_a_message_that_is_too_long_ends_the_connection(join: Join) -> None:
    client = await join()
    await client.start()
    await client.socket.send(bytes(MAX_MESSAGE_BYTES + 1))
    await client.until(lambda: client.socket.close_code)
    assert client.socket.close_code == 1009


async def test_a_token_allows_what_its_scopes_say(
    join: Join, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = ServeSettings(tokens=("view=seeing-only", "publish=speaking-only")).tokens  # type: ignore[arg-type]
    monkeypatch.setattr(server, "settings", server.settings.model_copy(update={"tokens": tokens}))
    async with served(server) as address:
        assert (await refused(address))[0] == 401
        async with Client(f"{address}?token=seeing-only") as client:
            await client.start()
            assert "publish" in (await client.event("error", code="forbidden"))["error"]
            await client.tell("subscribe", audio=True)
            await client.event("subscribed")
        header = {"Authorization": "Bearer speaking-only"}
        async with Client(address, additional_headers=header) as client:
            await client.tell("subscribe", audio=True)
            assert "view" in (await client.event("error", code="forbidden"))["error"]
            await client.start()
            await client.tell("clear")
            await client.event("cleared")


async def test_a_server_that_stops_closes_its_connections(server: Server) -> None:
    async with served(server) as address:
        socket = await connect(address)
    with pytest.raises(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code == 1012
    for session in list(server.sessions):
        await server.close_session(session)
