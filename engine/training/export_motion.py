"""Exports the face motion network for other runtimes: ONNX, OpenVINO and AOTInductor.

What is exported is the step of ``engine/training/motion_step.py`` for a fixed number of streams. Every file is run again
and held against the network before it gets its name, and has a JSON file beside it that says what a host must know.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch

from engine.conventions import FRAME_RATE
from engine.errors import SettingError, UnavailableError
from engine.files import output_folder
from engine.motion.channels import CHANNELS, LIP_CHANNELS
from engine.training.device import check_device
from engine.training.face_motion_net import FaceMotionNet
from engine.training.face_motion_weights import load_weights
from engine.training.motion_runtimes import (
    TOLERANCE,
    largest_difference,
    missing,
    open_exported,
)
from engine.training.motion_step import INPUT_NAMES, OUTPUT_NAMES, MotionStep, shapes, zeros

SUFFIXES: Final = {"onnx": ".onnx", "openvino": ".xml", "aoti": ".pt2"}
"""Formats, and how their files end; OpenVINO's weights lie in a .bin file beside the .xml."""

PACKAGES: Final = {
    "onnx": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "openvino": ("torch", "onnx", "onnxscript", "openvino"),
    "aoti": ("torch",),
}
"""Packages that make and check a format."""


def export_motion(
    weights: str | Path,
    out: str | Path,
    *,
    formats: Sequence[str] = tuple(SUFFIXES),
    batch: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Write the step of ``batch`` streams into the folder ``out``; return, by format, what its JSON file says.

    Args:
        device: where AOTInductor's package will run: cpu or cuda.

    Raises:
        SettingError: no such format, device or batch. UnavailableError: no weights, a package or compiler is missing, or
            an export does not compute what the network does; files of that format are not written.
    """
    unknown = [name for name in formats if name not in SUFFIXES]
    if unknown or not formats:
        raise SettingError(
            f"expected formats out of {', '.join(SUFFIXES)}, got {', '.join(unknown) or 'none'}"
        )
    if batch < 1:
        raise SettingError(f"expected a batch of 1 or more streams, got {batch}")
    check_device(device)
    net = load_weights(weights)
    folder = output_folder(out)
    made = {}
    for number, name in enumerate(dict.fromkeys(formats)):
        made[name] = _export(net, Path(weights), folder, name, batch, device)
        progress((number + 1) / len(formats))
    return made


def missing_for(name: str) -> list[str]:
    """What must be installed before a format can be made and checked."""
    absent = [package for package in PACKAGES[name] if find_spec(package) is None]
    return absent + [_compiler()] * (name == "aoti" and shutil.which(_compiler()) is None)


def _export(
    net: FaceMotionNet, weights: Path, folder: Path, name: str, batch: int, device: str
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / f"{weights.stem}{SUFFIXES[name]}"
        _write(net, made, name, batch, device)
        runtime = open_exported(name, made, net.config, batch, device)
        difference = largest_difference(runtime, net)
        if not difference <= TOLERANCE:  # NaN is wrong as well
            raise UnavailableError(
                f"expected the {name} export to be within {TOLERANCE} of the network, and it differs by "
                f"{difference:.3g}: nothing was written; try other versions of {', '.join(PACKAGES[name])}"
            )
        about = _about(net, weights, made.name, name, batch, device, difference)
        del runtime  # lets go of the files
        (Path(scratch) / f"{made.name}.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        for path in Path(scratch).iterdir():
            path.replace(folder / path.name)
    return about


def _write(net: FaceMotionNet, path: Path, name: str, batch: int, device: str) -> None:
    if name == "aoti":
        write_aoti(net, path, batch, device)
    else:
        {"onnx": write_onnx, "openvino": write_openvino}[name](net, path, batch)


def write_onnx(net: FaceMotionNet, path: Path, batch: int) -> None:
    """Write the step as one ONNX file.

    Raises:
        UnavailableError: the packages onnx or onnxscript are missing.
    """
    _onnx_program(net, batch).save(str(path), external_data=False)


def write_openvino(net: FaceMotionNet, path: Path, batch: int) -> None:
    """Write the step as OpenVINO's .xml and .bin, by way of ONNX, whose names it keeps.

    Raises:
        UnavailableError: the packages openvino, onnx or onnxscript are missing.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing("openvino") from error
    with tempfile.TemporaryDirectory() as scratch:
        between = Path(scratch) / "step.onnx"
        write_onnx(net, between, batch)
        openvino.save_model(openvino.Core().read_model(between), path, compress_to_fp16=False)


@lru_cache(maxsize=1)  # both formats begin with it
def _onnx_program(net: FaceMotionNet, batch: int) -> torch.onnx.ONNXProgram:
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError as error:
            raise missing(package) from error
    with _quiet():
        program = torch.onnx.export(
            MotionStep(net),
            _example(net, batch),
            input_names=list(INPUT_NAMES),
            output_names=list(OUTPUT_NAMES),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def write_aoti(net: FaceMotionNet, path: Path, batch: int, device: str = "cpu") -> None:
    """Compile the step into an AOTInductor package, for one thread or for a CUDA device.

    Raises:
        UnavailableError: there is no C++ compiler, or it fails.
    """
    compiler = _compiler()
    if shutil.which(compiler) is None:
        raise UnavailableError(
            f"expected the C++ compiler {compiler} for AOTInductor: install it, or set CXX"
        )
    from torch._inductor import aoti_compile_and_package

    with _quiet():
        step = deepcopy(MotionStep(net)).to(device)
        example = tuple(tensor.to(device) for tensor in _example(net, batch))
        program = torch.export.export(step, example)
        try:
            aoti_compile_and_package(program, package_path=str(path), inductor_configs={"cpp.threads": 1})
        except RuntimeError as error:  # of PyTorch's compiler and of the one it calls
            raise UnavailableError(
                f"expected {compiler} to compile the network for AOTInductor, and it failed: {str(error)[:300]}"
            ) from error


def _compiler() -> str:
    return os.environ.get("CXX", "g++")


def _example(net: FaceMotionNet, batch: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in zeros(net.config, batch, INPUT_NAMES))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of torch's exporters about their own insides."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _about(
    net: FaceMotionNet, weights: Path, file: str, name: str, batch: int, device: str, difference: float
) -> dict[str, Any]:
    sizes = shapes(net.config, batch)

    def described(names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"name": of, "type": "int64" if of.endswith("frames") else "float32", "shape": list(sizes[of])}
            for of in names
        ]

    return {
        "file": file,
        "format": name,
        "device": device if name == "aoti" else "any",
        "weights": weights.name,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "network": asdict(net.config),
        "look_ahead_ms": net.config.look_ahead * 1000 // FRAME_RATE,
        "streams": batch,
        "inputs": described(INPUT_NAMES),
        "outputs": described(OUTPUT_NAMES),
        "motion": [*(list(moved) for moved in CHANNELS), *LIP_CHANNELS, "closure logit", "speech logit"],
        "largest_difference": difference,
        "versions": {package: version(package) for package in PACKAGES[name]},
    }
