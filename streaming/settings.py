"""What a server can be told."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from engine.conventions import FRAME_RATE, LOOK_AHEADS_MS
from engine.errors import SettingError
from streaming.engine_port import EngineOptions
from streaming.ice import ice_server
from streaming.origins import parse_origin
from streaming.tokens import Token, parse_token

FRAME_MS: Final = 1000.0 / FRAME_RATE

DEFAULT_LATENCY_MS: Final = 160.0

SHORT_LATENCY_MS: Final = 150.0
"""Below this latency the motion listens less far ahead: of frame and look-ahead the longer one would leave less than
30 ms for everything else."""

ROOM_MS: Final = 10.0
"""Room for moments that are slower than the quickest, when the latency is chosen by the machine's speed."""

AUDIO_ARRIVAL_MS: Final = 80.0
"""Sound leaves no earlier than this after it arrived: a 20 ms packet, and 60 ms for a late one."""


def _each(parse: Callable[[Any], Any]) -> BeforeValidator:
    """Parse every item of a list; one string is words, as an environment variable has them."""

    def parsed(given: Any) -> Any:
        if isinstance(given, str):
            given = given.split()
        if not isinstance(given, list | tuple):
            raise ValueError("expected a list")
        try:
            return tuple(parse(item) for item in given)
        except SettingError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(parsed)


def _number(given: Any) -> Any:
    """A number that came as text, as an environment variable has it."""
    return int(given) if isinstance(given, str) and given.isdecimal() else given


class ServeSettings(BaseModel):
    """Settings of ``serve``; unknown keys are refused.

    quality, weights, device: of the frames, see ``engine.pipeline.EngineSettings``.
    latency_ms: from the arrival of the first sample that a frame shows to that frame leaving. None is
        ``DEFAULT_LATENCY_MS``, or what this machine needs if that is more; a number is kept or refused.
    av_offset_ms: how much sooner sound leaves than its picture, because the browser plays it later; steered by
        the page from here.
    avatar: an avatar bundle that is offered beside the bundled portraits, as the default.
    max_sessions, max_viewers: how many avatars can live at a time, and how many see them, all sessions together.
    max_websockets: how many agents and renderers can be connected at a time.
    max_faces: how many pages can drive their avatar by their own face at a time, each with a process of its own.
    idle_timeout_s: how long a session waits for somebody to come (back) after the last one left.
    workers: processes that draw, each on one core; sessions are divided among them.
    standby: keep a second process warm for each, which takes over when the first one dies.
    upload_lifetime_s: after how long an uploaded avatar is deleted.
    ice_servers: STUN and TURN servers as in RTCConfiguration: {"urls": ..., "username": ..., "credential": ...},
        or as URLs (``streaming.ice``).
    tls_cert, tls_key: PEM files; with them the server speaks HTTPS.
    tokens: who may do what, as "SCOPES=SECRET" (``streaming.tokens``); without any everything is open.
    token_file: a file with more of them.
    public_metrics: answer ``/metrics`` without a token although there are tokens.
    allow_origins: other web origins whose pages may use this server; "*" is any.
    log_format: "text" for people or "json", one object a line.
    engine, creator, photo_check, face_tracker: "module:function" of the engine, of the maker of avatars, of what
        refuses a file that is no picture before a job begins, and of what follows a face.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    avatar: Path | None = None
    data_dir: Path | None = None
    size: Annotated[Literal[256, 512, 768], BeforeValidator(_number)] = 512
    quality: Literal["auto", "geometric", "neural"] = "auto"
    weights: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"
    latency_ms: Annotated[float | None, Field(ge=40, le=2000)] = None
    av_offset_ms: Annotated[float, Field(ge=0, le=200)] = 50.0
    max_sessions: Annotated[int, Field(ge=1, le=64)] = 2
    max_viewers: Annotated[int, Field(ge=1, le=1000)] = 32
    max_websockets: Annotated[int, Field(ge=1, le=1000)] = 16
    max_faces: Annotated[int, Field(ge=0, le=64)] = 2
    idle_timeout_s: Annotated[float, Field(ge=0, le=3600)] = 15.0
    workers: Annotated[int, Field(ge=1, le=32)] = 1
    standby: bool = True
    badge: bool = True
    max_upload_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    upload_lifetime_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24 * 3600.0
    ice_servers: Annotated[tuple[dict[str, str], ...], _each(ice_server), Field(repr=False)] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tokens: Annotated[tuple[Token, ...], _each(parse_token), Field(repr=False)] = ()
    token_file: Path | None = None
    public_metrics: bool = False
    allow_origins: Annotated[tuple[str, ...], _each(parse_origin)] = ()
    log_format: Literal["text", "json"] = "text"
    engine: str = "streaming.engine_port:real_engine"
    creator: str = "streaming.creation:real_creator"
    photo_check: str = "engine.avatar.photo_file:open_photo"
    face_tracker: str = "streaming.face_tracking:real_tracker"


def look_ahead_ms(latency_ms: float | None) -> int:
    """How far the motion listens ahead at a latency; None is the default latency."""
    return (
        min(LOOK_AHEADS_MS)
        if latency_ms is not None and latency_ms < SHORT_LATENCY_MS
        else max(LOOK_AHEADS_MS)
    )


def engine_options(settings: ServeSettings) -> EngineOptions:
    """How the engine is made that these settings ask for."""
    return EngineOptions(
        factory=settings.engine,
        size=settings.size,
        badge=settings.badge,
        look_ahead_ms=look_ahead_ms(settings.latency_ms),
        quality=settings.quality,
        weights=settings.weights,
        device=settings.device,
    )


def latency_floor_ms(look_ahead: float, frame_ms: float, encode_ms: float) -> float:
    """The shortest latency that can be kept: one frame, the look-ahead, and the compute as measured."""
    return FRAME_MS + look_ahead + frame_ms + encode_ms


def fitting_latency_ms(asked_ms: float | None, frame_ms: float, encode_ms: float) -> float:
    """The latency to run with.

    Raises:
        SettingError: what was asked for is below the floor; names the floor.
    """
    look_ahead = look_ahead_ms(asked_ms)
    floor_ms = latency_floor_ms(look_ahead, frame_ms, encode_ms)
    if asked_ms is None:
        return max(DEFAULT_LATENCY_MS, math.ceil((floor_ms + ROOM_MS) / 10.0) * 10.0)
    if asked_ms < floor_ms:
        raise SettingError(
            f"expected a latency of at least {floor_ms:.0f} ms ({FRAME_MS:.0f} frame + {look_ahead} look-ahead "
            f"+ {frame_ms + encode_ms:.0f} compute as measured), got {asked_ms:.0f} ms: ask for more, or use a faster "
            "machine"
        )
    return asked_ms


def most_av_offset_ms(latency_ms: float) -> float:
    """The largest lead over its picture that sound can have and still have arrived."""
    return max(0.0, latency_ms - AUDIO_ARRIVAL_MS)
