"""The HTTP side of docs/protocol.md: thin, everything happens in ``streaming.server``."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from fastapi import FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from engine.conventions import FRAME_RATE
from engine.errors import InputError, UnavailableError
from engine.speech.audio_file import OUTPUT_RATE, load_audio
from streaming.api_page import api_page
from streaming.auth import AccessControl, ForbiddenError, granted, require
from streaming.avatars import DECLARED_RIGHTS, MAX_NAME, BundledAvatarError, UnknownAvatarError
from streaming.body_limit import BodyLimit
from streaming.creation import RefusedError
from streaming.errors import FullError, UnknownCallError, UnknownJobError, UnknownSessionError
from streaming.offers import OfferError, checked_offer
from streaming.origins import is_loopback
from streaming.page_files import PageFiles
from streaming.recording_store import UnknownRecordingError
from streaming.recordings import add_recordings
from streaming.server import RETRY_AFTER_S, Server
from streaming.session import AvatarSession, BusyError
from streaming.timeline import to_int16
from streaming.tokens import Scope
from streaming.websocket.route import add_websocket
from streaming.whip import add_whip

WEB_CLIENT: Final = Path(__file__).parent.parent / "web_client"
SAMPLE_SPEECH: Final = Path(__file__).parent.parent / "engine" / "assets" / "speech" / "hello.wav"


class ViewOnlyError(InputError):
    """A call that may only view wants more: HTTP 403."""


STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (OfferError, 400),
    (BundledAvatarError, 403),
    (ForbiddenError, 403),
    (UnknownAvatarError, 404),
    (ViewOnlyError, 403),
    (UnknownCallError, 404),
    (UnknownSessionError, 404),
    (UnknownJobError, 404),
    (UnknownRecordingError, 404),
    (BusyError, 409),
    (FullError, 503),
    (UnavailableError, 501),
    (InputError, 422),
)
"""HTTP status of each error; the first that fits."""

JUDGE_S: Final = 30.0
"""How long an upload waits for the word on its photo; later words come as events."""

MAX_SPEECH_S: Final = 600.0
"""The longest recording that is played at once, and what may wait; a small file can hold hours of silence, which take
memory."""

logger = logging.getLogger(__name__)


class CallRequest(BaseModel):
    """Body of ``POST /api/calls``: a session of one's own, or one that is there.

    session: the name of a session to join or to come back to, or an avatar's id for the session that all share who
        ask for that avatar; ``avatar`` and ``seed`` count only without it.
    view_only: whoever calls is neither heard nor obeyed.
    """

    sdp: str
    avatar: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    session: str | None = None
    view_only: bool = False


def build_app(server: Server, address: str = "127.0.0.1") -> FastAPI:
    """The app for one server, which is started and stopped elsewhere and listens on ``address``, as a number."""
    app = FastAPI(
        title="Vividlive",
        description="docs/protocol.md says what each takes and answers.",
        docs_url=None,
        redoc_url=None,
    )
    settings = server.settings
    app.add_middleware(BodyLimit, most_bytes=settings.max_upload_bytes)
    app.add_middleware(
        AccessControl,
        accepted=settings.tokens,
        allow_origins=settings.allow_origins,
        loopback_name=settings.host if is_loopback(address) else None,
        public_metrics=settings.public_metrics,
    )
    _handle_errors(app)
    files = PageFiles(WEB_CLIENT)
    _add_state(app, server, files)
    _add_avatars(app, server)
    _add_calls(app, server)
    add_websocket(app, server)
    add_whip(app, server)
    add_recordings(app, server)
    _answer_head(app)
    app.mount("/static", files, name="static")
    return app


def _answer_head(app: FastAPI) -> None:
    """Answer HEAD wherever GET is answered; uvicorn leaves the body out."""
    for route in list(app.routes):
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            app.head(route.path, include_in_schema=False)(route.endpoint)


def _error(status: int, message: str, **more: Any) -> JSONResponse:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse({"error": message, **more}, status, headers)


def _handle_errors(app: FastAPI) -> None:
    async def known(request: Request, error: Exception) -> JSONResponse:
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        more: dict[str, Any] = {}
        if isinstance(error, RefusedError) and error.faces:
            more["faces"] = error.faces
        if isinstance(error, FullError):
            more["reason"] = error.reason
        return _error(status, str(error), **more)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _error(error.status_code, f"{error.detail}: {request.method} {request.url.path}")

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        return _error(422, f"expected a valid request, got one where {where} is wrong: {first['msg']}")

    app.exception_handler(InputError)(known)
    app.exception_handler(UnavailableError)(known)
    app.exception_handler(HTTPException)(http)
    app.exception_handler(RequestValidationError)(invalid)


def _add_state(app: FastAPI, server: Server, files: PageFiles) -> None:
    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return files.response("index.html", request.headers.get("if-none-match"))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(api_page(app.openapi()))

    @app.get("/healthz")
    async def health() -> JSONResponse:
        """Whether calls can be taken."""
        up = server.workers.running > 0
        state = {
            "status": "ok" if up else "unavailable",
            "worker": "running" if up else "starting",
            "sessions": len(server.sessions),
            "viewers": sum(peer.views for peer in server.calls.values()),
        }
        return JSONResponse(state, 200 if up else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Prometheus text."""
        return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/api/config")
    async def config(request: Request) -> dict[str, Any]:
        """What the page needs to know."""
        settings = server.settings
        return {
            "scopes": sorted(granted(request)),
            "ice_servers": settings.ice_servers,
            "size": settings.size,
            "latency_ms": server.latency_ms,
            "frame_rate": FRAME_RATE,
            "max_upload_bytes": settings.max_upload_bytes,
            "upload_lifetime_s": settings.upload_lifetime_s,
            "max_faces": settings.max_faces,
        }

    @app.get("/api/sample-speech")
    async def sample_speech() -> FileResponse:
        """A spoken sentence, to try the avatar without a microphone."""
        return FileResponse(SAMPLE_SPEECH, media_type="audio/wav")


