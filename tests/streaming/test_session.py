"""What a session tells the worker, and who may speak; no time passes but by moving the clock's origin."""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from engine.conventions import FRAME_SAMPLES
from engine.motion.values import rest
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    FrameDone,
    OpenSession,
    SetAvatar,
    SetListening,
    SetOrigin,
    SetStyle,
    ToWorker,
    pack_motion,
)
from streaming.metrics import Metrics
from streaming.session import (
    HEARD_AGAIN_FRAMES,
    MICROPHONE_KEPT_S,
    AvatarSession,
    BusyError,
)
from streaming.settings import ServeSettings
from streaming.shared import SLOTS, SessionMemory
from streaming.sounds import STOOD_STILL_S
from tests.streaming.voices import bundled_speech, packets_of

SIZE = 256


class Bench:
    """A session whose worker only listens."""

    def __init__(self, executor: ThreadPoolExecutor, phase_s: float | None = None) -> None:
        self.said: list[ToWorker] = []
        self.session = AvatarSession(
            "name-of-the-session",
            ServeSettings(size=SIZE),
            Metrics(),
            executor,
            self.said.append,
            ("a", "/a.avatar"),
            7,
            160.0,
            phase_s,
        )

    def pass_time(self, seconds: float) -> None:
        """Let the session believe that time has passed."""
        self.session.clock.hold(-seconds)

    def last(self, kind: type) -> Any:
        return [message for message in self.said if isinstance(message, kind)][-1]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with ThreadPoolExecutor(1) as executor:
        bench = Bench(executor)
        yield bench
        await bench.session.close()


async def test_a_session_opens_at_the_beginning_with_what_was_asked(bench: Bench) -> None:
    bench.session.open_session()
    opened = bench.last(OpenSession)
    assert (opened.first_frame, opened.seed, opened.avatar_path) == (0, 7, "/a.avatar")
    assert (opened.origin_s, opened.budget_s) == (bench.session.clock.origin_s, 0.16)


async def test_frames_begin_when_they_are_told_to_and_not_later() -> None:
    with ThreadPoolExecutor(1) as executor:
        benches = [Bench(executor, phase_s) for phase_s in (None, 0.013, 0.013)]
        free, *told = (bench.session for bench in benches)
        assert free.clock.origin_s == free.opened_s - 0.16
        for session in told:
            frames = (session.clock.origin_s - 0.013) / 0.04
            assert frames == pytest.approx(round(frames), abs=1e-6)
            assert 0.16 <= session.opened_s - session.clock.origin_s < 0.2
        for bench in benches:
            await bench.session.close()


async def test_a_new_worker_is_opened_at_the_next_whole_frame_with_the_present_state(bench: Bench) -> None:
    bench.session.open_session()
    bench.session.set_style(0.5, 2.0, 0.75)
    bench.session.set_style(head_motion=1.5)
    bench.session.set_avatar("b", "/b.avatar")
    assert bench.last(SetStyle) == SetStyle(bench.session.name, 0.5, 1.5, 0.75)  # what is left out stays
    assert bench.last(SetAvatar).avatar_path == "/b.avatar"
    bench.pass_time(0.5)
    bench.session.clear()  # lets the timeline grow to now
    before = bench.last(OpenSession)
    bench.session.open_session()
    after = bench.last(OpenSession)
    assert 0 <= after.first_frame * FRAME_SAMPLES - bench.session.timeline.head < FRAME_SAMPLES
    assert after.avatar_path == "/b.avatar"
    assert (after.expressiveness, after.head_motion, after.mood) == (0.5, 1.5, 0.75)
    assert after.generation > before.generation


async def test_the_worker_is_told_once_that_the_other_side_speaks_and_so_is_the_next_one(
    bench: Bench,
) -> None:
    bench.session.open_session()
    assert not bench.last(OpenSession).listening
    for heard in (False, True, True, False, True):
        bench.session.set_listening(heard)
    told = [message.heard for message in bench.said if isinstance(message, SetListening)]
    assert told == [True, False, True]
    bench.session.open_session()
    assert bench.last(OpenSession).listening


async def test_a_worker_that_takes_over_hears_the_last_moments_again(bench: Bench) -> None:
    bench.session.open_session()
    bench.pass_time(10.0)
    bench.session.hear(0, np.zeros(960, np.int16))  # lets the timeline grow to now
    due_next = bench.session.pictures.pacer.next_number(time.monotonic())
    bench.session.open_session()
    opened = bench.last(OpenSession)
    assert (
        0 <= opened.first_frame - (due_next - HEARD_AGAIN_FRAMES) <= 25
    )  # the machine may be busy meanwhile
    assert bench.said[-1] == Audio(bench.session.name, bench.session.timeline.head)


