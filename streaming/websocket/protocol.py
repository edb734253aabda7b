"""The messages of ``/ws`` (docs/protocol.md, "WebSocket"): what a client may say, and the binary header."""

import struct
from enum import IntEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from engine.conventions import ARKIT_NAMES, POSE_NAMES
from engine.errors import InputError

PROTOCOL: Final = 1
"""Version that ``ready`` carries; raised when a client would have to change."""

SAMPLE_RATES: Final = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""What synthesisers give; 16, 24 and 48 kHz become 48 kHz by a whole number."""

MAX_TEXT: Final = 4_000
"""Characters of one JSON message."""

MAX_MESSAGE_BYTES: Final = 1 << 20
"""Bytes of one message; a longer one ends the connection with close code 1009."""

BUFFER_S: Final = 60
"""Seconds of sound that a connection may have accepted and not yet played."""

MOTION_NAMES: Final = (*ARKIT_NAMES, *POSE_NAMES)
"""What the float32 values of a motion message mean."""

_HEADER: Final = struct.Struct("<BBHIQ")


class MessageError(InputError):
    """A message that cannot be carried out; a program looks at ``code`` and ``fields``, a person at the text."""

    def __init__(self, code: str, message: str, **fields: int) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


class Kind(IntEnum):
    """First byte of a binary message to the client."""

    MOTION = 1
    JPEG = 2
    I420 = 3
    SOUND = 4
    USER_SOUND = 5


SPEAKING: Final = 1
REPEATED: Final = 2
"""Flags of MOTION, JPEG and I420: the avatar speaks; the picture of the frame before is shown once more."""


def pack(kind: Kind, flags: int, size: int, number: int, sample: int, body: bytes) -> bytes:
    """A binary message to the client.

    Convention: 16 bytes little-endian: kind (u8), flags (u8), size (u16: the picture's side in pixels, else 0),
    number (u32), sample (u64), then the body.
    """
    return _HEADER.pack(kind, flags, size, number, sample) + body


def unpack(message: bytes) -> tuple[Kind, int, int, int, int, bytes]:
    """The parts that were given to ``pack``."""
    kind, flags, size, number, sample = _HEADER.unpack_from(message)
    return Kind(kind), flags, size, number, sample, message[_HEADER.size :]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Start(_Message):
    """Sound follows, in this form; ends what was being said in another form."""

    type: Literal["start"]
    sample_rate: Literal[8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
    format: Literal["s16", "f32"]
    mode: Literal["queue", "live"] = "queue"
    listen: bool = False
    barge_in: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.barge_in and not self.listen:
            raise ValueError('"barge_in" needs "listen": true, it is the user\'s voice that interrupts')
        if self.listen and self.mode == "live":
            raise ValueError(
                '"listen" needs "mode": "queue", a live microphone takes the place of the user\'s'
            )
        return self


class Clear(_Message):
    """Barge-in: nothing that was sent before is heard any more."""

    type: Literal["clear"]


class EndOfUtterance(_Message):
    """The next sound begins another utterance."""

    type: Literal["end_of_utterance"]


class SetAvatar(_Message):
    """Show another avatar in the running session."""

    type: Literal["set_avatar"]
    avatar: Annotated[str, Field(max_length=200)]


class SetStyle(_Message):
    """How vividly the avatar speaks and moves, 0 to 2 with 1 the normal, and how it feels; what is left out stays."""

    type: Literal["set_style"]
    expressiveness: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    head_motion: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    mood: Annotated[float | None, Field(ge=-1, le=1, allow_inf_nan=False)] = None


class OtherSide(_Message):
    """Whether somebody speaks to the avatar whom the server does not hear: a caller on a telephone, say."""

    type: Literal["other_side"]
    speaks: bool


class Subscribe(_Message):
    """What to send of every frame from now on; nothing at all is allowed and ends it."""

    type: Literal["subscribe"]
    frames: Literal["jpeg", "i420"] | None = None
    blendshapes: bool = False
    audio: bool = False


ClientMessage = Start | Clear | EndOfUtterance | SetAvatar | SetStyle | OtherSide | Subscribe

_PARSER: Final[TypeAdapter[ClientMessage]] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def parse(text: str) -> ClientMessage:
    """A checked message of the client.

    Raises:
        MessageError: one line that says what was expected and what came.
    """
    if len(text) > MAX_TEXT:
        raise MessageError("bad_message", f"expected at most {MAX_TEXT} characters of JSON, got {len(text)}")
    try:
        return _PARSER.validate_json(text)
    except ValidationError as error:
        raise MessageError("bad_message", _one_line(error)) from error


def _one_line(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    got = f", got {repr(first['input'])[:60]}"
    match first["type"]:
        case "json_invalid":
            return f"expected a JSON object: {first['msg']}"
        case "union_tag_invalid" | "union_tag_not_found":
            kinds = first.get("ctx", {}).get("expected_tags", "")
            return (
                f'expected a message with a "type", one of {kinds}{got}'
                if kinds
                else (f'expected a message with a "type"{got}')
            )
        case "extra_forbidden":
            return f"expected only known fields in {where[0]}, got {where[-1][:60]!r}: leave it out"
        case "missing":
            return f"expected {where[-1]!r} in {where[0]}, got none"
        case "value_error":
            return f"expected a {where[0]} message that fits together: {first['ctx']['error']}"
    if len(where) < 2:
        return f"expected a JSON object{got}"
    return f"expected a valid {where[1]} in {where[0]}: {first['msg']}{got}"
