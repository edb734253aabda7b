"""How long a frame of face motion takes: the whole stage, hearing, and the network in each runtime that is installed.

A runtime whose output differs from the network's is not timed.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.candidate import WrongAnswerError
from benchmarks.machine import commit, machine
from benchmarks.stages import SPEECH, versions
from engine.conventions import FRAME_SAMPLES
from engine.motion.stage import WEIGHTS, MotionStage
from engine.speech.audio_file import load_audio
from engine.speech.hearing import HearingState, hear
from engine.training.device import check_device
from engine.training.export_motion import SUFFIXES, export_motion, missing_for
from engine.training.face_motion_net import FaceMotionNet, load_weights
from engine.training.motion_runtimes import (
    TOLERANCE,
    NumpyRuntime,
    Runtime,
    largest_difference,
    open_exported,
    open_torch,
)

STREAMS: Final = 64
"""Streams of a server's batch."""

WARM_UP: Final = 20
RUNTIMES: Final = {"onnx": "ONNX Runtime", "openvino": "OpenVINO", "aoti": "AOTInductor"}

FRAME_BAR_MS: Final = 1.5
"""``--check`` holds the median of the whole stage against this, on one thread."""

BATCH_BAR_MS: Final = 0.5
"""And on a GPU each runtime there against this, a stream of a batch."""


def measure(
    weights: str | Path = WEIGHTS[80],
    *,
    frames: int = 1000,
    device: str = "cpu",
    formats: tuple[str, ...] = tuple(SUFFIXES),
    exports: Path | None = None,
    note: str = "",
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Hear ``frames`` of the bundled speech; JSON values, in milliseconds a frame and stream.

    Args:
        device: where torch and AOTInductor run the batch. formats: exported formats to time, where their packages are
            installed. exports: folder of exports, kept and used again; without it they are made anew. note: what else
            the machine did.

    Raises:
        WrongAnswerError: a runtime's output differs from the network's. SettingError: no such device.
    """
    check_device(device)
    torch.set_num_threads(1)
    sound = load_audio(SPEECH.read_bytes()).analysis
    sound = np.resize(sound, (frames + WARM_UP) * FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)
    ears = HearingState()
    heard = np.concatenate([hear(ears, frame) for frame in sound])
    rows = _stages(weights, sound)
    differences: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        runtimes = _runtimes(Path(weights), exports or Path(scratch), device, formats)
        for done, (name, runtime, net) in enumerate(runtimes):
            difference = largest_difference(runtime, net)
            if not difference <= TOLERANCE:
                raise WrongAnswerError(f"{name} differs from the network by {difference:.3g}")
            rows.append({"name": name, **_times(runtime, heard)})
            differences[name] = difference
            progress((done + 1) / (4 + 2 * len(formats)))
    packages = {
        package: of for package, of in versions().items() if package in ("vividlive", "torch", "numpy")
    }
    return {
        "benchmark": "motion",
        "machine": machine(),
        "commit": commit(),
        "versions": packages,
        "settings": {
            "frames": frames,
            "device": device,
            "threads": 1,
            "weights": Path(weights).name,
            "checked": f"every runtime within {TOLERANCE} of the network in torch",
            **({"note": note} if note else {}),
        },
        "largest_differences": differences,
        "motion": rows,
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


def _stages(weights: str | Path, sound: NDArray[np.float32]) -> list[dict[str, Any]]:
    stage = MotionStage(weights)
    state, ears = stage.new_state(0), HearingState()
    return [
        {"name": "motion stage", **_timed(lambda n: stage.step(state, sound[n]), len(sound), 1)},
        {"name": "hearing", **_timed(lambda n: hear(ears, sound[n]), len(sound), 1)},
    ]


def _times(runtime: Runtime, heard: NDArray[np.float32]) -> dict[str, Any]:
    """A runtime's times; its streams hear the same speech at different times."""
    repeats = max(WARM_UP + 10, len(heard) // runtime.streams)
    turned = [np.roll(heard, -17 * stream, axis=0)[:repeats] for stream in range(runtime.streams)]
    frames = np.ascontiguousarray(np.stack(turned, axis=1))
    manner = np.zeros((runtime.streams, 2), np.float32)
    return _timed(lambda n: runtime.step(frames[n], manner), len(frames), runtime.streams)


def _timed(step: Callable[[int], Any], count: int, streams: int) -> dict[str, Any]:
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


def _runtimes(
    weights: Path, exports: Path, device: str, formats: tuple[str, ...]
) -> Iterator[tuple[str, Runtime, FaceMotionNet]]:
    """Each runtime that can run here with its name and the network to hold it against: one stream, then a batch."""
    possible = [name for name in formats if not missing_for(name)]
    net = load_weights(weights)
    for streams in (1, STREAMS):
        where = device if streams > 1 else "cpu"
        yield f"NumPy, {streams} on cpu", NumpyRuntime(weights, streams), net
        yield f"torch, {streams} on {where}", open_torch(net, streams, where), net
        places = {name: where if name == "aoti" else "cpu" for name in possible}
        for name, on in places.items():
            folder = exports / f"{on}_{streams}"
            absent = [
                other
                for other, there in places.items()
                if there == on and not _is_current(weights, folder, other, streams)
            ]
            if name in absent:
                export_motion(weights, folder, formats=absent, batch=streams, device=on)
            path = folder / f"{weights.stem}{SUFFIXES[name]}"
            yield (
                f"{RUNTIMES[name]}, {streams} on {on}",
                open_exported(name, path, net.config, streams, on),
                net,
            )


def _is_current(weights: Path, folder: Path, name: str, streams: int) -> bool:
    """Whether the folder has an export of these very weights."""
    about = folder / f"{weights.stem}{SUFFIXES[name]}.json"
    if not about.exists():
        return False
    said = json.loads(about.read_text(encoding="utf-8"))
    wanted = sha256(weights.read_bytes()).hexdigest(), streams
    return (said["weights_sha256"], said["streams"]) == wanted
