"""The server of tests/streaming/conftest.py behind a real uvicorn, and a real WebSocket client."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest_asyncio
import uvicorn

from streaming.app import build_app
from streaming.http_connections import HttpConnection, WebSocketConnection
from streaming.server import Server
from streaming.websocket.protocol import MAX_MESSAGE_BYTES
from tests.streaming.websocket.client import Client


class HttpServer(uvicorn.Server):
    """Leaves the signals of the test process alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(server: Server) -> AsyncIterator[str]:
    """The address of the server's ``/ws``, while it is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        build_app(server),
        http=HttpConnection,
        ws=WebSocketConnection,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
    )
    http = HttpServer(config)
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"
    finally:
        http.should_exit = True
        await serving
        listener.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def address(server: Server) -> AsyncIterator[str]:
    async with served(server) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def join(server: Server, address: str) -> AsyncIterator[Callable[..., Any]]:
    """Connects clients; they leave, and all sessions end, when the test is over."""
    async with contextlib.AsyncExitStack() as stack:

        async def join(query: str = "?avatar=grace_hopper", **options: Any) -> Client:
            return await stack.enter_async_context(Client(address + query, **options))

        yield join
    for session in list(server.sessions):
        await server.close_session(session)
