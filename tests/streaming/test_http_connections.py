"""Clients that say nothing, stop in the middle, or do not read."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest

from streaming import http_connections
from streaming.server import Server
from tests.streaming.websocket.client import Client, until
from tests.streaming.websocket.conftest import served

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST = b"Host: 127.0.0.1\r\n"


def port_of(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\n" + HOST,
        b"POST /api/calls HTTP/1.1\r\n" + HOST + b"Content-Length: 20\r\n\r\n{",
    ],
)
@pytest.mark.parametrize("requests", [0, 1])
async def test_who_does_not_finish_a_request_is_hung_up_on(
    server: Server, said: bytes, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.5)
    monkeypatch.setattr(http_connections, "BODY_S", 0.5)
    async with served(server) as address, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        for _ in range(requests):
            writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            await reader.readuntil(b"}")
        writer.write(said)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("promised", [True, False])
async def test_who_sends_too_much_reads_why(server: Server, promised: bool) -> None:
    """It sends all before it reads, as many do."""
    most = server.settings.max_upload_bytes
    length = b"Content-Length: %d\r\n" % (20 * most) if promised else b"Transfer-Encoding: chunked\r\n"
    async with served(server) as address, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
        kind = b"Content-Type: multipart/form-data; boundary=b\r\n"
        writer.write(b"POST /api/avatars HTTP/1.1\r\n" + HOST + kind + length + b"\r\n")
        part = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        for piece in (part, *[b"x" * most] * 19):
            writer.write(piece if promised else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.01)
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()


async def test_who_has_asked_is_not_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "HEAD_S", 0.1)
    async with served(server) as address, asyncio.timeout(60):
        async with Client(address) as client:  # a WebSocket says nothing for as long as it likes
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(address))
            writer.write(b"POST /api/calls HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n")
            await asyncio.sleep(0.3)
            writer.write(b"{}")
            assert (await reader.readline()).startswith(b"HTTP/1.1 422")
            writer.close()
            await client.tell("clear")
            await client.event("cleared")
    for session in list(server.sessions):
        await server.close_session(session)


async def deaf_client(server: Server, address: str) -> Any:
    """A client that asks for all there is and reads none of it, once its buffers are full."""
    client = Client(address, reading=False)
    await client.__aenter__()
    client.socket.transport.pause_reading()
    await client.tell("subscribe", frames="i420", audio=True, blendshapes=True)
    return client


async def test_who_does_not_read_is_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "UNREAD_S", 0.3)
    async with served(server) as address:
        client = await deaf_client(server, address)
        session = server.session("grace_hopper")
        await until(lambda: session.participants == 1)
        await until(lambda: session.participants == 0)
        client.socket.transport.abort()
    for name in list(server.sessions):
        await server.close_session(name)


async def test_who_does_not_read_does_not_hold_up_the_end(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_connections, "CLOSE_S", 0.1)
    paused = asyncio.Event()
    pause = http_connections.WebSocketConnection.pause_writing
    monkeypatch.setattr(
        http_connections.WebSocketConnection, "pause_writing", lambda self: (pause(self), paused.set())
    )
    async with served(server) as address:
        client = await deaf_client(server, address)
        await paused.wait()
    client.socket.transport.abort()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    for name in list(server.sessions):
        await server.close_session(name)
