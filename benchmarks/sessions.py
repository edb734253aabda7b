"""How many avatars hold 25 frames a second: engine workers, the shared media process, encoding, no browser."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.gpu import device_facts
from benchmarks.machine import commit, machine
from benchmarks.stages import SPEECH, versions
from engine.avatar.avatar import Avatar
from engine.speech.audio_file import load_audio
from streaming.messages import FrameDone, FromWorker
from streaming.metrics import Metrics
from streaming.session import AvatarSession
from streaming.settings import ServeSettings, engine_options
from streaming.timeline import to_int16
from streaming.workers import EngineWorkers

SETTLE_S: Final = 3.0
COUNTS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)
"""Numbers of sessions to measure, up to the most."""

MISSES_BAR: Final = 0.01
SESSIONS_BAR: Final = 2


def measure(
    avatar: Avatar,
    *,
    size: int = 512,
    seconds: float = 20.0,
    counts: Sequence[int] = COUNTS[:8],
    workers: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Add sessions, ``counts`` (rising, of at most 64) in turn, until many more than 1 % of the frames are missed; JSON values.

    A miss is a frame that left as a repetition of an older one because it was not ready.
    """
    settings = ServeSettings.model_validate(
        {"size": size, "max_sessions": max(counts), "workers": workers, "device": device}
    )
    with tempfile.TemporaryDirectory(prefix="vividlive-sessions-") as folder:
        bundle = Path(folder) / "avatar.avatar"
        avatar.save(bundle)
        found = asyncio.run(_measure(bundle, seconds, settings, counts, progress))
    held = max((one["sessions"] for one in found if one["missed_share"] < MISSES_BAR), default=0)
    return {
        "benchmark": "sessions",
        "machine": {**machine(), **(device_facts() if device == "cuda" else {})},
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "size": size,
            "seconds": seconds,
            "quality": "geometric",
            "workers": workers,
            "device": device,
            "encode": "h264",
        },
        "sessions": found,
        "held": held,
    }


def missed_bars(result: dict[str, Any]) -> list[str]:
    """What the result misses, in words."""
    if result["held"] >= SESSIONS_BAR:
        return []
    return [f"expected at least {SESSIONS_BAR} sessions with under 1 % misses, got {result['held']}"]


async def _measure(
    bundle: Path,
    seconds: float,
    settings: ServeSettings,
    counts: Sequence[int],
    progress: Callable[[float], None],
) -> list[dict[str, Any]]:
    sessions: dict[str, AvatarSession] = {}

    def on_message(message: FromWorker) -> None:
        if isinstance(message, FrameDone) and message.session in sessions:
            sessions[message.session].frame_done(message)

    engines = EngineWorkers(
        engine_options(settings),
        settings.workers,
        lambda: str(bundle),
        on_message,
        lambda names: None,
        standby=False,
    )
    await engines.start()
    try:
        with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as executor:

            def begin() -> None:
                name = f"session-{len(sessions)}"
                given = "bench", str(bundle)
                seed, phase_s = len(sessions), engines.phase_s(name)
                sessions[name] = session = AvatarSession(
                    name, settings, Metrics(), executor, engines.send, given, seed, 160.0, phase_s
                )
                session.start()
                readers = [asyncio.create_task(_read(session, kind)) for kind in ("h264", "audio")]
                session.enter(readers[0])

            try:
                return await _count_up(begin, sessions, seconds, counts, progress)
            finally:
                for session in sessions.values():
                    await session.close()
                for task in asyncio.all_tasks():
                    if task.get_name().startswith("read-"):
                        task.cancel()
    finally:
        await engines.stop()


async def _count_up(
    begin: Callable[[], None],
    sessions: Mapping[str, AvatarSession],
    seconds: float,
    wanted: Sequence[int],
    progress: Callable[[float], None],
) -> list[dict[str, Any]]:
    """Measure each number of sessions; ``begin`` adds one."""
    speech = load_audio(SPEECH.read_bytes()).output
    counts: list[dict[str, Any]] = []
    for count in wanted:
        for _ in range(len(sessions), count):
            begin()
        for one in sessions.values():
            one.play(to_int16(np.tile(speech, 1 + int((SETTLE_S + seconds) * 48_000 / len(speech)))))
        await asyncio.sleep(SETTLE_S)
        before = _sent_and_repeated(sessions)
        for step in range(10):
            await asyncio.sleep(seconds / 10)
            progress((len(counts) + (step + 1) / 10) / len(wanted))
        counts.append(_count(before, _sent_and_repeated(sessions), seconds))
        for one in sessions.values():
            one.clear()
        if counts[-1]["missed_share"] > 4 * MISSES_BAR:
            break
    return counts


def _sent_and_repeated(sessions: Mapping[str, AvatarSession]) -> list[tuple[int, int]]:
    counts = [session.pictures.pacer.counts for session in sessions.values()]
    return [(one.sent, one.repeated) for one in counts]


async def _read(session: AvatarSession, kind: Any) -> None:
    """A viewer of packets."""
    task = asyncio.current_task()
    assert task is not None
    task.set_name(f"read-{kind}")
    outlet = session.packets(kind)
    while True:
        await outlet.next()


def _count(before: list[tuple[int, int]], after: list[tuple[int, int]], seconds: float) -> dict[str, Any]:
    sent = [end[0] - start[0] for start, end in zip(before, after, strict=True)]
    repeated = [end[1] - start[1] for start, end in zip(before, after, strict=True)]
    return {
        "sessions": len(sent),
        "slowest_fps": round(min(sent) / seconds, 2),
        "missed_share": round(sum(repeated) / max(1, sum(sent)), 4),
        "worst_missed_share": round(max(r / max(1, s) for r, s in zip(repeated, sent, strict=True)), 4),
    }
