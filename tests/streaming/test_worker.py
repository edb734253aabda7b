"""The worker's own logic, in this process and in virtual time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import DeviceLostError
from engine.motion.values import Motion
from streaming.engine_port import EngineOptions
from streaming.ladder import Level
from streaming.loader import AvatarLoader
from streaming.messages import (
    Audio,
    Clear,
    CloseSession,
    Face,
    ForgetAvatar,
    FrameDone,
    FromWorker,
    OpenSession,
    Preload,
    SessionFailed,
    SetAvatar,
    SetLevel,
    SetListening,
    SetOrigin,
    SetStyle,
    Stop,
    ToWorker,
    pack_motion,
    unpack_motion,
)
from streaming.shared import SLOTS, SessionMemory
from streaming.worker import Worker, _run
from streaming.worker_session import SETTLE_FRAMES
from tests.streaming.fake_engine import (
    FROWN,
    JAW,
    SMILE,
    FakeEngine,
    FakeSession,
    InlineExecutor,
    read_number,
)

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
        self.engine = FakeEngine(EngineOptions(size=SIZE))
        self.executor = InlineExecutor()
        loader = AvatarLoader(self.engine, self.executor)
        self.worker = Worker(self.engine, loader, SIZE, self.said.append, lambda: self.now_s)
        self.end = 0

    def open(self, name: str = "s", first_frame: int = 0, shown: bytes = b"") -> None:
        self.end = first_frame * FRAME_SAMPLES
        avatar = str(self.avatar)
        self.worker.handle(
            OpenSession(name, self.memory.name, avatar, 0, first_frame, 0.0, 0.16, 0, 1.0, 1.0, 0, shown)
        )

    def hear(self, samples: int, value: float | np.float32 = 0.0, name: str = "s") -> None:
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


def test_a_face_drives_the_frames_of_its_moment_and_gives_back_to_speech(bench: Bench) -> None:
    """Pictures 30 times a second whose mouth opens by 0.5 a second; the sound asks for a wide one."""
    bench.open(first_frame=100)
    shown = {}
    for number in range(100, 160):
        bench.now_s = number * 0.04
        for k in range(30 * number // 25, 30 * (number + 1) // 25):
            if 4.4 < k / 30 < 5.2:
                values = np.zeros(58, np.float32)
                values[JAW], values[52] = 0.5 * (k / 30 - 4.0), 7.0
                bench.worker.handle(Face("s", k / 30, values.tobytes()))
        bench.hear(FRAME_SAMPLES, LOUD)
        for done in bench.work():
            shown[done.number] = unpack_motion(done.motion)
            bench.memory.free(done.slot)
    jaw = {number: float(values[JAW]) for number, values in shown.items()}
    assert jaw[105] == pytest.approx(5 * LOUD)
    for number in (123, 125, 128):  # by the middle of the frame's own 40 ms
        assert jaw[number] == pytest.approx(0.5 * (number * 0.04 + 0.02 - 4.0), abs=0.003)
        assert shown[number][52] == pytest.approx(7.0)
    assert jaw[155] == pytest.approx(5 * LOUD) and shown[155][52] == 0.0
    assert np.abs(np.diff([jaw[number] for number in range(100, 156)])).max() < 0.2


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
    bench.work()
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


def test_a_new_face_is_shown_at_once_at_any_rate(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "b.avatar"
    other.write_text(json.dumps({"chroma": 200}))
    bench.open()
    bench.worker.handle(SetLevel("s", Level.REPEAT))
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [done.number for done in bench.work()] == [0]
    bench.worker.handle(SetAvatar("s", str(other)))
    bench.hear(5 * FRAME_SAMPLES)
    first, second = bench.work()
    assert (first.number, second.number) == (1, 5)
    assert (bench.memory.picture(first.slot)[SIZE:] == 200).all()


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


def test_many_clears_are_one_and_what_comes_after_the_last_is_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared = []
    clear = FakeSession.clear
    monkeypatch.setattr(FakeSession, "clear", lambda self: (cleared.append(self), clear(self))[1])
    bench.open()
    bench.hear(2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, LOUD)
    bench.work()
    for generation in range(1, 1000):
        bench.hear(1, LOUD)
        bench.worker.handle(Clear("s", generation))
    bench.hear(LOOK_AHEAD_SAMPLES + 2 * FRAME_SAMPLES, LOUD)
    after = bench.work()
    assert len(cleared) == 1
    assert {done.generation for done in after} == {999}
    assert [done.number for done in after] == [2, 3, 4, 5, 6]
    assert [done.speaking for done in after[:3]] == [False] * 3 and after[-1].speaking


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
    bench.work()
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
    bench.work()
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
    bench.work()
    assert isinstance(bench.said[-1], SessionFailed)


def test_a_session_that_stood_still_goes_on(bench: Bench) -> None:
    bench.open()
    bench.now_s = 100.0
    bench.worker.handle(SetOrigin("s", 100.0))
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [done.number for done in bench.work()] == [0]


def test_an_avatar_that_is_given_up_while_it_loads_may_be_deleted(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "b.avatar"
    other.write_text(json.dumps({"chroma": 200}))
    bench.executor.held = True
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    bench.worker.handle(SetAvatar("s", str(other)))
    bench.avatar.unlink()
    bench.worker.handle(ForgetAvatar(str(bench.avatar)))
    bench.executor.held = False
    bench.executor.work()
    (done,) = bench.work() + bench.work()
    assert (bench.memory.picture(done.slot)[SIZE:] == 200).all()
    assert bench.said == [done]


def test_the_old_face_is_drawn_until_the_new_one_is_ready(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "b.avatar"
    other.write_text(json.dumps({"chroma": 200}))
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    bench.work()
    bench.executor.held = True
    bench.worker.handle(SetAvatar("s", str(other)))
    shown = []
    for number in range(4):
        if number == 2:
            bench.executor.work()
        bench.hear(FRAME_SAMPLES)
        (done,) = bench.work()
        shown.append(int(bench.memory.picture(done.slot)[SIZE, 0]))
    assert shown == [100, 100, 200, 200]


def test_the_avatar_asked_for_last_is_the_one_that_stays(bench: Bench, tmp_path: Path) -> None:
    for name, chroma in (("b", 150), ("c", 200)):
        (tmp_path / f"{name}.avatar").write_text(json.dumps({"chroma": chroma}))
    bench.open()
    bench.work()
    bench.executor.held = True
    bench.worker.handle(SetAvatar("s", str(tmp_path / "b.avatar")))
    bench.worker.handle(SetAvatar("s", str(tmp_path / "c.avatar")))
    bench.executor.work()
    bench.hear(2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert [bench.memory.picture(done.slot)[SIZE, 0] for done in bench.work()] == [200, 200]


def test_a_session_is_told_that_the_other_side_speaks(bench: Bench) -> None:
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    done = bench.work()
    for heard in (True, False):
        bench.worker.handle(SetListening("s", heard))
        bench.hear(FRAME_SAMPLES)
        done += bench.work()
    assert [unpack_motion(frame.motion)[SMILE] for frame in done] == [0.0, 1.0, 0.0]


def test_a_session_is_told_its_mood(bench: Bench) -> None:
    bench.open()
    bench.worker.handle(SetStyle("s", 1.0, 1.0, -0.5))
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    (done,) = bench.work()
    assert unpack_motion(done.motion)[FROWN] == 0.5


def test_a_worker_that_takes_over_goes_on_listening_in_the_same_mood(bench: Bench) -> None:
    bench.worker.handle(
        OpenSession(
            "s",
            bench.memory.name,
            str(bench.avatar),
            0,
            0,
            0.0,
            0.16,
            0,
            1.0,
            1.0,
            0,
            listening=True,
            mood=-0.25,
        )
    )
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    (done,) = bench.work()
    assert unpack_motion(done.motion)[[SMILE, FROWN]].tolist() == [1.0, 0.25]


def test_what_a_session_is_told_while_its_avatar_loads_is_done_afterwards(bench: Bench) -> None:
    bench.executor.held = True
    bench.open()
    assert bench.worker.loading
    bench.hear(2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES, LOUD)
    bench.worker.handle(SetStyle("s", 0.0, 1.0))
    bench.worker.handle(SetLevel("s", Level.HALF_RATE))
    assert bench.work() == []
    bench.executor.work()
    (done,) = bench.work()
    assert done.number == 0 and unpack_motion(done.motion)[JAW] == 0.0
    assert not bench.worker.loading


def test_a_session_that_ends_while_its_avatar_loads_is_never_opened(bench: Bench) -> None:
    bench.executor.held = True
    bench.open()
    bench.worker.handle(CloseSession("s"))
    bench.executor.work()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert bench.work() == [] and bench.said == []


def test_a_session_whose_memory_is_gone_is_passed_over(bench: Bench) -> None:
    bench.executor.held = True
    memory = SessionMemory(SIZE)
    opening = OpenSession("t", memory.name, str(bench.avatar), 0, 0, 0.0, 0.16, 0, 1.0, 1.0, 0)
    bench.worker.handle(opening)
    memory.close()
    bench.executor.work()
    assert bench.work() == [] and bench.said == []


def test_a_preloaded_avatar_is_not_read_again(bench: Bench) -> None:
    bench.worker.handle(Preload(str(bench.avatar)))
    bench.avatar.unlink()
    bench.open()
    bench.hear(FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
    assert len(bench.work()) == 1


def test_a_session_whose_pictures_nobody_takes_holds_up_no_other_and_piles_up_nothing(bench: Bench) -> None:
    other = SessionMemory(SIZE)
    opening = OpenSession("t", other.name, str(bench.avatar), 0, 0, 0.0, 0.16, 0, 1.0, 1.0, 0)
    try:
        bench.open("s")
        bench.worker.handle(opening)
        drawn: dict[str, list[int]] = {"s": [], "t": []}
        for frame in range(100):
            bench.now_s = frame * 0.04 + 0.12
            end = frame * FRAME_SAMPLES + FRAME_SAMPLES + LOOK_AHEAD_SAMPLES
            for name in ("s", "t"):
                bench.worker.handle(Audio(name, end))
            for done in bench.work():
                drawn[done.session].append(done.number)
                if done.session == "t":
                    other.free(done.slot)
        assert drawn["t"] == list(range(100))
        assert drawn["s"] == list(range(SLOTS))
        for slot in range(SLOTS):
            bench.memory.free(slot)
        bench.now_s = 100 * 0.04 + 0.12
        bench.worker.handle(Audio("s", 101 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
        after = [done.number for done in bench.work()]
        assert after[-1] == 100 and after[0] > 90
    finally:
        bench.worker.handle(CloseSession("t"))
        other.close()


def test_a_head_goes_on_from_where_it_was_last_seen(bench: Bench) -> None:
    seen = np.array([5, -4, 3, 0.1, 0.2, -0.1], np.float32)
    bench.open(first_frame=100, shown=pack_motion(Motion(99, np.zeros(52, np.float32), seen, 1.0)))
    bench.work()
    poses: list[NDArray[np.float32]] = []
    for frame in range(100, 100 + SETTLE_FRAMES + 2):
        bench.now_s = frame * 0.04
        bench.hear(FRAME_SAMPLES if poses else FRAME_SAMPLES + LOOK_AHEAD_SAMPLES)
        (done,) = bench.work()
        bench.memory.free(done.slot)
        poses.append(unpack_motion(done.motion)[52:])
    np.testing.assert_allclose(poses[0], seen)
    steps = np.abs(np.diff(poses, axis=0)).max(axis=0)
    assert (steps < np.abs(seen) / 12).all()  # of a jump, no frame takes more than a twelfth
    assert not poses[-1].any()  # the fake engine's own head is at rest


@pytest.fixture
def three(bench: Bench, tmp_path: Path) -> Iterator[dict[str, SessionMemory]]:
    """Sessions "a", "b" and "c" whose first frame is due; the avatar of "b" is its own file."""
    memories = {name: SessionMemory(SIZE) for name in "abc"}
    (tmp_path / "b.avatar").write_text(json.dumps({"chroma": 200}))
    for name, memory in memories.items():
        avatar = str(tmp_path / "b.avatar") if name == "b" else str(bench.avatar)
        bench.worker.handle(OpenSession(name, memory.name, avatar, 0, 0, 0.0, 0.16, 0, 1.0, 1.0, 0))
        bench.worker.handle(Audio(name, FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
    yield memories
    bench.worker.close()
    for memory in memories.values():
        memory.close()


@pytest.mark.parametrize(("at_once", "groups"), [(1, [1, 1, 1]), (2, [2, 1]), (64, [3])])
def test_sessions_are_drawn_together_as_the_engine_can(
    bench: Bench, three: dict[str, SessionMemory], at_once: int, groups: list[int]
) -> None:
    bench.engine.at_once = at_once
    done = bench.work()
    assert bench.engine.drawn_together == groups
    assert [frame.session for frame in done] == ["a", "b", "c"]
    assert [three[frame.session].picture(frame.slot)[SIZE, 0] for frame in done] == [100, 200, 100]
    bench.worker.handle(Audio("c", 2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
    assert [(frame.session, frame.number) for frame in bench.work()] == [("c", 1)]


class Arriving:
    """A worker's end of its connection: of a group of messages all but the first arrive while somebody waits for them."""

    def __init__(self, *groups: list[ToWorker]) -> None:
        self._groups = list(groups)
        self._begun = False

    def poll(self, wait_s: float) -> bool:
        more = bool(self._groups[0]) and (wait_s > 0 or not self._begun)
        if not more:
            self._groups = [group for group in self._groups if group]
            self._begun = False
        return more

    def recv(self) -> ToWorker:
        self._begun = True
        return self._groups[0].pop(0)

    def send(self, message: FromWorker) -> None:
        """Nobody listens."""


