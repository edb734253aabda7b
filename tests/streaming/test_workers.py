"""Several workers: who draws which session, and what happens to whose sessions when one dies; with the fake engine."""

import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import UnavailableError
from streaming.engine_port import EngineOptions
from streaming.messages import Audio, CloseSession, ForgetAvatar, FrameDone, FromWorker, OpenSession
from streaming.shared import SessionMemory
from streaming.workers import EngineWorkers
from tests.streaming.test_supervisor import until

SIZE = 256
OPTIONS = EngineOptions("tests.streaming.fake_engine:fake_engine", SIZE)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals differ")


class Bench:
    """Two workers without standbys, and what was heard."""

    def __init__(self, folder: Path, options: EngineOptions = OPTIONS) -> None:
        self.avatar = folder / "a.avatar"
        self.avatar.write_text(json.dumps({"chroma": 100}))
        self.memories: dict[str, SessionMemory] = {}
        self.frames: list[str] = []
        self.ready: list[list[str]] = []
        self.workers = EngineWorkers(
            options, 2, lambda: str(self.avatar), self._hear, self.ready.append, standby=False
        )

    def open(self, name: str) -> None:
        memory = self.memories.setdefault(name, SessionMemory(SIZE))
        now_s, budget_s = time.monotonic(), 1e6  # no frame is ever late
        self.workers.send(
            OpenSession(name, memory.name, str(self.avatar), 0, 0, now_s, budget_s, 0, 1.0, 1.0, 0)
        )

    async def drawn(self, name: str) -> None:
        """Let a session speak until a new frame of it has come."""
        before = self.frames.count(name)
        self.workers.send(Audio(name, (before + 1) * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
        await until(lambda: self.frames.count(name) > before)

    def pid(self, name: str) -> int | None:
        worker = self.workers.worker_of(name)
        return worker.pid if worker is not None else None

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, FrameDone):
            self.frames.append(message.session)
            self.memories[message.session].free(message.slot)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.workers.start()
    yield bench
    await bench.workers.stop()
    for memory in bench.memories.values():
        memory.close()


async def test_sessions_are_divided_and_only_those_of_a_dead_worker_begin_again(bench: Bench) -> None:
    assert bench.workers.running == 2 and bench.ready == [[], []]
    for name in "abcd":
        bench.open(name)
        await bench.drawn(name)
    first, second = bench.pid("a"), bench.pid("b")
    assert first != second and [bench.pid(name) for name in "cd"] == [first, second]

    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: bench.workers.running == 1)
    await bench.drawn("b")
    bench.open("e")
    assert bench.pid("e") == second  # the other does not run
    await bench.drawn("e")
    await until(lambda: bench.workers.running == 2)
    assert bench.ready[2:] == [["a", "c"]] and bench.workers.restarts == 1
    assert bench.pid("a") not in (first, second)


async def test_who_leaves_makes_room_and_all_hear_of_what_concerns_nobody(bench: Bench) -> None:
    for name in "abc":
        bench.open(name)
    for name in "ac":
        bench.workers.send(CloseSession(name))
    assert bench.pid("a") is None
    bench.open("d")
    assert bench.pid("d") != bench.pid("b")
    await bench.drawn("d")
    for name in "bd":
        await bench.drawn(name)
    bench.workers.send(ForgetAvatar(str(bench.avatar)))
    bench.avatar.unlink()
    for name in "ef":  # neither worker has it at hand any more
        bench.open(name)
        bench.workers.send(Audio(name, FRAME_SAMPLES + LOOK_AHEAD_SAMPLES))
    for name in "bd":
        await bench.drawn(name)
    assert not set(bench.frames) & set("ef")


async def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    workers = EngineWorkers(
        OPTIONS, 2, lambda: str(tmp_path / "none"), lambda message: None, lambda names: None, standby=False
    )
    with pytest.raises(UnavailableError, match="expected a fake avatar"):
        await workers.start()
    await workers.stop()


async def test_on_a_gpu_a_workers_frames_begin_together_and_each_workers_at_a_time_of_its_own(
    bench: Bench, tmp_path: Path
) -> None:
    on_gpu = Bench(tmp_path, replace(OPTIONS, device="cuda"))
    await on_gpu.workers.start()
    try:
        for name, phase_s in zip("abcd", (0.0, 0.02, 0.0, 0.02), strict=True):
            assert on_gpu.workers.phase_s(name) == phase_s
            on_gpu.open(name)
            assert on_gpu.workers.phase_s(name) == phase_s
        assert on_gpu.pid("a") == on_gpu.pid("c") != on_gpu.pid("b")
    finally:
        await on_gpu.workers.stop()
        for memory in on_gpu.memories.values():
            memory.close()
    assert bench.workers.phase_s("a") is None
