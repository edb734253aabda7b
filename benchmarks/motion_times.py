"""How long a step of the face motion network takes in a runtime, which is held against the network first. torch and NumPy
alone."""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidate import WrongAnswerError
from engine.motion.manner import MANNERS
from engine.training.face_motion_net import FaceMotionNet
from engine.training.motion_runtimes import TOLERANCE, Runtime, largest_difference

STREAMS: Final = 64
"""Streams of a server's batch."""

WARM_UP: Final = 20
CHECKED: Final = f"every runtime within {TOLERANCE} of the network in torch"

FRAME_BAR_MS: Final = 1.5
"""``--check`` holds the median of the whole stage against this, on one thread."""

BATCH_BAR_MS: Final = 0.5
"""And on a GPU each runtime there against this, a stream of a batch."""


def checked_times(
    name: str, runtime: Runtime, net: FaceMotionNet, heard: NDArray[np.float32], differences: dict[str, float]
) -> dict[str, Any]:
    """A runtime's times while its streams hear the same speech, float32 [T, HEARD], at different times; its largest
    difference from the network goes to ``differences``.

    Raises:
        WrongAnswerError: that is too large.
    """
    difference = largest_difference(runtime, net)
    if not difference <= TOLERANCE:
        raise WrongAnswerError(f"{name} differs from the network by {difference:.3g}")
    differences[name] = difference
    repeats = max(WARM_UP + 10, len(heard) // runtime.streams)
    turned = [np.roll(heard, -17 * stream, axis=0)[:repeats] for stream in range(runtime.streams)]
    frames = np.ascontiguousarray(np.stack(turned, axis=1))
    manner = np.zeros((runtime.streams, MANNERS), np.float32)
    return timed(lambda n: runtime.step(frames[n], manner), len(frames), runtime.streams)


def timed(step: Callable[[int], Any], count: int, streams: int) -> dict[str, Any]:
    """Clock and processor time of a step, in milliseconds a stream; on a busy machine the latter says more."""
    clock, processor = [], []
    for number in range(count):
        begun, spent = time.perf_counter(), time.process_time()
        step(number)
        processor.append((time.process_time() - spent) * 1e3 / streams)
        clock.append((time.perf_counter() - begun) * 1e3 / streams)
    median, p95 = np.quantile(clock[WARM_UP:], [0.5, 0.95])
    return {
        "streams": streams,
        "median_ms": round(float(median), 4),
        "p95_ms": round(float(p95), 4),
        "cpu_ms": round(float(np.median(processor[WARM_UP:])), 4),
    }


def missed_bars(result: dict[str, Any]) -> list[str]:
    """What a result misses, in words: the whole stage on one thread, and batches on a GPU."""
    on_gpu = result["settings"]["device"] != "cpu"
    missed = []
    for row in result["motion"]:
        batch = on_gpu and row["streams"] > 1 and row["name"].endswith(result["settings"]["device"])
        bar = BATCH_BAR_MS if batch else FRAME_BAR_MS if row["name"] == "motion stage" else None
        if bar is not None and row["median_ms"] > bar:
            unit = "a stream" if batch else "a frame"
            missed.append(f"expected {row['name']} within {bar} ms {unit}, got {row['median_ms']} ms")
    return missed
