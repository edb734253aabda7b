"""Every message of the client is checked, and a refusal is one line that names what is wrong."""

import json
from typing import Any

import pytest

from streaming.websocket.protocol import (
    MAX_TEXT,
    Clear,
    Kind,
    MessageError,
    SetStyle,
    Start,
    Subscribe,
    pack,
    parse,
    unpack,
)


def message(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def test_good_messages() -> None:
    start = parse(message("start", sample_rate=24_000, format="f32", listen=True, barge_in=True))
    assert start == Start(
        type="start", sample_rate=24_000, format="f32", mode="queue", listen=True, barge_in=True
    )
    assert parse(message("clear")) == Clear(type="clear")
    for left_out in ({}, {"mood": None}):
        assert parse(message("set_style", expressiveness=1, head_motion=0.5, **left_out)) == SetStyle(
            type="set_style", expressiveness=1.0, head_motion=0.5, mood=None
        )
    assert parse(message("set_style", mood=1)) == SetStyle(type="set_style", mood=1.0)
    assert parse(message("set_style", expressiveness=1, head_motion=0.5, mood=-1)) == SetStyle(
        type="set_style", expressiveness=1.0, head_motion=0.5, mood=-1.0
    )
    assert parse(message("subscribe", frames="jpeg", audio=True)) == Subscribe(
        type="subscribe", frames="jpeg", audio=True
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["JSON"]),
        ("{", ["JSON"]),
        ("[]", ["object", "[]"]),
        ("5", ["object", "5"]),
        ("{}", ["type"]),
        (message("begin"), ["type", "start", "subscribe", "begin"]),
        (message("start"), ["sample_rate", "start"]),
        (message("start", sample_rate=11_025, format="s16"), ["sample_rate", "48000", "11025"]),
        (message("start", sample_rate="16000", format="s16"), ["sample_rate", "'16000'"]),
        (message("start", sample_rate=16_000, format="s24"), ["format", "s16", "s24"]),
        (message("start", sample_rate=16_000, format="s16", mode="fast"), ["mode", "fast"]),
        (message("start", sample_rate=16_000, format="s16", listen=1), ["listen", "1"]),
        (message("start", sample_rate=16_000, format="s16", barge_in=True), ["barge_in", "listen"]),
        (message("start", sample_rate=16_000, format="s16", mode="live", listen=True), ["listen", "queue"]),
        (message("clear", now=True), ["clear", "now"]),
        (message("set_avatar"), ["avatar"]),
        (message("set_avatar", avatar="x" * 300), ["avatar", "200"]),
        (message("set_style", expressiveness=2.1, head_motion=1), ["expressiveness", "2.1"]),
        ('{"type": "set_style", "expressiveness": NaN, "head_motion": 1}', ["expressiveness", "finite"]),
        (message("set_style", expressiveness=1, head_motion=1, mood=1.5), ["mood", "to 1", "1.5"]),
        (message("set_style", expressiveness=1, head_motion=1, mood="glad"), ["mood", "number", "glad"]),
        (message("set_style", head_motion=-1), ["head_motion", "-1"]),
        (message("subscribe", frames="png"), ["frames", "jpeg", "png"]),
        ("[" * (MAX_TEXT - 1), ["JSON"]),
        (" " * (MAX_TEXT + 1), [str(MAX_TEXT)]),
    ],
)
def test_bad_messages_are_refused_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(MessageError) as refusal:
        parse(text)
    assert refusal.value.code == "bad_message"
    line = str(refusal.value)
    assert line.startswith("expected") and "\n" not in line and len(line) < 300
    for word in words:
        assert word in line


def test_the_binary_header_is_as_documented() -> None:
    packed = pack(Kind.JPEG, 1, 512, 7, 2**40, b"\xff\xd8")
    assert packed[:16].hex(" ") == "02 01 00 02 07 00 00 00 00 00 00 00 00 01 00 00"
    assert unpack(packed) == (Kind.JPEG, 1, 512, 7, 2**40, b"\xff\xd8")
