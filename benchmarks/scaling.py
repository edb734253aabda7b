"""What a frame costs against its size and against how many sessions one engine serves, on one thread.

Processor time, so that other work on the machine matters little. "No worse than linear" is held against the measured
points: pixels for sizes, sessions for sessions.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import commit, machine
from benchmarks.stages import SPEECH, WARM_UP, versions
from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_RATE, FRAME_SAMPLES, FRAME_SIZES
from engine.pipeline import Engine, EngineSettings, Session
from engine.speech.audio_file import load_audio
from kernels.build import backend

ROUNDS: Final = 5
SLACK: Final = 1.05
"""A cost may exceed the straight line from zero through the smallest point by this factor: measurement."""


def measure(
    avatar: Avatar,
    *,
    seconds: float = 10.0,
    sizes: Sequence[int] = FRAME_SIZES,
    sessions: Sequence[int] = (1, 2, 4, 8),
    session_size: int = 512,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Frames of every size with one session, then of ``session_size`` with every number of sessions; JSON values."""
    points = [(size, 1) for size in sizes]
    points += [(session_size, count) for count in sessions if (session_size, count) not in points]
    engines = {
        size: Engine(EngineSettings(size=size, quality="geometric", badge=True))
        for size in {size for size, _ in points}
    }
    ready = {size: engine.prepare(avatar) for size, engine in engines.items()}  # as a worker does
    many = [
        [engines[size].session(ready[size], seed=seed) for seed in range(count)] for size, count in points
    ]
    speech = load_audio(SPEECH.read_bytes()).analysis
    costs: list[list[float]] = [[] for _ in points]
    for turn in range(ROUNDS):  # all points take turns, so that a busy spell falls on each of them
        for place, (_, count) in enumerate(points):
            frames = max(1, round(seconds * FRAME_RATE / count / ROUNDS))
            costs[place] += _cost_ms(many[place], speech, frames, WARM_UP if turn == 0 else 1)
            progress((turn * len(points) + place + 1) / (ROUNDS * len(points)))
    rows = []
    for (size, count), cost in zip(points, costs, strict=True):
        low, median, high = np.quantile(cost, [0.05, 0.5, 0.95])
        rows.append(
            {
                "name": f"{size} px, {count} session{'s' if count > 1 else ''}",
                "size": size,
                "sessions": count,
                "cpu_ms": round(float(median), 3),
                "p5_ms": round(float(low), 3),
                "p95_ms": round(float(high), 3),
                "cpu_ms_each": round(float(median) / count, 3),
            }
        )
    return {
        "benchmark": "scaling",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "seconds": seconds,
            "session_size": session_size,
            "quality": "geometric",
            "kernels": backend(),
            "threads": 1,
            "clock": "cpu",
        },
        "scaling": rows,
    }


def missed_bars(result: dict[str, Any]) -> list[str]:
    """Which costs grow faster than pixels or sessions, in words."""
    rows, session_size = result["scaling"], result["settings"]["session_size"]
    missed = []
    for unit, chosen in (
        ("pixels", [(row["size"] ** 2, row) for row in rows if row["sessions"] == 1]),
        ("sessions", [(row["sessions"], row) for row in rows if row["size"] == session_size]),
    ):
        least, first = min(chosen, key=lambda pair: pair[0])
        for amount, row in chosen:
            most = SLACK * first["cpu_ms"] * amount / least
            if row["cpu_ms"] > most:
                missed.append(
                    f"expected {row['name']} within {most:.2f} ms, linear in {unit}, got {row['cpu_ms']} ms"
                )
    return missed


def _cost_ms(sessions: list[Session], speech: NDArray[np.float32], frames: int, warm_up: int) -> list[float]:
    """Processor milliseconds of one frame of every session, after some that do not count."""
    count = len(speech) // FRAME_SAMPLES
    cost = []
    for number in range(warm_up + frames):
        began = time.process_time()
        for row, session in enumerate(sessions):
            start = (number + 37 * row) % count * FRAME_SAMPLES
            session.push_audio(speech[start : start + FRAME_SAMPLES])
            for _ in session:
                pass
        cost.append((time.process_time() - began) * 1e3)
    return cost[warm_up:]
