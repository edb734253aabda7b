"""How long each stage of a frame takes, from a chunk of sound to the encoded picture, on one thread."""

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.machine import commit, machine
from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_RATE, FRAME_SAMPLES
from engine.pipeline import Engine, EngineSettings
from engine.speech.audio_file import load_audio
from kernels.build import describe
from streaming.encoder import VideoEncoder

SPEECH: Final = Path(__file__).parents[1] / "engine" / "assets" / "speech" / "long.wav"
WARM_UP: Final = 25
FRAME_MS: Final = 1000.0 / FRAME_RATE
VERSIONS: Final = ("vividlive", "torch", "numpy", "av", "opencv-python-headless")

FRAME_BARS_MS: Final = {"median_ms": 15.0, "p99_ms": 25.0}
"""At 512 px on one thread, ``--check`` holds the frame against these."""


def measure(
    avatar: Avatar,
    *,
    size: int = 512,
    seconds: float = 60.0,
    look_ahead_ms: int = 80,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Speak ``seconds`` of the bundled speech, 20 ms at a time as in a call; JSON values.

    ``frame`` is all that the engine does for one frame: from the chunk of sound that completes it to I420. ``encode``
    (H.264) is listed beside it, because in a call another process does it.
    """
    engine = Engine(EngineSettings(size=size, badge=True, look_ahead_ms=look_ahead_ms))
    session = engine.session(avatar, seed=0)
    encoder = VideoEncoder(size)
    speech = load_audio(SPEECH.read_bytes()).analysis
    wanted = int(seconds * FRAME_RATE) + WARM_UP
    stages: dict[str, list[float]] = {}
    whole: list[float] = []
    chunk = FRAME_SAMPLES // 2
    position = 0
    spent_ms = 0.0
    while len(whole) < wanted:
        samples = speech[position : position + chunk]
        position = position + chunk if position + 2 * chunk <= len(speech) else 0
        began = time.perf_counter()
        session.push_audio(samples)
        frames = list(session)
        spent_ms += (time.perf_counter() - began) * 1e3
        for frame in frames:
            whole.append(spent_ms)
            spent_ms = 0.0
            for name, stage_ms in frame.stage_ms.items():
                stages.setdefault(name, []).append(stage_ms)
            began = time.perf_counter()
            encoder.encode(frame.i420, frame.number)
            stages.setdefault("encode", []).append((time.perf_counter() - began) * 1e3)
            progress(min(1.0, len(whole) / wanted))
    return {
        "benchmark": "stages",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "size": size,
            "seconds": seconds,
            "look_ahead_ms": look_ahead_ms,
            "quality": "geometric",
            "kernels": describe(),
            "threads": 1,
        },
        "stages": [{"name": name, **summary(times[WARM_UP:])} for name, times in stages.items()],
        "frame": {"name": "frame", **summary(whole[WARM_UP:])},
    }


def summary(times_ms: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile and worst of times, and the median's share of a frame's 40 ms."""
    median, p95, p99, worst = np.quantile(times_ms, [0.5, 0.95, 0.99, 1.0])
    return {
        "median_ms": round(float(median), 3),
        "p95_ms": round(float(p95), 3),
        "p99_ms": round(float(p99), 3),
        "max_ms": round(float(worst), 3),
        "share_of_frame": round(float(median) / FRAME_MS, 4),
    }


def missed_bars(result: dict[str, Any]) -> list[str]:
    """What of the frame's bars a result misses, in words; they are set for 512 px."""
    return [
        f"expected a frame's {name} of at most {bar} ms, got {result['frame'][name]} ms"
        for name, bar in FRAME_BARS_MS.items()
        if result["frame"][name] > bar
    ]


def versions() -> dict[str, str]:
    """What is installed of the packages that matter for speed."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
