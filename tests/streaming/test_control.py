import json

import pytest

from streaming.control import ControlError, parse_control


@pytest.mark.parametrize(
    "message",
    [
        {"type": "style", "expressiveness": 0, "head_motion": 2.0},
        {"type": "style", "expressiveness": 1, "head_motion": 1, "mood": -1},
        {"type": "style", "expressiveness": 1, "head_motion": 1, "mood": None},
        {"type": "style", "mood": 0.5},
        {"type": "avatar", "id": "x"},
        {"type": "clear"},
        {"type": "barge_in", "on": True},
        {"type": "drive", "by": "face"},
        {"type": "face_rest"},
        {"type": "playout", "audio_ms": 1.5e12, "video_ms": -3},
    ],
)
def test_every_message_of_the_protocol_is_understood(message: dict[str, object]) -> None:
    assert parse_control(json.dumps(message)) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"bytes", "text message"),
        ("x" * 5000, "at most"),
        ("{", "cannot be parsed"),
        ("[1]", '"type"'),
        ('{"type": "dance"}', "style, playout, avatar, clear"),
        ('{"type": "barge_in", "on": 1}', "true or false"),
        ('{"type": "drive", "by": "hand"}', "voice or face"),
        ('{"type": "style", "expressiveness": true, "head_motion": 1}', "expressiveness"),
        ('{"type": "style", "expressiveness": 2.1, "head_motion": 1}', "between 0 and 2"),
        ('{"type": "style", "expressiveness": NaN, "head_motion": 1}', "finite"),
        ('{"type": "style", "expressiveness": 1%s, "head_motion": 1}' % ("0" * 400), "finite"),
        (
            '{"type": "style", "expressiveness": 1, "head_motion": 1, "mood": 1.1}',
            "mood between -1 and 1, got 1.1",
        ),
        ('{"type": "style", "expressiveness": 1, "head_motion": 1, "mood": "glad"}', "number as mood"),
        ('{"type": "style", "head_motion": "much"}', "number as head_motion"),
        ('{"type": "playout", "audio_ms": -1%s, "video_ms": 0}' % ("0" * 400), "finite"),
        ('{"type": "playout", "audio_ms": 1e999, "video_ms": 0}', "finite"),
        ('{"type": "playout", "audio_ms": -1%s, "video_ms": 0}' % ("0" * 308), "audio_ms between -1e.15"),
        ('{"type": "avatar", "id": 3}', "id"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text: object, reason: str) -> None:
    with pytest.raises(ControlError, match=reason):
        parse_control(text)
