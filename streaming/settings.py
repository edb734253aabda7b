"""What a server can be told."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.conventions import FRAME_RATE, LOOK_AHEAD_SAMPLES, SAMPLE_RATE
from engine.errors import SettingError

FRAME_MS: Final = 1000.0 / FRAME_RATE
LOOK_AHEAD_MS: Final = 1000.0 * LOOK_AHEAD_SAMPLES / SAMPLE_RATE

AUDIO_ARRIVAL_MS: Final = 80.0
"""Sound leaves no earlier than this after it arrived: a 20 ms packet, and 60 ms for a late one."""


class ServeSettings(BaseModel):
    """Settings of ``serve``; unknown keys are refused.

    latency_ms: from the arrival of the first sample that a frame shows to that frame leaving.
    av_offset_ms: how much sooner sound leaves than its picture, because the browser plays it later; steered by
        the page from here.
    avatar: an avatar bundle that is offered beside the bundled portraits, as the default.
    upload_lifetime_s: after how long an uploaded avatar is deleted.
    ice_servers: STUN and TURN servers as in RTCConfiguration: {"urls": ..., "username": ..., "credential": ...}.
    engine, creator: "module:function" of the engine and of the maker of avatars.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    avatar: Path | None = None
    data_dir: Path | None = None
    size: Literal[256, 512, 768] = 512
    latency_ms: Annotated[float, Field(ge=40, le=2000)] = 160.0
    av_offset_ms: Annotated[float, Field(ge=0, le=200)] = 50.0
    max_calls: Annotated[int, Field(ge=1, le=64)] = 2
    badge: bool = True
    max_upload_bytes: Annotated[int, Field(ge=1)] = 20_000_000
    upload_lifetime_s: Annotated[float, Field(gt=0)] = 24 * 3600.0
    ice_servers: tuple[dict[str, Any], ...] = ()
    engine: str = "streaming.engine_port:real_engine"
    creator: str = "streaming.creation:real_creator"

    @property
    def budget_s(self) -> float:
        """The latency budget in seconds."""
        return self.latency_ms / 1000.0

    @property
    def most_av_offset_ms(self) -> float:
        """The largest lead that sound can have and still have arrived."""
        return max(0.0, self.latency_ms - AUDIO_ARRIVAL_MS)


def check_budget(latency_ms: float, frame_ms: float, encode_ms: float) -> None:
    """Refuse a latency budget that cannot be kept.

    Raises:
        SettingError: it is below one frame, the look-ahead and the measured compute together; names that floor.
    """
    floor = FRAME_MS + LOOK_AHEAD_MS + frame_ms + encode_ms
    if latency_ms < floor:
        raise SettingError(
            f"expected a latency of at least {floor:.0f} ms ({FRAME_MS:.0f} frame + {LOOK_AHEAD_MS:.0f} look-ahead + "
            f"{frame_ms + encode_ms:.0f} compute as measured), got {latency_ms:.0f} ms: ask for more, "
            "or use a faster machine"
        )
