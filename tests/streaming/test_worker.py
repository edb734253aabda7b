"""The worker's own logic, in this process and in virtual time."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from streaming.engine_port import EngineOptions
from streaming.ladder import Level
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    ForgetAvatar,
    FrameDone,
    FromWorker,
    OpenSession,
    SessionFailed,
    SetAvatar,
    SetLevel,
    SetOrigin,
    SetStyle,
    unpack_motion,
)
from streaming.shared import SLOTS, SessionMemory
from streaming.worker import Worker
from tests.streaming.fake_engine import JAW, FakeEngine, read_number

SIZE = 256
LOUD = np.float32(0.2)


class Bench:
    """A worker, one session's memory, and what the worker said."""

    def __init__(self, folder: Path) -> None:
        self.said: list[FromWorker] = []
        self.now_s = 0.0
        self.memory = SessionMemory(SIZE)
        self.avatar = folder / "a.avatar"
        self.avatar.write_text(json.dumps({"chroma": 100}))
        self.worker = Worker(FakeEngine(EngineOptions(size=SIZE)), SIZE, self.said.append, lambda: self.now_s)
        self.end = 0

    def open(self, name: str = "s", first_frame: int = 0) -> None:
        self.end = first_frame * FRAME_SAMPLES
        self.worker.handle(
            OpenSession(name, self.memory.name, str(self.avatar), 0, first_frame, 0.0, 0.16, 0, 1.0, 1.0, 0)
        )

    def hear(self, samples: int, value: float = 0.0, name: str = "s") -> None:
        self.memory.write_audio(self.end, np.full(samples, value, np.float32))
        self.end += samples
        self.worker.handle(Audio(name, self.end))

    def work(self) -> list[FrameDone]:
        before = len(self.said)
        while self.worker.step():
            pass
        return [message for message in self.said[before:] if isinstance(message, FrameDone)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.worker.close()
    bench.memory.close()


def test_frames_come_once_sound_and_look_ahead_have_arrived(bench: Bench) -> None:
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES - 1)
    assert bench.work() == []
    bench.hear(1)
    (done,) = bench.work()
    assert (done.number, done.session, done.generation) == (0, "s", 0)
    assert read_number(bench.memory.picture(done.slot)[:SIZE]) == 0


def test_a_frame_tells_the_motion_that_it_shows(bench: Bench) -> None:
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, LOUD)
    (done,) = bench.work()
    values = unpack_motion(done.motion)
    assert values[JAW] == pytest.approx(5 * LOUD)
    assert not np.delete(values, JAW).any()


def test_numbers_go_on_from_where_a_session_is_opened(bench: Bench) -> None:
    bench.open(first_frame=100)
    bench.now_s = 100 * 0.04
    bench.hear(2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [done.number for done in bench.work()] == [100, 101]


def test_no_slot_no_frame_and_none_is_lost(bench: Bench) -> None:
    bench.open()
    bench.hear((SLOTS + 3) * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    first = bench.work()
    assert [done.number for done in first] == list(range(SLOTS))
    for done in first:
        bench.memory.free(done.slot)
    assert [done.number for done in bench.work()] == [SLOTS, SLOTS + 1, SLOTS + 2]


def test_frames_whose_deadline_has_passed_are_not_drawn(bench: Bench) -> None:
    bench.open()
    bench.hear(5 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    bench.now_s = 2 * 0.04 + 0.16 + 0.001
    assert [done.number for done in bench.work()] == [3, 4]


def test_on_a_machine_that_is_always_late_the_picture_moves_still(bench: Bench) -> None:
    bench.open()
    drawn = []
    for second in range(1, 4):
        bench.now_s = second + 10.0
        bench.hear(5 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
        drawn.append(len(bench.work()))
    assert drawn == [1, 1, 1]


def test_half_rate_draws_every_second_frame(bench: Bench) -> None:
    bench.open()
    bench.worker.handle(SetLevel("s", Level.HALF_RATE))
    bench.hear(6 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [done.number for done in bench.work()] == [0, 2, 4]


def test_clear_keeps_numbers_and_silences_what_was_queued(bench: Bench) -> None:
    bench.open()
    bench.hear(2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, LOUD)
    first = bench.work()
    assert first[-1].speaking
    bench.worker.handle(Clear("s", 1))
    bench.hear(2 * FRAME_SAMPLES)
    after = bench.work()
    assert [(done.number, done.generation) for done in after] == [(2, 1), (3, 1)]
    assert not after[-1].speaking
    row = bench.memory.picture(after[-1].slot)[SIZE * 3 // 4 - 10, SIZE // 2]
    assert row > 100  # the mouth is shut: no dark there


def test_two_sessions_do_not_mix(bench: Bench) -> None:
    other = SessionMemory(SIZE)
    try:
        bench.open("s")
        bench.worker.handle(OpenSession("t", other.name, str(bench.avatar), 0, 0, 0.0, 0.16, 0, 1.0, 1.0, 0))
        bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, LOUD)
        assert [(done.session, done.speaking) for done in bench.work()] == [("s", True)]
        other.write_audio(0, np.zeros(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, np.float32))
        bench.worker.handle(Audio("t", FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
        assert [(done.session, done.speaking) for done in bench.work()] == [("t", False)]
        bench.worker.handle(CloseSession("t"))
        bench.hear(FRAME_SAMPLES)
        assert [done.session for done in bench.work()] == ["s"]
    finally:
        bench.worker.handle(CloseSession("t"))
        other.close()


def test_a_bad_avatar_is_refused_and_the_old_one_stays(bench: Bench, tmp_path: Path) -> None:
    bench.open()
    bench.worker.handle(SetAvatar("s", str(tmp_path / "missing.avatar")))
    assert isinstance(bench.said[-1], SessionFailed) and not bench.said[-1].fatal
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    (done,) = bench.work()
    assert (bench.memory.picture(done.slot)[SIZE:] == 100).all()


def test_another_avatar_shows_from_the_next_frame_on(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "b.avatar"
    other.write_text(json.dumps({"chroma": 200}))
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    bench.work()
    bench.worker.handle(SetAvatar("s", str(other)))
    bench.hear(FRAME_SAMPLES)
    (done,) = bench.work()
    assert (bench.memory.picture(done.slot)[SIZE:] == 200).all()


def test_opening_with_a_bad_avatar_is_fatal_and_messages_for_it_are_ignored(bench: Bench) -> None:
    bench.avatar.unlink()
    bench.open()
    assert isinstance(bench.said[-1], SessionFailed) and bench.said[-1].fatal
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    bench.worker.handle(SetStyle("s", 1.0, 1.0))
    assert bench.work() == []


def test_a_deleted_avatar_is_forgotten(bench: Bench) -> None:
    bench.open()
    bench.worker.handle(CloseSession("s"))
    bench.worker.handle(ForgetAvatar(str(bench.avatar)))
    bench.avatar.unlink()
    bench.open("again")
    assert isinstance(bench.said[-1], SessionFailed)


def test_a_session_that_stood_still_goes_on(bench: Bench) -> None:
    bench.open()
    bench.now_s = 100.0
    bench.worker.handle(SetOrigin("s", 100.0))
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [done.number for done in bench.work()] == [0]
