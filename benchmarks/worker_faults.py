"""What a viewer sees when the engine worker dies, when the avatar is changed, and what many sessions leave behind.

    python -m benchmarks.worker_faults [--kills 3] [--hangs 1] [--swaps 10] [--opens 200] [--size 512] [--json PATH|-]

The real engine and the whole media path but the network: microphone packets in, H.264 and Opus out. The bundles of
the server's own avatars are used: run ``vividlive serve`` once before.
"""

import argparse
import asyncio
import os
import platform
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import result_path, run_main
from benchmarks.machine import commit
from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.speech.audio_file import load_audio
from streaming.avatars import default_data_dir
from streaming.engine_port import EngineOptions
from streaming.messages import Audio, CloseSession, FrameDone, FromWorker, OpenSession, SessionFailed
from streaming.metrics import Metrics
from streaming.pictures import Picture
from streaming.session import AvatarSession
from streaming.settings import ServeSettings
from streaming.shared import SessionMemory
from streaming.supervisor import EngineWorker
from vividlive.terminal import EXIT_BAR_MISSED, write_json

ROOT: Final = Path(__file__).parents[1]
SPEECH: Final = ROOT / "engine" / "assets" / "speech" / "long.wav"
LIMIT_S: Final = 60.0
AFTER_S: Final = 2.0
"""How long after a fault or a change frames are counted."""

IDLE_S: Final = 10.0
SWAP_LIMIT_MS: Final = 300.0
KILL_LIMIT_MS: Final = 2000.0


