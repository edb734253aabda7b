"""How long a frame of face motion takes: the whole stage, hearing, and the network in each runtime that is installed.

A runtime whose output differs from the network's is not timed.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import commit, machine
from benchmarks.motion_times import CHECKED, STREAMS, WARM_UP, checked_times, timed
from benchmarks.stages import SPEECH, versions
from engine.conventions import FRAME_SAMPLES
from engine.motion.stage import WEIGHTS, MotionStage
from engine.speech.audio_file import load_audio
from engine.speech.hearing import HearingState, hear
from engine.training.device import check_device
from engine.training.export_motion import SUFFIXES, export_motion, missing_for
from engine.training.face_motion_net import FaceMotionNet
from engine.training.face_motion_weights import load_weights
from engine.training.motion_runtimes import NumpyRuntime, Runtime, open_exported, open_torch

RUNTIMES: Final = {"onnx": "ONNX Runtime", "openvino": "OpenVINO", "aoti": "AOTInductor"}


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
    sound, heard = _sound(frames + WARM_UP), heard_speech(frames + WARM_UP)
    rows = _stages(weights, sound)
    differences: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        runtimes = _runtimes(Path(weights), exports or Path(scratch), device, formats)
        for done, (name, runtime, net) in enumerate(runtimes):
            rows.append({"name": name, **checked_times(name, runtime, net, heard, differences)})
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
            "checked": CHECKED,
            **({"note": note} if note else {}),
        },
        "largest_differences": differences,
        "motion": rows,
    }


def heard_speech(frames: int) -> NDArray[np.float32]:
    """So many frames of the bundled speech, begun anew when it ends, as the network hears them: float32 [frames, HEARD]."""
    ears = HearingState()
    return np.concatenate([hear(ears, frame) for frame in _sound(frames)])


def _sound(frames: int) -> NDArray[np.float32]:
    sound = load_audio(SPEECH.read_bytes()).analysis
    return np.resize(sound, frames * FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)


def _stages(weights: str | Path, sound: NDArray[np.float32]) -> list[dict[str, Any]]:
    stage = MotionStage(weights)
    state, ears = stage.new_state(0), HearingState()
    return [
        {"name": "motion stage", **timed(lambda n: stage.step(state, sound[n]), len(sound), 1)},
        {"name": "hearing", **timed(lambda n: hear(ears, sound[n]), len(sound), 1)},
    ]


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
