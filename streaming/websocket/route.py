"""``GET /ws``: who may come in, and to which session."""

from functools import partial
from typing import Final

from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse

from engine.errors import InputError
from streaming.auth import ForbiddenError, require
from streaming.avatars import UnknownAvatarError
from streaming.errors import FullError, UnknownSessionError
from streaming.server import RETRY_AFTER_S, Server
from streaming.session import AvatarSession
from streaming.tokens import Scope
from streaming.websocket.connection import Connection

STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (ForbiddenError, 403),
    (UnknownAvatarError, 404),
    (UnknownSessionError, 404),
    (FullError, 503),
    (InputError, 422),
)
"""HTTP status of a refused handshake; the first that fits."""


def add_websocket(app: FastAPI, server: Server) -> None:
    """Serve docs/protocol.md, "WebSocket"."""
    connections: set[Connection] = set()

    @app.get("/ws", include_in_schema=False)
    async def not_upgraded() -> JSONResponse:
        error = "expected a WebSocket handshake, got a plain request: see docs/protocol.md"
        return JSONResponse({"error": error}, 426, {"Upgrade": "websocket", "Connection": "Upgrade"})

    @app.websocket("/ws")
    async def websocket(websocket: WebSocket, avatar: str | None = None, session: str | None = None) -> None:
        try:
            most = server.settings.max_websockets
            if len(connections) >= most:
                raise FullError(f"expected at most {most} WebSockets at a time: try again later")
            joined = _session(server, avatar, session)
        except InputError as error:
            await _refuse(websocket, error)
            return
        connection = Connection(
            websocket, joined, partial(server.set_avatar, joined), partial(authorise, websocket)
        )
        connections.add(connection)
        joined.enter(connection)
        try:
            await websocket.accept()
            await connection.serve()
        finally:
            joined.leave(connection)
            connections.discard(connection)


def authorise(websocket: WebSocket, scope: Scope) -> None:
    """The one place that decides what a client may do: ``start`` and control need publish, ``subscribe`` view.

    Raises:
        ForbiddenError: its token does not have the scope.
    """
    require(websocket, scope)


def _session(server: Server, avatar: str | None, session: str | None) -> AvatarSession:
    if avatar is not None and session is not None:
        raise InputError("expected either avatar=ID or session=NAME, got both")
    if session is not None:
        return server.session(session)
    return server.shared_session(avatar if avatar is not None else server.store.default)


async def _refuse(websocket: WebSocket, error: InputError) -> None:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    await websocket.send_denial_response(JSONResponse({"error": str(error)}, status, headers))