def _add_avatars(app: FastAPI, server: Server) -> None:
    @app.get("/api/avatars")
    async def avatars() -> dict[str, Any]:
        """All avatars, the bundled ones first."""
        return {"avatars": [entry.public() for entry in server.store.all()], "default": server.store.default}

    @app.get("/api/avatars/{avatar}/picture")
    async def picture(avatar: str) -> FileResponse:
        """JPEG of the neutral face."""
        return FileResponse(server.store.picture(avatar), media_type="image/jpeg")

    @app.post("/api/avatars", status_code=202)
    async def upload(
        photo: Annotated[UploadFile, File()],
        rights: Annotated[str, Form()],
        face: Annotated[int | None, Form(ge=0, le=1000)] = None,
        name: Annotated[str | None, Form(max_length=MAX_NAME)] = None,
    ) -> dict[str, str]:
        """Begin to make an avatar; answers when the photo was accepted or refused."""
        declared = next((right for right in DECLARED_RIGHTS if right == rights), None)
        if declared is None:
            raise InputError(
                f"expected rights to be one of {', '.join(DECLARED_RIGHTS)}, got {rights[:40]!r}"
            )
        data = await photo.read()
        if not data:
            raise InputError("expected a photo, got an empty file")
        await server.avatar_jobs.check_photo(data)
        # A file's name may be in any character set that the request names, and hold what JSON cannot.
        stem = Path(photo.filename or "").stem.encode(errors="replace").decode()
        title = (name or stem or "Uploaded")[:MAX_NAME]
        job = server.avatar_jobs.begin(data, declared, face, title)
        with suppress(TimeoutError):
            await asyncio.wait_for(job.judged(), JUDGE_S)
        if job.refusal is not None:
            raise job.refusal
        return {"job": job.id}

    @app.get("/api/avatar-jobs/{job}/events")
    async def events(job: str) -> StreamingResponse:
        """Server-sent events, from the first to the last."""
        running = server.avatar_jobs.get(job)

        async def stream() -> AsyncIterator[str]:
            async for event, data in running.listen():
                yield f"event: {event}\ndata: {json.dumps(data)}\n\n"

        return StreamingResponse(
            stream(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )

    @app.delete("/api/avatars/{avatar}", status_code=204)
    async def delete(avatar: str) -> Response:
        """Delete an upload."""
        server.delete_avatar(avatar)
        return Response(status_code=204)


def _add_calls(app: FastAPI, server: Server) -> None:
    decoding = asyncio.Lock()  # one sound file at a time: each can take a core, and much memory

    @app.post("/api/calls", status_code=201)
    async def open_call(wanted: CallRequest, request: Request) -> dict[str, str]:
        """Answer an offer."""
        if not wanted.view_only:
            require(request, Scope.PUBLISH)
        # Checked before a session is opened for it, which may end one that waits.
        offer = checked_offer(wanted.sdp)
        server.check_place()
        if wanted.session is not None:
            session = server.join(wanted.session)
        elif wanted.view_only:  # who may not speak would look at one that nobody speaks to
            session = server.shared_session(wanted.avatar or server.store.default)
        else:
            session = server.open_session(wanted.avatar, wanted.seed)
        name, answer = await server.open_call(offer, session, publish=not wanted.view_only)
        if await request.is_disconnected():  # a page that was left meanwhile does not hang up
            await server.close_call(name)
        return {"call": name, "session": session.name, "avatar": session.avatar_id, "sdp": answer}

    @app.delete("/api/calls/{call}", status_code=204)
    async def close_call(call: str) -> Response:
        """Hang up."""
        server.call(call)
        await server.close_call(call)
        return Response(status_code=204)

    @app.post("/api/calls/{call}/speech", status_code=202)
    async def speech(call: str, request: Request) -> dict[str, float]:
        """Speak a recording; the body is the sound file."""
        _speaker(server, call)
        data = await request.body()
        if not data:
            raise InputError("expected a sound file, got an empty body")
        async with decoding:
            samples = await asyncio.to_thread(_decoded, data)
        session = _speaker(server, call)  # it may have ended meanwhile
        seconds = len(samples) / OUTPUT_RATE
        waiting_s = session.queued_seconds + seconds
        if waiting_s > MAX_SPEECH_S:
            raise InputError(
                f"expected at most {MAX_SPEECH_S / 60:.0f} minutes of sound to wait, got {waiting_s / 60:.1f}: "
                "send it when some of it has been heard"
            )
        session.play(samples)
        return {"seconds": round(seconds, 3)}

    @app.post("/api/calls/{call}/clear", status_code=204)
    async def clear(call: str) -> Response:
        """Barge-in."""
        _speaker(server, call).clear()
        return Response(status_code=204)


def _decoded(data: bytes) -> NDArray[np.int16]:
    """A sound file as ``AvatarSession.play`` takes it; for a thread."""
    return to_int16(load_audio(data, MAX_SPEECH_S).output)


def _speaker(server: Server, call: str) -> AvatarSession:
    """The session of a call that may do more than view."""
    peer = server.call(call)
    if not peer.publishes:
        raise ViewOnlyError("expected a call that may speak, got one that only views")
    return peer.session
