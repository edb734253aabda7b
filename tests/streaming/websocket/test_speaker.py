"""A live microphone of a client beside others of its session; no time passes but by moving the clock's origin."""

import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streaming.concealment import PcmDecoder
from streaming.session import MICROPHONE_KEPT_S, AvatarSession
from streaming.websocket.protocol import Start
from streaming.websocket.speaker import LiveSpeaker
from tests.streaming.test_session import Bench

LOUD = np.full(9_600, 9_000, "<i2")  # 200 ms at 48 kHz


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with ThreadPoolExecutor(1) as executor:
        bench = Bench(executor)
        yield bench
        await bench.session.close()


def live(session: AvatarSession, owner: object, rate: int = 48_000) -> LiveSpeaker:
    return LiveSpeaker(session, Start(type="start", sample_rate=rate, format="s16", mode="live"), owner)


async def test_a_later_speaker_is_heard_from_the_first_message_on(bench: Bench) -> None:
    session, timeline = bench.session, bench.session.timeline
    for owner in (object(), object()):
        bench.pass_time(1.0)
        session.sounds.pump(time.monotonic())
        head = timeline.head
        speaker = live(session, owner)
        await speaker.add(LOUD.tobytes())
        speaker.end()
        session.release_microphone(owner)
        bench.pass_time(0.3)
        session.sounds.pump(time.monotonic())
        heard = timeline.read(head, timeline.head - head)
        assert np.count_nonzero(np.abs(heard) > 8_000) > 0.95 * len(LOUD)


async def test_who_lost_the_microphone_disturbs_nobody_by_leaving(bench: Bench) -> None:
    session, speaker = bench.session, live(bench.session, "client", 16_000)
    await speaker.add(LOUD.tobytes()[:640])
    session._microphone_s -= MICROPHONE_KEPT_S + 0.1
    session.claim_microphone("page")
    page = PcmDecoder()
    session.hear_packet(0, LOUD[:960].tobytes(), page)
    placements = session.timeline.microphone.placements
    speaker.end()
    session.hear_packet(960, LOUD[:960].tobytes(), page)
    assert session.timeline.microphone.placements == placements
