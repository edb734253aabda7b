"""How long each stage of a frame takes, from a chunk of sound to the encoded picture, on one thread."""

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import FRAME_MS, commit, machine, times_ms
from benchmarks.motion_parts import PARTS, timed_parts
from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_RATE, FRAME_SAMPLES
from engine.errors import SettingError
from engine.motion.stage import MotionStage
from engine.pipeline import Engine, EngineSettings, Quality
from engine.render.neural.runtime import Precision, RuntimeName
from engine.speech.audio_file import load_audio
from engine.timing import Clock, StageTimer
from kernels.build import backend
from streaming.encoder import VideoEncoder

SPEECH: Final = Path(__file__).parents[1] / "engine" / "assets" / "speech" / "long.wav"
WARM_UP: Final = 25
CLOCKS: Final = {"wall": time.perf_counter_ns, "cpu": time.process_time_ns}
PARTS_FRAMES: Final = 225
VERSIONS: Final = ("vividlive", "torch", "numpy", "av", "opencv-python-headless")

TIMING: Final = "timing itself"
TIMING_BAR: Final = 0.01
"""``--check``: of a frame's median, as timing stays on in calls."""
TIMED: Final = 1000
FRAME_BARS_MS: Final = {"median_ms": 15.0, "p99_ms": 25.0}
"""At 512 px on one thread, ``--check`` holds the frame against these."""


def measure(
    avatar: Avatar,
    *,
    size: int = 512,
    seconds: float = 60.0,
    look_ahead_ms: int = 80,
    quality: Quality = "geometric",
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    weights: Path | None = None,
    clock: str = "wall",
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Speak ``seconds`` of the bundled speech, 20 ms at a time as in a call; JSON values.

    ``frame`` is all that the engine does for one frame: from the chunk of sound that completes it to I420;
    ``frame_cpu_ms`` is its median in processor time whatever the clock. ``encode``
    (H.264) is listed beside it, because in a call another process does it. ``parts`` is what "motion" consists of,
    measured in a pass of its own.

    weights: the networks'. clock: "wall", or "cpu" for processor time, which other work on the machine changes less.

    Raises:
        SettingError: another clock.
    """
    if clock not in CLOCKS:
        raise SettingError(f"expected a clock of {' or '.join(CLOCKS)}, got {clock!r}")
    now = CLOCKS[clock]
    engine = Engine(
        EngineSettings(
            size=size,
            quality=quality,
            runtime=runtime,
            precision=precision,
            weights=weights,
            badge=True,
            look_ahead_ms=look_ahead_ms,
        )
    )
    session = engine.session(avatar, seed=0, timer=StageTimer(now))
    encoder = VideoEncoder(size)
    speech = load_audio(SPEECH.read_bytes()).analysis
    wanted = int(seconds * FRAME_RATE) + WARM_UP
    stages: dict[str, list[float]] = {}
    whole: list[float] = []
    processor: list[float] = []
    chunk = FRAME_SAMPLES // 2
    position = 0
    spent_ms = processor_ms = 0.0
    while len(whole) < wanted:
        samples = speech[position : position + chunk]
        position = position + chunk if position + 2 * chunk <= len(speech) else 0
        began, used = now(), time.process_time()
        session.push_audio(samples)
        frames = list(session)
        spent_ms += (now() - began) / 1e6
        processor_ms += (time.process_time() - used) * 1e3
        for frame in frames:
            whole.append(spent_ms)
            processor.append(processor_ms)
            spent_ms = processor_ms = 0.0
            for name, stage_ms in frame.stage_ms.items():
                stages.setdefault(name, []).append(stage_ms)
            began = now()
            encoder.encode(frame.i420, frame.number)
            stages.setdefault("encode", []).append((now() - began) / 1e6)
            progress(min(1.0, len(whole) / wanted))
    stages[TIMING] = _timing([name for name in stages if name != "encode"], now)
    return {
        "benchmark": "stages",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "size": size,
            "seconds": seconds,
            "look_ahead_ms": look_ahead_ms,
            "quality": quality,
            **({"networks": engine.networks.name} if engine.networks else {}),
            "kernels": backend(),
            "threads": 1,
            "clock": clock,
        },
        "stages": [{"name": name, **summary(times[WARM_UP:])} for name, times in stages.items()],
        "parts": [
            {"name": name, **summary(times)} for name, times in _parts(engine.motion, speech, now).items()
        ],
        "frame": {"name": "frame", **summary(whole[WARM_UP:])},
        "frame_cpu_ms": round(float(np.median(processor[WARM_UP:])), 3),
    }


def _timing(names: list[str], clock: Clock) -> list[float]:
    """Milliseconds that the timer of a frame with these stages takes itself."""
    timer, taken = StageTimer(clock), []
    for _ in range(WARM_UP + TIMED):
        began = clock()
        for name in names:
            with timer.stage(name):
                pass
        timer.take()
        taken.append((clock() - began) / 1e6)
    return taken


def _parts(stage: MotionStage, speech: NDArray[np.float32], clock: Clock) -> dict[str, list[float]]:
    """Milliseconds of each part of the motion stage, frame by frame."""
    state = stage.new_state(0)
    frames = speech[: PARTS_FRAMES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    times: dict[str, list[float]] = {name: [] for name in PARTS}
    with timed_parts(stage, clock) as timer:
        for number, frame in enumerate(frames):
            stage.step(state, frame)
            taken = timer.take()
            if number >= WARM_UP:
                for name in PARTS:
                    times[name].append(taken.get(name, 0.0))
    return times


def summary(taken_ms: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile and worst of times, and the median's share of a frame's 40 ms."""
    return {**times_ms(taken_ms), "share_of_frame": round(float(np.median(taken_ms)) / FRAME_MS, 4)}


def missed_bars(result: dict[str, Any]) -> list[str]:
    """What of the frame's bars a result misses, in words; they are set for 512 px."""
    missed = [
        f"expected a frame's {name} of at most {bar} ms, got {result['frame'][name]} ms"
        for name, bar in FRAME_BARS_MS.items()
        if result["frame"][name] > bar
    ]
    timing = sum(row["median_ms"] for row in result["stages"] if row["name"] == TIMING)
    if timing > TIMING_BAR * result["frame"]["median_ms"]:
        missed.append(f"expected timing to take at most {TIMING_BAR:.0%} of a frame, got {timing} ms")
    return missed


def versions() -> dict[str, str]:
    """What is installed of the packages that matter for speed."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