async def test_it_goes_on_from_the_motion_that_was_shown_last(bench: Bench) -> None:
    bench.session.start()
    assert bench.last(OpenSession).shown == b""
    worker = SessionMemory(SIZE, bench.last(OpenSession).memory)
    shown = pack_motion(rest(0))
    left = asyncio.Event()
    bench.session.watch(lambda picture: left.set())
    number = bench.session.pictures.pacer.next_number(time.monotonic()) + 1
    worker.fill(0, np.zeros((SIZE * 3 // 2, SIZE), np.uint8))
    generation = bench.last(OpenSession).generation
    bench.session.frame_done(FrameDone(bench.session.name, number, 0, generation, 0.0, {}, False, shown))
    await left.wait()
    bench.session.open_session()
    assert bench.last(OpenSession).shown == shown
    worker.close()


async def test_the_worker_is_told_of_sound_when_a_frame_ends_and_before_it_is_cleared(bench: Bench) -> None:
    bench.session.open_session()
    bench.said.clear()
    begun_s = bench.session.clock.time_of(bench.session.timeline.head)
    for step in range(1, 41):
        bench.session.sounds.pump(begun_s + 0.01 * step)
    told = [message.end // FRAME_SAMPLES for message in bench.said if isinstance(message, Audio)]
    assert len(told) in (9, 10, 11) and told == list(range(told[0], told[0] + len(told)))
    bench.session.clear()
    *_, last, cleared = bench.said
    assert last == Audio(bench.session.name, bench.session.timeline.head) and isinstance(cleared, Clear)


async def test_sound_lies_in_the_memory_before_the_worker_is_told(bench: Bench) -> None:
    bench.session.open_session()
    silent = bench.session.timeline.head
    bench.session.play(np.full(48_000, 16_384, np.int16))
    bench.pass_time(0.2)
    bench.session.clear()
    told = bench.last(Audio)
    worker = SessionMemory(SIZE, bench.last(OpenSession).memory)
    heard = worker.read_audio(0, told.end)
    worker.close()
    assert told.end >= silent + 3200
    assert not heard[: silent - 100].any()
    np.testing.assert_allclose(heard[silent + 100 :], 0.5, atol=0.01)


async def test_clear_drops_pictures_that_wait_and_those_on_their_way(bench: Bench) -> None:
    bench.session.open_session()
    generation = bench.last(OpenSession).generation
    worker = SessionMemory(SIZE, bench.last(OpenSession).memory)

    def draw(number: int, generation: int) -> None:
        slot = worker.free_slot()
        assert slot is not None
        worker.fill(slot, np.zeros((SIZE * 3 // 2, SIZE), np.uint8))
        bench.session.frame_done(
            FrameDone(bench.session.name, number, slot, generation, 0.0, {}, False, bytes(232))
        )

    draw(5, generation)
    assert bench.session.pictures.pacer.ready(5)
    bench.session.clear()
    assert not bench.session.pictures.pacer.ready(5)
    draw(6, generation)
    assert not bench.session.pictures.pacer.ready(6)
    draw(7, bench.last(Clear).generation)
    assert bench.session.pictures.pacer.ready(7)
    for _ in range(SLOTS - 1):  # only the one that waits is held
        slot = worker.free_slot()
        assert slot is not None
        worker.fill(slot, np.zeros((SIZE * 3 // 2, SIZE), np.uint8))
    assert worker.free_slot() is None
    worker.close()


async def test_a_process_that_stood_still_goes_on_where_it_was(bench: Bench) -> None:
    bench.session.open_session()
    bench.pass_time(0.1)
    bench.session.clear()
    head = bench.session.timeline.head
    bench.session.sounds._pumped_s -= STOOD_STILL_S + 100.0
    bench.pass_time(STOOD_STILL_S + 100.0)
    bench.session.clear()
    assert bench.session.timeline.head - head < 1600
    assert bench.last(SetOrigin).origin_s == bench.session.clock.origin_s


async def test_frames_begin_when_they_were_told_to_also_after_a_pause() -> None:
    with ThreadPoolExecutor(1) as executor:
        bench = Bench(executor, 0.013)
        bench.session.sounds._pumped_s -= STOOD_STILL_S + 0.123
        bench.pass_time(STOOD_STILL_S + 0.12)  # three frames
        bench.session.clear()
        frames = (bench.session.clock.origin_s - 0.013) / 0.04
        assert frames == pytest.approx(round(frames), abs=1e-6)
        await bench.session.close()


async def test_closing_tells_the_worker_once(bench: Bench) -> None:
    await bench.session.close()
    await bench.session.close()
    assert sum(isinstance(message, CloseSession) for message in bench.said) == 1


async def test_a_frame_that_comes_after_the_end_is_dropped(bench: Bench) -> None:
    bench.session.open_session()
    generation = bench.last(OpenSession).generation
    await bench.session.close()
    bench.session.frame_done(FrameDone(bench.session.name, 5, 0, generation + 1, 0.0, {}, False, bytes(232)))
    assert not bench.session.pictures.pacer.ready(5)


async def test_one_speaks_at_a_time_until_they_fall_silent_or_leave(bench: Bench) -> None:
    first, second = object(), object()
    bench.session.claim_microphone(first)
    bench.session.claim_microphone(first)
    with pytest.raises(BusyError, match="nobody else"):
        bench.session.claim_microphone(second)
    bench.session.leave(first)
    bench.session.claim_microphone(second)
    bench.session._microphone_s -= MICROPHONE_KEPT_S + 0.1
    bench.session.claim_microphone(first)
    with pytest.raises(BusyError):
        bench.session.claim_microphone(second)


def voice_packets(count: int) -> list[np.ndarray]:
    """Packets of the bundled speech from where it has begun."""
    return list(packets_of(bundled_speech()[24_000 : 24_000 + count * 960]))


async def test_a_routed_microphone_does_not_move_the_mouth(bench: Bench) -> None:
    bench.session.open_session()
    taken: list[tuple[int, np.ndarray]] = []
    bench.session.route_microphone(lambda first, samples: taken.append((first, samples)))
    sound = voice_packets(20)
    for number, packet in enumerate(sound):
        bench.session.hear(960 * number, packet)
        bench.pass_time(0.02)
    numbers = [first for first, _ in taken]
    assert numbers == list(np.cumsum([numbers[0]] + [len(samples) for _, samples in taken])[:-1])
    heard = np.concatenate([samples for _, samples in taken])
    whole = np.concatenate(sound)
    begin = len(heard) - len(whole)
    assert begin >= 0
    np.testing.assert_array_equal(heard[begin + 480 :], whole[480:])
    assert not bench.session.timeline.read(0, bench.session.timeline.head).any()
    bench.session.route_microphone(None)
    for number, packet in enumerate(sound, 20):
        bench.session.hear(960 * number, packet)
        bench.pass_time(0.02)
    assert len(np.concatenate([samples for _, samples in taken])) == len(heard)
    assert bench.session.timeline.read(0, bench.session.timeline.head).any()


@pytest.mark.parametrize("routed", [False, True])
async def test_a_user_who_speaks_interrupts_what_is_played_when_that_is_wanted(
    bench: Bench, routed: bool
) -> None:
    bench.session.open_session()
    events: list[str] = []
    bench.session.on_event(lambda event: events.append(event["type"]))
    if routed:
        bench.session.route_microphone(lambda first, samples: None)
    sound = voice_packets(50)

    def speak(first: int) -> None:
        for number, packet in enumerate(sound, first):
            bench.session.hear(960 * number, packet)
            bench.pass_time(0.02)

    bench.session.play(np.full(48_000 * 10, 3277, np.int16))
    speak(0)
    assert bench.session.queued_seconds > 8.0
    assert events == []
    bench.session.barge_in = True
    speak(50)
    assert bench.session.queued_seconds == 0.0
    assert events == ["cleared", "user_speaking"] or events == ["user_speaking", "cleared"]
    speak(100)  # nothing is queued any more: nothing to interrupt
    assert events.count("cleared") == 1


async def test_a_session_knows_since_when_nobody_is_there(bench: Bench) -> None:
    assert bench.session.empty_since_s is not None
    bench.session.enter(bench)
    assert (bench.session.participants, bench.session.empty_since_s) == (1, None)
    bench.session.leave(bench)
    bench.session.leave(bench)
    assert bench.session.empty_since_s is not None


async def test_those_who_ask_are_told_what_is_thrown_away_and_that_it_is_over(bench: Bench) -> None:
    told: list[dict[str, Any]] = []
    bench.session.on_event(told.append)
    bench.session.play(np.full(48_000, 16_384, np.int16))
    bench.pass_time(0.2)
    bench.session.clear()
    await bench.session.close()
    cleared = {"type": "cleared", "sample": 3 * bench.session.timeline.head, "by": "other"}
    assert told == [cleared, {"type": "ended"}]
    assert bench.session.queued_seconds == 0.0


async def test_the_microphone_is_routed_to_one_at_a_time(bench: Bench) -> None:
    bench.session.route_microphone(lambda timestamp, samples: None)
    with pytest.raises(BusyError, match="nobody else"):
        bench.session.route_microphone(lambda timestamp, samples: None)
    bench.session.route_microphone(None)
    bench.session.route_microphone(lambda timestamp, samples: None)
