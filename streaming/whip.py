"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a voice comes in, a view goes out, by one HTTP request each."""

from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from engine.errors import InputError
from streaming.errors import UnknownCallError
from streaming.offers import OfferError, checked_offer
from streaming.peer import Peer
from streaming.server import Server
from streaming.trickle import parse_fragment

SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"

CALL_PATHS: Final = {"whip": "/whip/calls/{call}", "whep": "/whep/calls/{call}"}
"""Where a call lies that was opened by each protocol; the call's id is the key to it."""

OFFER_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}
}


def add_whip(app: FastAPI, server: Server) -> None:
    """Add the routes of both protocols. Tokens, origins and CORS are ``streaming.auth``'s work."""

    @app.post("/whip", status_code=201, response_class=Response, openapi_extra=OFFER_BODY)
    async def publish(
        request: Request, avatar: str | None = None, session: Annotated[str | None, Query()] = None
    ) -> Response:
        """Speak with an avatar (the default one when none is named), or in a session that is there."""
        if avatar is not None and session is not None:
            raise InputError("expected an avatar or a session, got both")
        return await _open(server, request, "whip", session or avatar or server.store.default)

    @app.post("/whep/{name}", status_code=201, response_class=Response, openapi_extra=OFFER_BODY)
    async def view(request: Request, name: str) -> Response:
        """See and hear the session that all share who ask for this avatar, or the session of this name."""
        return await _open(server, request, "whep", name)

    for path in ("/whip", "/whep/{name}", *CALL_PATHS.values()):
        methods = "PATCH, DELETE" if path in CALL_PATHS.values() else "POST"
        _add_polite_answers(app, path, f"OPTIONS, GET, HEAD, {methods}")
    for protocol, path in CALL_PATHS.items():
        _add_call(app, server, protocol, path)


def _add_polite_answers(app: FastAPI, path: str, allowed: str) -> None:
    """These resources have no representation: GET and HEAD succeed without content (RFC 9725 section 4.1)."""

    @app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
    async def nothing() -> Response:
        return Response(status_code=204)

    @app.options(path, include_in_schema=False)
    async def options() -> Response:
        accepted = {"Accept-Patch": FRAGMENT} if "PATCH" in allowed else {"Accept-Post": SDP}
        return Response(headers={"Allow": allowed} | accepted)


def _add_call(app: FastAPI, server: Server, protocol: str, path: str) -> None:
    def found(call: str) -> Peer:
        peer = server.call(call)
        if (peer.publishes, peer.views) != (protocol == "whip", protocol == "whep"):
            raise UnknownCallError(f"there is no call {call[:40]!r}: it may have ended")
        return peer

    @app.patch(path, status_code=204, name=f"trickle_{protocol}")
    async def trickle(request: Request, call: str) -> Response:
        """Take candidates that were found after the offer; an ICE restart is refused."""
        peer = found(call)
        _check_type(request, FRAGMENT)
        condition = request.headers.get("if-match")
        if condition is not None and not _matches(condition, _etag(peer)):
            raise HTTPException(412, f"expected If-Match {_etag(peer)}, got {condition[:60]}")
        await peer.trickle(parse_fragment(_text(await request.body())))
        return Response(status_code=204)

    @app.delete(path, status_code=204, name=f"end_{protocol}")
    async def end(call: str) -> Response:
        """Hang up."""
        found(call)
        await server.close_call(call)
        return Response(status_code=204)


async def _open(server: Server, request: Request, protocol: str, name: str) -> Response:
    _check_type(request, SDP)
    if not _accepts_sdp(request.headers.get("accept", "*/*")):
        raise HTTPException(406, f"expected to answer with {SDP}, but Accept leaves it out")
    publish = protocol == "whip"
    # Checked before a session is opened for it, which may end one that waits.
    offer = checked_offer(_text(await request.body()), view=not publish)
    server.check_place()
    session = server.join(name)
    call, answer = await server.open_call(offer, session, publish=publish, view=not publish)
    response = Response(answer, 201, media_type=SDP)
    del response.headers["content-type"]
    response.headers["Content-Type"] = SDP
    response.headers["Location"] = CALL_PATHS[protocol].format(call=call)
    response.headers["ETag"] = _etag(server.call(call))
    for ice_server in server.settings.ice_servers:
        response.headers.append("Link", ice_link(ice_server))
    return response


def ice_link(server: dict[str, str]) -> str:
    """A STUN or TURN server as a Link header (RFC 9725 section 4.6)."""
    link = f'<{server["urls"]}>; rel="ice-server"'
    if "username" in server:
        username, credential = (_quoted(server.get(key, "")) for key in ("username", "credential"))
        link += f'; username={username}; credential={credential}; credential-type="password"'
    return link


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode().decode("latin-1")  # headers are bytes


def _etag(peer: Peer) -> str:
    """Strong entity tag of the call's ICE session."""
    return f'"{peer.ice_user}"'


def _matches(condition: str, etag: str) -> bool:
    return any(tag.strip() in ("*", etag) for tag in condition.split(","))


def _check_type(request: Request, expected: str) -> None:
    got = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if got != expected:
        raise HTTPException(415, f"expected Content-Type {expected}, got {got[:60] or 'none'}")


def _accepts_sdp(accept: str) -> bool:
    kinds = (kind.partition(";")[0].strip().lower() for kind in accept.split(","))
    return any(kind in ("", "*/*", "application/*", SDP) for kind in kinds)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise OfferError("expected SDP as UTF-8 text") from error
