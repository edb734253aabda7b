"""Starts a server and keeps it running until Ctrl-C or SIGTERM."""

import asyncio
import gc
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from engine.errors import SettingError, UnavailableError
from streaming.app import build_app
from streaming.http_connections import HttpConnection, WebSocketConnection
from streaming.log import QUIET
from streaming.origins import is_loopback
from streaming.server import Server
from streaming.settings import ServeSettings
from streaming.websocket.protocol import MAX_MESSAGE_BYTES

SHUTDOWN_S = 3
"""How long open requests may take to end after Ctrl-C."""

RESTART_S = 3.0
"""After how long the pages are told to try again when the server ends."""

logger = logging.getLogger(__name__)


def serve(settings: ServeSettings, make_server: Callable[[ServeSettings], Server] = Server) -> None:
    """Serve until interrupted; logs the address once calls are taken.

    Raises:
        InputError: a setting cannot be met: a latency below the floor, an avatar or a certificate that cannot be
            read.
        UnavailableError: the engine worker does not start, or the port is taken.
    """
    asyncio.run(_serve(settings, make_server))


def _answered(record: logging.LogRecord) -> bool:
    """uvicorn complains of each WebSocket handshake that was refused with an HTTP answer: it misses its own flag."""
    return record.getMessage() != "ASGI callable returned without completing handshake."


class _HttpServer(uvicorn.Server):
    """Ends quietly on Ctrl-C, so that calls and processes can be ended after it."""

    def __init__(self, config: uvicorn.Config, say_goodbye: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._say_goodbye = say_goodbye

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the pages before the requests end."""
        await self._say_goodbye()
        await super().shutdown(sockets)

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


async def _serve(settings: ServeSettings, make_server: Callable[[ServeSettings], Server]) -> None:
    for chatty in QUIET:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_answered)
    _allow_descriptors()
    if settings.tls_cert is not None and settings.tls_key is not None:
        _check_certificate(settings.tls_cert, settings.tls_key)
    with _bind(settings.host, settings.port) as listener:
        if not settings.tokens and not is_loopback(listener.getsockname()[0]):
            logger.warning(
                "ANYBODY WHO REACHES %s CAN USE THIS SERVER: set tokens (--token, --token-file), or listen on 127.0.0.1",
                settings.host,
            )
        server = make_server(settings)
        # Started here, not by uvicorn's lifespan, so that an error reaches the caller as what it is.
        await server.start()
        try:
            _listen(listener, settings)
            gc.collect()
            gc.freeze()  # what lives now lives long: later collections are short
            config = uvicorn.Config(
                build_app(server, listener.getsockname()[0]),
                http=HttpConnection,
                ws=WebSocketConnection,
                ws_max_size=MAX_MESSAGE_BYTES,
                ws_per_message_deflate=False,  # sound and JPEG do not get smaller, but late
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
            )
            scheme = "http" if settings.tls_cert is None else "https"
            logger.info("serving %s://%s:%d", scheme, _in_url(settings.host), listener.getsockname()[1])
            await _HttpServer(config, lambda: server.say_goodbye(RESTART_S)).serve(sockets=[listener])
        finally:
            await server.stop()


def _allow_descriptors() -> None:
    """Let this process have as many descriptors as the system allows it: each connection takes one."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # macOS says that there is no limit, and keeps to one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _check_certificate(cert: Path, key: Path) -> None:
    """Read certificate and key, before the slow part of starting.

    Raises:
        SettingError: they cannot be read, or do not belong together.
    """

    def no_password() -> str:
        raise SettingError(f"expected a private key without a password in {key}: decrypt it first")

    try:
        for path in (cert, key):
            path.open("rb").close()
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingError(
                f"expected the key of the certificate {cert}, got another one in {key}"
            ) from error
        raise SettingError(
            f"expected a certificate in {cert} and its private key in {key}, both as PEM"
        ) from error
    except OSError as error:
        raise SettingError(f"expected a PEM file at {error.filename}: {error.strerror}") from error


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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
        raise _cannot_listen(host, port, error) from error
    return listener


def _listen(listener: socket.socket, settings: ServeSettings) -> None:
    """Let clients connect; two that started together could both ``_bind``.

    Raises:
        UnavailableError: another server listens already.
    """
    try:
        listener.listen()
    except OSError as error:
        raise _cannot_listen(settings.host, settings.port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"expected to listen on {host} port {port}, got: {error.strerror}; choose another --host or --port"
    )
