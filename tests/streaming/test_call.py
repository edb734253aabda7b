"""What a call tells the worker; no time passes but by moving the call's origin."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from engine.conventions import FRAME_SAMPLES
from streaming.call import STOOD_STILL_S, Call
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    FrameDone,
    OpenSession,
    SetAvatar,
    SetOrigin,
    SetStyle,
    ToWorker,
)
from streaming.metrics import Metrics
from streaming.settings import ServeSettings
from streaming.shared import SLOTS, SessionMemory

SIZE = 256


class Bench:
    """A call whose worker only listens."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.said: list[ToWorker] = []
        self.call = Call(
            "name-of-the-call",
            ServeSettings(size=SIZE),
            Metrics(),
            executor,
            self.said.append,
            ("a", "/a.avatar"),
            7,
            160.0,
        )

    def pass_time(self, seconds: float) -> None:
        """Let the call believe that time has passed."""
        self.call.clock.hold(-seconds)

    def last(self, kind: type) -> Any:
        return [message for message in self.said if isinstance(message, kind)][-1]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with ThreadPoolExecutor(1) as executor:
        bench = Bench(executor)
        yield bench
        await bench.call.close()


async def test_a_session_opens_at_the_beginning_with_what_was_asked(bench: Bench) -> None:
    bench.call.open_session()
    opened = bench.last(OpenSession)
    assert (opened.first_frame, opened.seed, opened.avatar_path) == (0, 7, "/a.avatar")
    assert (opened.origin_s, opened.budget_s) == (bench.call.clock.origin_s, 0.16)


async def test_a_new_worker_is_opened_at_the_next_whole_frame_with_the_present_state(bench: Bench) -> None:
    bench.call.open_session()
    bench.call.set_style(0.5, 1.5)
    bench.call.set_avatar("b", "/b.avatar")
    assert bench.last(SetStyle).expressiveness == 0.5
    assert bench.last(SetAvatar).avatar_path == "/b.avatar"
    bench.pass_time(0.5)
    bench.call.clear()  # lets the timeline grow to now
    before = bench.last(OpenSession)
    bench.call.open_session()
    after = bench.last(OpenSession)
    assert 0 <= after.first_frame * FRAME_SAMPLES - bench.call.timeline.head < FRAME_SAMPLES
    assert (after.avatar_path, after.expressiveness, after.head_motion) == ("/b.avatar", 0.5, 1.5)
    assert after.generation > before.generation


async def test_sound_lies_in_the_memory_before_the_worker_is_told(bench: Bench) -> None:
    bench.call.open_session()
    bench.call.play(np.full(48_000, 0.5, np.float32))
    bench.pass_time(0.2)
    bench.call.clear()
    told = bench.last(Audio)
    worker = SessionMemory(SIZE, bench.last(OpenSession).memory)
    heard = worker.read_audio(0, told.end)
    worker.close()
    assert told.end >= 3200
    np.testing.assert_allclose(heard[100:], 0.5, atol=0.01)


async def test_clear_drops_pictures_that_wait_and_those_on_their_way(bench: Bench) -> None:
    bench.call.open_session()
    generation = bench.last(OpenSession).generation
    worker = SessionMemory(SIZE, bench.last(OpenSession).memory)

    def draw(number: int, generation: int) -> None:
        slot = worker.free_slot()
        assert slot is not None
        worker.fill(slot, np.zeros((SIZE * 3 // 2, SIZE), np.uint8))
        bench.call.frame_done(
            FrameDone(bench.call.name, number, slot, generation, 0.0, {}, False, bytes(232))
        )

    draw(5, generation)
    assert bench.call.pacer.ready(5)
    bench.call.clear()
    assert not bench.call.pacer.ready(5)
    draw(6, generation)
    assert not bench.call.pacer.ready(6)
    draw(7, bench.last(Clear).generation)
    assert bench.call.pacer.ready(7)
    for _ in range(SLOTS - 1):  # only the one that waits is held
        slot = worker.free_slot()
        assert slot is not None
        worker.fill(slot, np.zeros((SIZE * 3 // 2, SIZE), np.uint8))
    assert worker.free_slot() is None
    worker.close()


async def test_a_process_that_stood_still_goes_on_where_it_was(bench: Bench) -> None:
    bench.call.open_session()
    bench.pass_time(0.1)
    bench.call.clear()
    head = bench.call.timeline.head
    bench.call._pumped_s -= STOOD_STILL_S + 100.0
    bench.pass_time(STOOD_STILL_S + 100.0)
    bench.call.clear()
    assert bench.call.timeline.head - head < 1600
    assert bench.last(SetOrigin).origin_s == bench.call.clock.origin_s


async def test_closing_tells_the_worker_once(bench: Bench) -> None:
    await bench.call.close()
    await bench.call.close()
    assert sum(isinstance(message, CloseSession) for message in bench.said) == 1
