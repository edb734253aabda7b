"""Who may ask for what: every row is a request and the status it gets."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from starlette.requests import HTTPConnection, Request

from streaming.auth import GRANTED, AccessControl, ForbiddenError, granted, needed, require
from streaming.tokens import ALL_SCOPES, Scope, parse_token

VIEWER, SPEAKER, OWNER = "viewer-secret", "speaker-secret", "owner-secret"
TOKENS = [parse_token(f"view={VIEWER}"), parse_token(f"view,publish={SPEAKER}"), parse_token(f"all={OWNER}")]
PAGE = "https://player.example.com"


def app() -> FastAPI:
    made = FastAPI()

    @made.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"])
    async def anything(path: str, request: Request) -> dict[str, Any]:
        return {"scopes": sorted(granted(request))}

    @made.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(sorted(granted(websocket)))
        await websocket.close()

    return made


def client(**options: Any) -> httpx.AsyncClient:
    guarded = AccessControl(app(), **options)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://localhost:8080")


@pytest.fixture
async def locked() -> AsyncIterator[httpx.AsyncClient]:
    async with client(accepted=TOKENS, allow_origins=[PAGE]) as made:
        yield made


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


OPEN, VIEW, PUBLISH, ADMIN = None, {Scope.VIEW, Scope.PUBLISH}, {Scope.PUBLISH}, {Scope.ADMIN}


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", "/", OPEN),
        ("GET", "/static/main.js", OPEN),
        ("GET", "/healthz", OPEN),
        ("GET", "/docs", OPEN),
        ("OPTIONS", "/whip", OPEN),
        ("GET", "/api/config", VIEW),
        ("GET", "/api/avatars", VIEW),
        ("GET", "/api/avatars/grace_hopper/picture", VIEW),
        ("POST", "/api/calls", VIEW),
        ("DELETE", "/api/calls/abc", VIEW),
        ("POST", "/api/calls/abc/speech", PUBLISH),
        ("POST", "/api/calls/abc/clear", PUBLISH),
        ("POST", "/whip", PUBLISH),
        ("PATCH", "/whip/abc", PUBLISH),
        ("POST", "/whep/grace_hopper", {Scope.VIEW}),
        ("DELETE", "/whep/sessions/abc", {Scope.VIEW}),
        ("WEBSOCKET", "/ws", VIEW),
        ("GET", "/metrics", ADMIN),
        ("POST", "/api/avatars", ADMIN),
        ("DELETE", "/api/avatars/abc", ADMIN),
        ("GET", "/api/recordings", ADMIN),
        ("GET", "/anything/new", ADMIN),
        ("POST", "/healthz", ADMIN),
        ("GET", "/api/avatars/a/b/picture", ADMIN),
        ("GET", "/api/config\n", ADMIN),
    ],
)
def test_what_each_request_needs(method: str, path: str, scopes: set[Scope] | None) -> None:
    assert needed(method, path) == scopes


@pytest.mark.parametrize(
    ("headers", "method", "path", "status"),
    [
        ({}, "GET", "/", 200),
        ({}, "GET", "/api/config", 401),
        ({}, "POST", "/api/calls", 401),
        (bearer("guessed-secret"), "GET", "/api/config", 401),
        ({"Authorization": f"Basic {VIEWER}"}, "GET", "/api/config", 401),
        ({"Authorization": "Bearer "}, "GET", "/api/config", 401),
        (bearer(VIEWER), "GET", "/api/config", 200),
        (bearer(VIEWER), "POST", "/api/calls/abc/speech", 403),
        (bearer(SPEAKER), "POST", "/api/calls/abc/speech", 200),
        (bearer(SPEAKER), "POST", "/api/avatars", 403),
        (bearer(OWNER), "POST", "/api/avatars", 200),
        ({"authorization": f"bearer {OWNER}"}, "GET", "/metrics", 200),
    ],
)
async def test_tokens_open_their_scopes(
    locked: httpx.AsyncClient, headers: dict[str, str], method: str, path: str, status: int
) -> None:
    answer = await locked.request(method, path, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 200:
        error = answer.json()["error"]
        assert error.startswith("expected a") and "\n" not in error and "secret" not in error
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_in_the_address_of_a_request_is_not_taken(locked: httpx.AsyncClient) -> None:
    assert (await locked.get(f"/api/config?token={VIEWER}")).status_code == 401


async def test_the_app_hears_what_is_allowed(locked: httpx.AsyncClient) -> None:
    assert (await locked.get("/", headers=bearer(SPEAKER))).json() == {"scopes": ["publish", "view"]}
    assert (await locked.get("/")).json() == {"scopes": []}
    async with client() as open_to_all:
        assert (await open_to_all.get("/metrics")).json() == {"scopes": sorted(ALL_SCOPES)}


async def test_metrics_can_be_public() -> None:
    async with client(accepted=TOKENS, public_metrics=True) as made:
        assert (await made.get("/metrics")).status_code == 200
        assert (await made.get("/metrics/other")).status_code == 401


async def test_pages_from_elsewhere_change_nothing_and_read_nothing(locked: httpx.AsyncClient) -> None:
    evil = {"Origin": "https://evil.example", **bearer(OWNER)}
    assert (await locked.post("/api/calls", headers=evil)).status_code == 403
    assert (await locked.get("/", headers={"Origin": "http://["})).status_code == 200
    read = await locked.get("/api/config", headers=evil)
    assert "access-control-allow-origin" not in read.headers
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in (await locked.options("/whip", headers=preflight)).headers


async def test_allowed_and_own_pages_may_do_what_their_token_allows(locked: httpx.AsyncClient) -> None:
    for origin in (PAGE, "http://localhost:8080"):
        answer = await locked.post("/api/calls", headers={"Origin": origin, **bearer(VIEWER)})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "Location" in answer.headers["access-control-expose-headers"]
    refused = await locked.post("/whip", headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE  # else the page could not read why


async def test_a_preflight_needs_no_token(locked: httpx.AsyncClient) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = await locked.options("/whip", headers=headers)
    assert answer.status_code == 204
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "PATCH" in answer.headers["access-control-allow-methods"]


async def test_a_loopback_server_goes_by_loopback_names() -> None:
    async with client(loopback_name="127.1") as made:
        assert (await made.get("/api/config")).status_code == 200
        rebound = await made.get("/api/config", headers={"Host": "evil.example:8080"})
        assert rebound.status_code == 403 and "localhost" in rebound.json()["error"]


async def handshake(address: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """What a WebSocket handshake is answered with, as ASGI messages."""
    path, _, query = address.partition("?")
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in {"Host": "localhost", **headers}.items()
        ],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await AccessControl(app(), accepted=TOKENS)(scope, receive, send)
    return sent


async def test_a_websocket_has_its_token_in_header_or_address() -> None:
    for address, headers, scopes in (
        (f"/ws?token={VIEWER}", {}, ["view"]),
        ("/ws", bearer(SPEAKER), ["publish", "view"]),
    ):
        accepted, told, *_ = await handshake(address, headers)
        assert accepted["type"] == "websocket.accept"
        assert json.loads(told["text"]) == scopes


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("/ws", {}, 401),
        ("/ws?token=guessed", {}, 401),
        (f"/ws?token={OWNER}", {"Origin": "https://evil.example"}, 403),
        (f"/other?token={VIEWER}", {}, 403),
    ],
)
async def test_a_websocket_is_refused_before_it_opens(
    address: str, headers: dict[str, str], status: int
) -> None:
    start, body = await handshake(address, headers)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert json.loads(body["body"])["error"].startswith("expected a")


def test_a_route_asks_for_one_scope_of_several() -> None:
    viewer = HTTPConnection({"type": "http", "headers": [], GRANTED: frozenset({Scope.VIEW})})
    require(viewer, Scope.VIEW)
    with pytest.raises(ForbiddenError, match="scope publish, got one with view"):
        require(viewer, Scope.PUBLISH)
    with pytest.raises(KeyError):  # nobody has checked: that is no permission
        granted(HTTPConnection({"type": "http", "headers": []}))