@pytest.mark.parametrize(("at_once", "groups"), [(1, [1, 1]), (64, [2])])
@pytest.mark.usefixtures("three")
def test_what_is_drawn_together_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, at_once: int, groups: list[int]
) -> None:
    bench.work()
    bench.engine.at_once = at_once
    bench.engine.drawn_together.clear()
    monkeypatch.setattr("streaming.worker.GATHER_S", 60.0)
    end = 2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES
    _run(bench.worker, cast(Any, Arriving([Audio("a", end), Audio("b", end)], [Stop()])))
    assert bench.engine.drawn_together == groups


@pytest.mark.parametrize(("at_once", "ended"), [(1, ["b"]), (64, ["a", "b", "c"])])
@pytest.mark.usefixtures("three")
def test_a_frame_that_fails_ends_its_session_and_those_drawn_with_it(
    bench: Bench, tmp_path: Path, at_once: int, ended: list[str]
) -> None:
    bench.engine.at_once = at_once
    (tmp_path / "b.avatar").write_text(json.dumps({"chroma": 200, "fault": "no such face"}))
    bench.worker.handle(ForgetAvatar(str(tmp_path / "b.avatar")))
    bench.worker.handle(SetAvatar("b", str(tmp_path / "b.avatar")))
    done = bench.work()
    failed = [message for message in bench.said if isinstance(message, SessionFailed)]
    assert [message.session for message in failed] == ended and all(message.fatal for message in failed)
    assert {frame.session for frame in done} == set("abc") - set(ended)


@pytest.mark.usefixtures("three")
def test_a_device_that_is_lost_ends_the_worker_not_its_sessions(bench: Bench, tmp_path: Path) -> None:
    """Another worker goes on with them."""
    bench.engine.at_once = 64
    (tmp_path / "d.avatar").write_text(json.dumps({"chroma": 200, "fault": "device"}))
    bench.worker.handle(SetAvatar("b", str(tmp_path / "d.avatar")))
    with pytest.raises(DeviceLostError):
        bench.worker.step()
    assert not any(isinstance(message, SessionFailed) for message in bench.said)