class Stage:
    """A worker, its standby, and one session that hears a voice; remembers what left and when."""

    def __init__(self, settings: ServeSettings, bundles: list[Path]) -> None:
        self.bundles = bundles
        self.settings = settings
        self.executor = ThreadPoolExecutor(2)
        options = EngineOptions(size=settings.size, badge=settings.badge)
        self.worker = EngineWorker(options, lambda: str(bundles[0]), self._hear, self._reopen)
        self.session: AvatarSession | None = None
        self.failures: list[str] = []
        self.pictures: list[tuple[float, Picture]] = []
        self.sound: list[tuple[float, int]] = []
        self.drawn: list[float] = []
        self.done: Callable[[FrameDone], None] = lambda done: None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the worker and the session, and wait until both workers are there."""
        await self.worker.start()
        session = AvatarSession(
            "measured",
            self.settings,
            Metrics(),
            self.executor,
            self.worker.send,
            ("a", str(self.bundles[0])),
            0,
            self.settings.latency_ms or 160.0,
        )
        self.session = session
        session.watch(lambda picture: self.pictures.append((time.monotonic(), picture)))
        session.listen(lambda first, block: self.sound.append((time.monotonic(), first)))
        session.start()
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._speak(), self._view("h264"), self._view("audio"), self._keep_house())
        ]
        await until(lambda: self.worker.standby_pid and len(self.pictures) > 50)

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.session is not None:
            await self.session.close()
        await self.worker.stop()
        self.executor.shutdown()

    def since(self, begin_s: float) -> list[tuple[float, Picture]]:
        """The pictures that left since a monotonic time."""
        return [entry for entry in self.pictures if entry[0] >= begin_s]

    async def _speak(self) -> None:
        """A microphone: 20 ms of speech every 20 ms."""
        assert self.session is not None
        voice = (load_audio(SPEECH).output * 32767).astype(np.int16)
        began_s = time.monotonic()
        number = 0
        while True:
            at = number * 960 % (len(voice) - 960)
            self.session.hear(number * 960, voice[at : at + 960])
            number += 1
            await asyncio.sleep(max(0.0, began_s + number * 0.02 - time.monotonic()))

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.worker.check_alive(time.monotonic())

    async def _view(self, kind: Any) -> None:
        assert self.session is not None
        outlet = self.session.packets(kind)
        while True:
            await outlet.next()

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, SessionFailed):
            self.failures.append(message.error)
        elif isinstance(message, FrameDone):
            self.drawn.append(time.monotonic())
            if self.session is not None and message.session == self.session.name:
                self.session.frame_done(message)
            else:
                self.done(message)

    def _reopen(self) -> None:
        if self.session is not None:
            self.session.open_session()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"expected {condition} within {LIMIT_S:.0f} s")
        await asyncio.sleep(0.005)


async def strike(stage: Stage, how: signal.Signals) -> dict[str, Any]:
    """Kill the worker that draws, or let it hang; what the viewer misses."""
    await until(lambda: stage.worker.standby_pid)
    await asyncio.sleep(AFTER_S)
    began_s, pid = time.monotonic(), stage.worker.pid
    assert pid is not None
    os.kill(pid, how)
    await until(lambda: stage.worker.pid not in (None, pid) and stage.worker.running)
    taken_s = time.monotonic()  # one whose frame was on its way may have left before
    await until(lambda: any(picture.motion is not None for _, picture in stage.since(taken_s)))
    await asyncio.sleep(max(0.0, began_s + AFTER_S - time.monotonic()))
    after = stage.since(began_s)
    back_s = next(when for when, picture in after if when >= taken_s and picture.motion is not None)
    shown = [p.motion[52:] for _, p in stage.pictures[-len(after) - 25 :] if p.motion is not None]
    steps = np.abs(np.diff(shown, axis=0))
    blocks = [entry for entry in stage.sound if entry[0] >= began_s - 0.1]
    before = [entry for entry in stage.sound if began_s - AFTER_S <= entry[0] < began_s]
    return {
        "new_picture_ms": round((back_s - began_s) * 1e3, 1),
        "repeated": sum(picture.repeated for _, picture in after),
        "largest_pose_step_deg": round(float(steps[:, :3].max()), 2),
        "usual_pose_step_deg": round(float(np.median(steps[:, :3].max(axis=1))), 2),
        "sound_gap_ms": longest_gap_ms(blocks),
        "sound_gap_before_ms": longest_gap_ms(before),
        "sound_unbroken": all(b[1] - a[1] == 960 for a, b in zip(blocks, blocks[1:], strict=False)),
    }


def longest_gap_ms(blocks: list[tuple[float, int]]) -> float:
    """The longest time between two blocks of sound that left; 20 ms is the ideal."""
    return round(1e3 * max(b[0] - a[0] for a, b in zip(blocks, blocks[1:], strict=False)), 1)


async def swap(stage: Stage, bundle: Path, looks: Callable[[Picture], bool]) -> dict[str, Any]:
    """Change the avatar; ``looks`` says whether a picture shows the new one."""
    await asyncio.sleep(AFTER_S)
    assert stage.session is not None
    began_s = time.monotonic()
    stage.session.set_avatar(bundle.stem, str(bundle))
    await asyncio.sleep(AFTER_S)
    after = stage.since(began_s)
    new = [when for when, picture in after if looks(picture)]
    return {
        "new_face_ms": round((new[0] - began_s) * 1e3, 1) if new else None,
        "repeated": sum(picture.repeated for _, picture in after),
        "dark": sum(float(picture.i420[: stage.settings.size].mean()) < 25.0 for _, picture in after),
    }


async def opens(stage: Stage, count: int) -> dict[str, Any]:
    """Open and close sessions beside the one that goes on; what the worker holds before and after."""
    pid = stage.worker.pid
    assert pid is not None
    held: list[dict[str, float]] = []

    async def settled() -> dict[str, float]:
        await asyncio.sleep(1.0)
        return holds(pid)

    seen: set[str] = set()
    stage.done = lambda done: seen.add(done.session)
    for number in range(count + 20):
        if number == 20:  # the first ones fill what is kept on purpose
            held.append(await settled())
        memory = SessionMemory(stage.settings.size)
        name = f"brief-{number}"
        avatar, now_s = str(stage.bundles[number % 2]), time.monotonic()
        stage.worker.send(OpenSession(name, memory.name, avatar, 0, 0, now_s, 10.0, 0, 1.0, 1.0, 0))
        end = 2 * FRAME_SAMPLES + LOOK_AHEAD_SAMPLES
        memory.write_audio(0, np.zeros(end, np.float32))
        stage.worker.send(Audio(name, end))
        await until(lambda name=name: name in seen)  # type: ignore[misc]
        stage.worker.send(CloseSession(name))
        memory.close()
    held.append(await settled())
    return {"opens": count, "before": held[0], "after": held[1]}


def holds(pid: int) -> dict[str, float]:
    """What a process holds."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "shared_memories": maps.count("/dev/shm/"),
        **memory_mb(pid),
    }


