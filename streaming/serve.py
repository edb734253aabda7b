"""Starts a server and keeps it running until Ctrl-C."""

import asyncio
import gc
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from engine.errors import UnavailableError
from streaming.app import build_app
from streaming.server import Server
from streaming.settings import ServeSettings

SHUTDOWN_S = 3
"""How long open requests may take to end after Ctrl-C."""

logger = logging.getLogger(__name__)


def serve(settings: ServeSettings) -> None:
    """Serve until interrupted; logs the address once calls are taken.

    Raises:
        InputError: a setting cannot be met: a latency below the floor, an avatar that cannot be read.
        UnavailableError: the engine worker does not start, or the port is taken.
    """
    asyncio.run(_serve(settings))


class _HttpServer(uvicorn.Server):
    """Ends quietly on Ctrl-C, so that calls and processes can be ended after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals over while serving, and do not raise them again afterwards, as uvicorn would."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def _serve(settings: ServeSettings) -> None:
    for chatty in ("aioice", "aiortc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with _bind(settings.host, settings.port) as listener:
        server = Server(settings)
        # Started here, not by uvicorn's lifespan, so that an error reaches the caller as what it is.
        await server.start()
        try:
            gc.collect()
            gc.freeze()  # what lives now lives long: later collections are short
            config = uvicorn.Config(
                build_app(server),
                ws="none",  # nothing speaks WebSocket yet; a handshake at /ws gets its 501 this way
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
            logger.info("serving http://%s:%d", settings.host, listener.getsockname()[1])
            await _HttpServer(config).serve(sockets=[listener])
        finally:
            await server.stop()


def _bind(host: str, port: int) -> socket.socket:
    """Take the port before the slow part of starting; nobody is answered until it is listened on."""
    listener = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise UnavailableError(
            f"expected to listen on {host} port {port}, got: {error.strerror}; choose another --host or --port"
        ) from error
    return listener
