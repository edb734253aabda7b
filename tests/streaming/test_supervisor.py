"""Worker processes that die, hang, and are used for long; with the fake engine."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

import streaming.supervisor
from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import UnavailableError
from streaming.engine_port import EngineOptions
from streaming.messages import (
    Audio,
    CloseSession,
    FrameDone,
    FromWorker,
    OpenSession,
    SessionFailed,
    SetStyle,
)
from streaming.shared import SessionMemory
from streaming.supervisor import SILENT_BESIDE_STANDBY_S, EngineWorker
from streaming.worker_process import WorkerProcess

SIZE = 256
OPTIONS = EngineOptions("tests.streaming.fake_engine:fake_engine", SIZE)
LIMIT_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ")


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, however busy the machine."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.01)


class Bench:
    """A supervisor, and what it heard."""

    def __init__(self, folder: Path, standby: bool) -> None:
        self.avatar = folder / "a.avatar"
        self.avatar.write_text(json.dumps({"chroma": 100}))
        self.frames: list[FrameDone] = []
        self.failures: list[SessionFailed] = []
        self.ready = 0
        self.worker = EngineWorker(OPTIONS, lambda: str(self.avatar), self._hear, self._begin, standby)

    def open(self, name: str, memory: SessionMemory, avatar: Path | None = None) -> None:
        path = str(avatar or self.avatar)
        budget_s = 1e6  # no frame is ever late
        self.worker.send(
            OpenSession(name, memory.name, path, 0, 0, time.monotonic(), budget_s, 0, 1.0, 1.0, 0)
        )

    def speak(self, name: str, frames: int = 1) -> None:
        self.worker.send(Audio(name, frames * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, FrameDone):
            self.frames.append(message)
        elif isinstance(message, SessionFailed):
            self.failures.append(message)

    def _begin(self) -> None:
        self.ready += 1


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """One worker and its standby."""
    monkeypatch.setattr(streaming.supervisor, "STANDBY_S", 0.0)
    bench = Bench(tmp_path, standby=True)
    await bench.worker.start()
    await until(lambda: bench.worker.standby_pid)
    yield bench
    await bench.worker.stop()


@pytest.fixture
async def single(tmp_path: Path) -> AsyncIterator[Bench]:
    """A worker without a standby."""
    bench = Bench(tmp_path, standby=False)
    await bench.worker.start()
    yield bench
    await bench.worker.stop()


async def test_the_standby_takes_over_and_has_the_avatars_at_hand(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "b.avatar"
    other.write_text(json.dumps({"chroma": 200}))
    memory = SessionMemory(SIZE)
    first, second = bench.worker.pid, bench.worker.standby_pid
    assert first is not None and first != second
    bench.open("s", memory, other)
    bench.speak("s")
    await until(lambda: bench.frames)
    memory.free_all()
    other.unlink()
    os.kill(first, signal.SIGKILL)
    await until(lambda: bench.ready == 2)
    assert bench.worker.pid == second and bench.worker.running and bench.worker.restarts == 1
    bench.open("s", memory, other)
    bench.speak("s")
    await until(lambda: len(bench.frames) == 2)
    assert (memory.picture(bench.frames[1].slot)[SIZE:] == 200).all()
    await until(lambda: bench.worker.standby_pid not in (None, second))
    memory.close()


async def test_a_standby_that_dies_is_replaced_and_the_worker_goes_on(bench: Bench) -> None:
    first, second = bench.worker.pid, bench.worker.standby_pid
    assert second is not None
    os.kill(second, signal.SIGKILL)
    await until(lambda: bench.worker.standby_pid not in (None, second))
    assert (bench.worker.pid, bench.ready, bench.worker.restarts) == (first, 1, 0)


async def test_without_a_standby_a_worker_that_died_is_started_again(single: Bench) -> None:
    first = single.worker.pid
    assert first is not None and single.worker.standby_pid is None
    os.kill(first, signal.SIGKILL)
    await until(lambda: single.ready == 2)
    assert single.worker.pid not in (None, first)


async def test_a_hung_worker_holds_up_nobody_and_is_killed(bench: Bench) -> None:
    first, second = bench.worker.pid, bench.worker.standby_pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    for _ in range(5000):  # far more than a pipe holds
        bench.worker.send(SetStyle("s", 1.0, 1.0))
    now_s = time.monotonic()
    bench.worker.check_alive(now_s)
    bench.worker.check_alive(now_s + 1.0)
    assert bench.worker.pid == first
    for second_s in range(2, int(SILENT_BESIDE_STANDBY_S) + 2):
        bench.worker.check_alive(now_s + second_s)
    await until(lambda: bench.ready == 2)
    assert bench.worker.pid == second


async def test_a_worker_is_not_blamed_when_this_process_stood_still(bench: Bench) -> None:
    first = bench.worker.pid
    bench.worker.check_alive(time.monotonic() + 1000.0)
    bench.worker.check_alive(time.monotonic() + 1001.0)
    await asyncio.sleep(0)
    assert bench.worker.running and bench.worker.pid == first


async def test_a_worker_that_was_busy_for_long_is_told_everything(single: Bench) -> None:
    pid = single.worker.pid
    assert pid is not None
    memory = SessionMemory(SIZE)
    single.open("s", memory)
    os.kill(pid, signal.SIGSTOP)
    for _ in range(5000):
        single.worker.send(SetStyle("s", 1.0, 1.0))
    single.speak("s")
    os.kill(pid, signal.SIGCONT)
    await until(lambda: single.frames)
    memory.close()


@pytest.mark.parametrize("urgent", [True, False])
async def test_a_worker_is_deaf_to_ctrl_c_from_its_first_moment(tmp_path: Path, urgent: bool) -> None:
    avatar = tmp_path / "a.avatar"
    avatar.write_text(json.dumps({"chroma": 100}))
    process = WorkerProcess(OPTIONS, str(avatar), lambda message: None, urgent)
    await process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    await process.settled.wait()
    os.kill(process.pid, signal.SIGINT)
    assert process.ready
    await process.end()
    assert process.ended.is_set()


async def test_a_supervisor_can_be_stopped_while_it_starts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, standby=True)
    starting = asyncio.create_task(bench.worker.start())
    await until(lambda: bench.worker._live is not None)
    process = bench.worker._live
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await bench.worker.stop()
    assert process is not None and not process._process.is_alive()


async def test_an_engine_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, standby=True)
    bench.avatar.unlink()
    with pytest.raises(UnavailableError, match="expected a fake avatar"):
        await bench.worker.start()
    await bench.worker.stop()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_two_hundred_sessions_leave_nothing_behind(single: Bench) -> None:
    pid = single.worker.pid
    assert pid is not None

    def held() -> list[int]:
        """Descriptors and threads of the worker, and the memory that it maps."""
        maps = Path(f"/proc/{pid}/maps").read_text()
        return [len(os.listdir(f"/proc/{pid}/{kind}")) for kind in ("fd", "task")] + [maps.count("/dev/shm/")]

    async def use(number: int) -> None:
        name, memory = f"s{number}", SessionMemory(SIZE)
        memory.write_audio(0, np.zeros(4 * FRAME_SAMPLES, np.float32))
        single.open(name, memory)
        single.speak(name)
        await until(lambda: single.frames and single.frames[-1].session == name)
        single.worker.send(CloseSession(name))
        memory.close()

    await use(0)
    await until(lambda: held()[2] == 0)
    before = held()
    for number in range(1, 201):
        await use(number)
    await until(lambda: held() == before)
    assert single.failures == []


async def test_a_worker_whose_device_is_lost_makes_way_for_the_standby(bench: Bench, tmp_path: Path) -> None:
    lost = tmp_path / "lost.avatar"
    lost.write_text(json.dumps({"chroma": 100, "fault": "device"}))
    memory = SessionMemory(SIZE)
    second = bench.worker.standby_pid
    bench.open("s", memory, lost)
    bench.speak("s")
    await until(lambda: bench.ready == 2)
    assert bench.worker.pid == second and bench.failures == []
    memory.close()
