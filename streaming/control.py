"""Messages from the page over the data channel, checked."""

import json
import sys
from typing import Any, Final

from engine.errors import InputError

MAX_MESSAGE: Final = 4_000

MOST_MS: Final = 1e15
"""No time of playout is beyond: NTP has come to 4e12 ms."""

_NUMBERS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "style": {"expressiveness": (0.0, 2.0), "head_motion": (0.0, 2.0), "mood": (-1.0, 1.0)},
    "playout": {"audio_ms": (-MOST_MS, MOST_MS), "video_ms": (-MOST_MS, MOST_MS)},
    "avatar": {},
    "clear": {},
    "barge_in": {},
    "drive": {},
    "face_rest": {},
}
_OPTIONAL: Final = frozenset(_NUMBERS["style"])
"""What is left out of these, or null, stays as it is."""


class ControlError(InputError):
    """A control message that cannot be carried out."""


def parse_control(text: Any) -> dict[str, Any]:
    """Return a message of docs/protocol.md ("Calls") whose numbers are finite and in range.

    Raises:
        ControlError: anything else.
    """
    if not isinstance(text, str) or len(text) > MAX_MESSAGE:
        raise ControlError(f"expected a JSON text message of at most {MAX_MESSAGE} characters")
    try:
        message = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ControlError("expected a JSON message, got text that cannot be parsed") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ControlError('expected a JSON object with a "type"')
    kind = message["type"]
    if kind not in _NUMBERS:
        raise ControlError(f"expected a message of type {', '.join(_NUMBERS)}, got {kind[:40]!r}")
    for name, (low, high) in _NUMBERS[kind].items():
        value = message.get(name)
        if value is None and name in _OPTIONAL:
            continue
        # Not math.isfinite: an integer may be too large to become a float.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not abs(value) <= sys.float_info.max
        ):
            raise ControlError(f"expected a finite number as {name} of a {kind} message")
        if not low <= value <= high:
            raise ControlError(f"expected {name} between {low:g} and {high:g}, got {value:g}")
    if kind == "avatar" and not isinstance(message.get("id"), str):
        raise ControlError("expected an avatar id as text")
    if kind == "barge_in" and not isinstance(message.get("on"), bool):
        raise ControlError("expected true or false as on of a barge_in message")
    if kind == "drive" and message.get("by") not in ("voice", "face"):
        raise ControlError("expected voice or face as by of a drive message")
    return message
