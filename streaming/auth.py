"""Who may ask for what: host names, origins and bearer tokens, checked before any route is reached."""

import json
import logging
import re
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import InputError
from streaming import origins, tokens
from streaming.log import without_names
from streaming.tokens import ALL_SCOPES, Token

View, Publish, Admin = tokens.Scope.VIEW, tokens.Scope.PUBLISH, tokens.Scope.ADMIN

GRANTED: Final = "vividlive.scopes"
"""Key of the ASGI scope under which the granted scopes lie."""

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")

RULES: Final[tuple[tuple[str, str, frozenset[tokens.Scope] | None], ...]] = (
    ("GET|HEAD", r"/|/static/.*|/healthz|/docs|/openapi\.json", None),
    (
        "GET",
        r"/api/avatar-jobs/[^/]+/events",
        None,
    ),  # the job's unguessable id is its key: EventSource has no header
    ("OPTIONS", r".*", None),
    ("GET|HEAD", r"/metrics", frozenset({Admin})),
    ("GET|HEAD", r"/api/(config|avatars|avatars/[^/]+/picture|sample-speech)", frozenset({View, Publish})),
    ("POST", r"/api/calls", frozenset({View, Publish})),
    ("DELETE", r"/api/calls/[^/]+", frozenset({View, Publish})),
    ("POST", r"/api/calls/[^/]+/(speech|clear)", frozenset({Publish})),
    ("POST|DELETE|GET|HEAD", r"/api/(calls/[^/]+/recording|recordings/[^/]+)", frozenset({Publish})),
    (".*", r"/whip(/.*)?", frozenset({Publish})),
    (".*", r"/whep(/.*)?", frozenset({View})),
    ("WEBSOCKET", r"/ws(/.*)?", frozenset({View, Publish})),
)
"""Method, path, and the scopes of which one is enough (None: everybody). What no rule names needs admin."""

CORS_EXPOSED: Final = "Location, ETag, Link, Retry-After, WWW-Authenticate"

logger = logging.getLogger(__name__)


class ForbiddenError(InputError):
    """The visitor's token does not allow this: HTTP 403."""


def granted(connection: HTTPConnection) -> frozenset[tokens.Scope]:
    """What the visitor may do; the app behind ``AccessControl`` asks this where a route serves several scopes."""
    scopes: frozenset[tokens.Scope] = connection.scope[GRANTED]
    return scopes


def require(connection: HTTPConnection, scope: tokens.Scope) -> None:
    """Let only those on who may do this.

    Raises:
        ForbiddenError: the visitor may not.
    """
    if scope not in granted(connection):
        raise ForbiddenError(_lacking({scope}, granted(connection)))


def needed(method: str, path: str) -> frozenset[tokens.Scope] | None:
    """The scopes of which one is needed for a request; None when everybody may."""
    for methods, paths, scopes in RULES:
        if re.fullmatch(methods, method) and re.fullmatch(paths, path):
            return scopes
    return frozenset({Admin})


