"""One encode for many: order, slow readers, keyframes, and whose network counts."""

import asyncio
from typing import Any

import av
import numpy as np

from streaming.encoder import MAX_BITRATE
from streaming.feeds import AUDIO_WAITING, VIDEO_WAITING, AudioFeed, Outlet, VideoFeed
from tests.streaming.fake_engine import draw, read_number

SIZE = 256


def pictures(feed: VideoFeed, numbers: range) -> None:
    """Encode and publish these frames."""
    for number in numbers:
        feed.publish(feed.encode(draw(SIZE, number, 0.5, 128), number, keyframe=feed.keyframe_due()))


def taken(outlet: Outlet) -> "list[av.Packet[Any]]":
    async def take() -> "list[av.Packet[Any]]":
        return [await outlet.next() for _ in range(len(outlet))]

    return asyncio.run(take())


def test_every_viewer_gets_the_same_packets_from_one_encode() -> None:
    feed = VideoFeed("h264", SIZE)
    outlets = [feed.open() for _ in range(3)]
    pictures(feed, range(VIDEO_WAITING))
    got = [taken(outlet) for outlet in outlets]
    assert [packet.pts for packet in got[0]] == [0, 3600, 7200]
    assert all(one is other for one, other in zip(got[0], got[2], strict=True))


def test_a_viewer_who_joins_begins_with_a_whole_picture() -> None:
    feed = VideoFeed("h264", SIZE)
    first = feed.open()
    pictures(feed, range(2))
    seen = taken(first)
    late = feed.open()
    feed._keyframe_s = float("-inf")  # no keyframe for a long time
    pictures(feed, range(2, 4))
    assert [packet.is_keyframe for packet in taken(late)] == [True, False]
    decoder = av.CodecContext.create("h264", "r")
    packets = seen + taken(first)
    frames = [f for p in packets for f in decoder.decode(av.Packet(bytes(p)))] + decoder.decode(None)
    assert [read_number(frame.to_ndarray()[:SIZE]) for frame in frames][-1] == 3


def test_keyframes_for_those_who_ask_come_with_a_pause_between() -> None:
    feed = VideoFeed("h264", SIZE)
    assert feed.keyframe_due()
    feed.want_keyframe()
    assert not feed.keyframe_due()
    feed._keyframe_s -= 1.0
    assert feed.keyframe_due()
    assert not feed.keyframe_due()


def test_a_slow_viewer_loses_packets_up_to_a_keyframe_and_delays_nobody() -> None:
    feed = VideoFeed("h264", SIZE)
    slow, quick = feed.open(), feed.open()
    seen = []
    for number in range(VIDEO_WAITING + 3):
        pictures(feed, range(number, number + 1))
        seen += taken(quick)
    assert [packet.pts // 3600 for packet in seen] == list(range(VIDEO_WAITING + 3))
    assert len(slow) == 0 and slow.lost == VIDEO_WAITING + 1
    feed._keyframe_s = float("-inf")
    pictures(feed, range(10, 12))
    assert [packet.is_keyframe for packet in taken(slow)] == [True, False]


def test_a_slow_listener_loses_the_oldest_sound() -> None:
    feed = AudioFeed()
    outlet = feed.open()
    for block in range(AUDIO_WAITING + 4):
        feed.publish(feed.encode(np.zeros(960, np.int16), block * 960))
    assert [packet.pts // 960 for packet in taken(outlet)] == list(range(4, AUDIO_WAITING + 4))
    outlet.close()
    outlet.close()
    feed.publish(feed.encode(np.zeros(960, np.int16), 0))
    assert len(outlet) == 0


def test_one_poor_network_among_three_does_not_lower_the_rate() -> None:
    feed = VideoFeed("h264", SIZE)
    outlets = [feed.open() for _ in range(3)]
    for _ in range(20):
        feed.loss(outlets[0], 0.5)
    assert feed.target == MAX_BITRATE[SIZE]
    for _ in range(20):
        feed.loss(outlets[1], 0.5)
    assert feed.target < MAX_BITRATE[SIZE] / 2
    outlets[0].close()
    outlets[1].close()
    assert feed.target == MAX_BITRATE[SIZE]


async def test_a_reader_waits_for_what_comes() -> None:
    feed = AudioFeed()
    outlet = feed.open()
    reader = asyncio.create_task(outlet.next())
    await asyncio.sleep(0)
    feed.publish(feed.encode(np.zeros(960, np.int16), 1920))
    assert (await reader).pts == 1920
