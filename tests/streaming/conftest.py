"""One real server with the fake engine for all tests that need one, on one event loop."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from streaming.app import build_app
from streaming.server import Server
from streaming.settings import ServeSettings


def fake_settings(data_dir: Path) -> ServeSettings:
    return ServeSettings(
        size=256,
        latency_ms=500.0,  # the machine that runs tests may be busy
        max_sessions=2,
        max_upload_bytes=200_000,
        data_dir=data_dir,
        engine="tests.streaming.fake_engine:fake_engine",
        creator="tests.streaming.fake_engine:fake_creator",
        photo_check="tests.streaming.fake_engine:fake_photo_check",
        face_tracker="tests.streaming.fake_face:fake_tracker",
        max_faces=1,
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(fake_settings(tmp_path_factory.mktemp("data")))
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(server))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