class AccessControl:
    """ASGI middleware. Refuses in this order: foreign host names on loopback, foreign origins, missing tokens.

    Without tokens everybody may do everything. Origins are checked for WebSockets and for requests that change
    something; other answers to foreign origins lack the CORS headers, so that their pages cannot read them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        accepted: Sequence[Token] = (),
        allow_origins: Collection[str] = (),
        loopback_name: str | None = None,
        public_metrics: bool = False,
    ) -> None:
        """``loopback_name``: the server listens on a loopback address, which was called so, and must be asked for by
        this or any other loopback name."""
        self._app = app
        self._accepted = tuple(accepted)
        self._allow_origins = frozenset(allow_origins)
        self._loopback_name = loopback_name
        self._public_metrics = public_metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with what it may do, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        method = scope["method"] if scope["type"] == "http" else "WEBSOCKET"
        host, origin = connection.headers.get("host", ""), connection.headers.get("origin")
        named = self._loopback_name
        if named is not None and not origins.is_own_name(host, named, self._allow_origins):
            await _refuse(
                scope,
                send,
                403,
                f"expected a request to localhost, got one to {host[:60]!r}: name it with --allow-origin",
            )
            return
        same_or_listed = origin is None or origins.is_allowed(origin, host, self._allow_origins)
        if not same_or_listed and method not in SAFE_METHODS:
            await _refuse(
                scope,
                send,
                403,
                f"expected a page of this server, got {str(origin)[:80]!r}: list it with --allow-origin",
            )
            return
        cors = [] if origin is None or not same_or_listed else _cors_headers(connection, origin)
        if cors and method == "OPTIONS" and "access-control-request-method" in connection.headers:
            await send({"type": "http.response.start", "status": 204, "headers": cors})
            await send({"type": "http.response.body"})
            return

        async def send_with_cors(message: Message) -> None:
            if cors and message["type"] in ("http.response.start", "websocket.http.response.start"):
                own = [
                    header
                    for header in message["headers"]
                    if not header[0].lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": [*own, *cors]}
            await send(message)

        await self._authorise(scope, receive, send_with_cors, connection, method)

    async def _authorise(
        self, scope: Scope, receive: Receive, send: Send, connection: HTTPConnection, method: str
    ) -> None:
        path = scope["path"]
        enough = needed(method, path)
        if path == "/metrics" and self._public_metrics:
            enough = None
        if not self._accepted:
            scope[GRANTED] = ALL_SCOPES
            await self._app(scope, receive, send)
            return
        secret = _secret(connection)
        scope[GRANTED] = scopes = (
            tokens.scopes_of(secret, self._accepted) if secret is not None else frozenset()
        )
        if enough is None or scopes & enough:
            await self._app(scope, receive, send)
        elif scopes:
            await _refuse(scope, send, 403, _lacking(enough, scopes), 'Bearer error="insufficient_scope"')
        elif secret is not None:
            await _refuse(
                scope,
                send,
                401,
                "expected a valid token, got one that this server does not know",
                'Bearer error="invalid_token"',
            )
        else:
            await _refuse(
                scope, send, 401, "expected a token: send it as Authorization: Bearer TOKEN", "Bearer"
            )


def _secret(connection: HTTPConnection) -> str | None:
    """The bearer token of a request. A WebSocket may have it in its address: browsers let it set no header."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    if connection.scope["type"] == "websocket":
        found = parse_qs(connection.scope["query_string"].decode("latin-1")).get("token")
        return found[0] if found else None
    return None


def _lacking(enough: Collection[tokens.Scope], scopes: Collection[tokens.Scope]) -> str:
    return (
        f"expected a token with the scope {' or '.join(sorted(enough))}, got one with {', '.join(sorted(scopes))}: "
        "ask whoever runs this server"
    )


def _cors_headers(connection: HTTPConnection, origin: str) -> list[tuple[bytes, bytes]]:
    headers = {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": CORS_EXPOSED,
        "vary": "Origin",
    }
    if connection.scope.get("method") == "OPTIONS":
        headers["access-control-allow-methods"] = "GET, POST, PATCH, DELETE, OPTIONS"
        # Some WHIP clients send the entity tag as ETag.
        headers["access-control-allow-headers"] = "Authorization, Content-Type, ETag, If-Match"
        headers["access-control-max-age"] = "600"
        headers["accept-post"] = "application/sdp"
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


async def _refuse(scope: Scope, send: Send, status: int, message: str, challenge: str | None = None) -> None:
    logger.info(
        "refused %s %s: %d %s",
        scope.get("method", "WEBSOCKET"),
        without_names(scope["path"]),
        status,
        HTTPStatus(status).phrase,
    )
    headers: list[Any] = [(b"content-type", b"application/json")]
    if challenge is not None:
        headers.append((b"www-authenticate", challenge.encode()))
    body = json.dumps({"error": message}).encode()
    prefix = "http" if scope["type"] == "http" else "websocket.http"
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": message[:100]})
        return
    await send(
        {
            "type": f"{prefix}.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": f"{prefix}.response.body", "body": body})