def memory_mb(pid: int) -> dict[str, float]:
    """Resident memory, and what of it is the process' own."""
    values = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        values[name] = float(rest.split()[0]) / 1024
    own = values["Private_Clean"] + values["Private_Dirty"]
    return {"rss_mb": round(values["Rss"], 1), "own_mb": round(own, 1)}


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def small(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture's luma at 16 x 16."""
    size = picture.shape[1]
    blocks = picture[:size].reshape(16, size // 16, 16, size // 16)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements with one server's parts."""
    avatars = default_data_dir() / "avatars"
    bundled = sorted(avatars.glob("*.avatar"))[:2]
    if len(bundled) < 2:
        raise SystemExit(f"expected two avatars in {avatars}: run `vividlive serve` once")
    settings = ServeSettings(size=options.size)
    with tempfile.TemporaryDirectory() as folder:
        fresh = []
        for number in range(options.swaps):
            fresh.append(Path(folder) / f"fresh-{number}.avatar")
            shutil.copy(bundled[(number + 1) % 2], fresh[-1])
        stage = Stage(settings, bundled)
        try:
            await stage.start()
            live, waiting = stage.worker.pid, stage.worker.standby_pid
            assert live is not None and waiting is not None and stage.session is not None
            used = cpu_s(waiting)
            await asyncio.sleep(IDLE_S)
            used = cpu_s(waiting) - used
            faces = []
            for bundle in (bundled[1], bundled[0]):
                stage.session.set_avatar(bundle.stem, str(bundle))
                await asyncio.sleep(AFTER_S)
                faces.append(small(stage.pictures[-1][1].i420))
            faces.reverse()

            def shows(number: int) -> Callable[[Picture], bool]:
                def looks(picture: Picture) -> bool:
                    far = [float(np.abs(small(picture.i420) - face).mean()) for face in faces]
                    return far[number] < far[1 - number]

                return looks

            before = stage.since(stage.pictures[-1][0] - AFTER_S)
            result: dict[str, Any] = {
                "machine": {"system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()},
                "standby": {
                    **memory_mb(waiting),
                    "cpu_share": round(used / IDLE_S, 4),
                },
                "worker": memory_mb(live),
                "stages": asdict(stage.session.pictures.stats()),
                "repeated_without_fault": sum(picture.repeated for _, picture in before),
            }
            result["swaps_read_anew"] = [
                await swap(stage, bundle, shows((number + 1) % 2)) for number, bundle in enumerate(fresh)
            ]
            result["swaps_at_hand"] = [
                await swap(stage, bundled[(number + 1) % 2], shows((number + 1) % 2))
                for number in range(options.swaps)
            ]
            result["longest_silence_s"] = round(float(np.diff(stage.drawn).max()), 3)
            result["kills"] = [await strike(stage, signal.SIGKILL) for _ in range(options.kills)]
            result["hangs"] = [await strike(stage, signal.SIGSTOP) for _ in range(options.hangs)]
            if options.opens:
                result["sessions"] = await opens(stage, options.opens)
            result["failures"] = stage.failures
            return result
        finally:
            await stage.stop()


def main() -> int:
    """Run it; exit code 3 with ``--check`` when a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--hangs", type=int, default=1)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--opens", type=int, default=200)
    parser.add_argument("--size", type=int, default=512, choices=(256, 512, 768))
    parser.add_argument("--json", type=result_path, default="-", metavar="PATH|-")
    parser.add_argument("--check", action="store_true", help="exit with 3 when a bar is missed")
    options = parser.parse_args()
    result = {"commit": commit(), **asyncio.run(measure(options))}
    write_json(options.json, result)
    swaps = result["swaps_read_anew"] + result["swaps_at_hand"]
    late = [entry for entry in swaps if entry["new_face_ms"] is None or entry["new_face_ms"] > SWAP_LIMIT_MS]
    slow = [entry for entry in result["kills"] if entry["new_picture_ms"] > KILL_LIMIT_MS]
    return EXIT_BAR_MISSED if options.check and (late or slow) else 0


if __name__ == "__main__":
    run_main(main)
