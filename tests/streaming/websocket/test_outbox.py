import json
from typing import Any

from streaming.websocket.outbox import MOST_WAITING, Outbox


async def drain(outbox: Outbox) -> list[Any]:
    got: list[Any] = []
    outbox.event("end")
    while True:
        messages = await outbox.next()
        if messages == ['{"type": "end"}']:
            return got
        got.extend(json.loads(each) if isinstance(each, str) else each for each in messages)


async def test_everything_comes_in_order() -> None:
    outbox = Outbox()
    outbox.event("idle")
    outbox.frame([b"a", b"b"])
    outbox.sound(b"c")
    outbox.event("speaking", utterance=1)
    assert await drain(outbox) == [
        {"type": "idle"},
        b"a",
        b"b",
        b"c",
        {"type": "speaking", "utterance": 1},
    ]


async def test_a_slow_reader_loses_the_oldest_frames_and_no_events() -> None:
    outbox = Outbox()
    for number in range(10):
        outbox.frame([b"motion %d" % number, b"picture %d" % number])
        outbox.event("tick", number=number)
    got = await drain(outbox)
    frames = [each for each in got if isinstance(each, bytes)]
    assert frames == [b"%s %d" % (kind, n) for n in (7, 8, 9) for kind in (b"motion", b"picture")]
    assert outbox.lost["frame"] == 10 - MOST_WAITING["frame"]
    assert [each["number"] for each in got if isinstance(each, dict)] == list(range(10))


async def test_sound_is_kept_for_two_seconds() -> None:
    outbox = Outbox()
    for number in range(102):
        outbox.sound(b"%d" % number)
    assert await drain(outbox) == [b"%d" % number for number in range(2, 102)]


async def test_too_many_events_end_the_connection() -> None:
    outbox = Outbox()
    for _ in range(MOST_WAITING["event"]):
        outbox.event("tick")
    assert not outbox.overflown.is_set()
    outbox.event("tick")
    assert outbox.overflown.is_set()
