"""The exported step computes what the network computes, and a wrong export gets no name."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import SettingError, UnavailableError
from engine.motion.channels import OUTPUTS
from engine.motion.network_config import FaceMotionConfig
from engine.motion.stage import WEIGHTS
from engine.training import export_motion as exporter
from engine.training.export_motion import export_motion, missing_for
from engine.training.face_motion_net import FaceMotionNet
from engine.training.face_motion_weights import load_weights, save_weights
from engine.training.motion_runtimes import (
    TOLERANCE,
    NumpyRuntime,
    TorchRuntime,
    largest_difference,
    open_torch,
)
from engine.training.motion_step import INPUT_NAMES, OUTPUT_NAMES, MotionStep, shapes, zeros

SMALL = FaceMotionConfig(width=32, hidden=24, heads=2, layers=2, context=3, window=6, look_ahead=1)
AOTI = pytest.param(
    "aoti",
    marks=pytest.mark.skipif(
        not os.environ.get("VIVIDLIVE_SLOW_TESTS"),
        reason="compiling takes half a minute: set VIVIDLIVE_SLOW_TESTS=1",
    ),
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    net = FaceMotionNet(SMALL)
    with torch.no_grad():
        for parameter in net.parameters():  # layer norms and distances begin at special values
            parameter.add_(0.1 * torch.randn_like(parameter))
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(net, path)
    return path


def test_the_step_computes_what_the_network_computes(weights: Path) -> None:
    net = load_weights(weights)
    assert largest_difference(open_torch(net, 3), net) < 1e-5  # float32 sums in another order
    assert largest_difference(NumpyRuntime(weights, 3), net) < 1e-5


def test_a_state_that_is_wrong_by_a_frame_is_noticed(weights: Path) -> None:
    net = load_weights(weights)
    step = MotionStep(net)

    def forgets(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        motion, context, keys, values, frames = step(*given)
        return motion, context, keys, values, (frames - 1).clamp(min=0)

    def never_begins(*given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return step(*given[:-1], torch.full_like(given[-1], SMALL.window - 1))  # type: ignore[no-any-return]

    for wrong in (forgets, never_begins):
        assert largest_difference(TorchRuntime(wrong, SMALL, 2), net) > 10 * TOLERANCE


def test_outputs_have_the_stated_shapes_and_plain_layout(weights: Path) -> None:
    step, sizes = MotionStep(load_weights(weights)), shapes(SMALL, 3)
    given = [torch.from_numpy(array) for array in zeros(SMALL, 3, INPUT_NAMES)]
    for name, output in zip(OUTPUT_NAMES, step(*given), strict=True):
        assert output.shape == sizes[name], name
        assert output.is_contiguous(), (
            name
        )  # a compiled step takes its inputs as laid out when it was compiled


@pytest.mark.parametrize("name", ["onnx", "openvino", AOTI])
def test_an_export_runs_and_says_what_it_is(name: str, weights: Path, tmp_path: Path) -> None:
    if missing_for(name):
        pytest.skip(f"not installed: {', '.join(missing_for(name))}")
    if name == "openvino":
        weights = WEIGHTS[80]  # OpenVINO 2026.4.1 crashes when it compiles SMALL for the CPU
    about = export_motion(weights, tmp_path, formats=[name], batch=2)[name]
    path = tmp_path / about["file"]
    assert json.loads((tmp_path / f"{path.name}.json").read_text()) == about
    assert about["look_ahead_ms"] == (80 if name == "openvino" else 40)
    assert about["largest_difference"] < TOLERANCE
    assert [of["name"] for of in about["inputs"]] == list(INPUT_NAMES)
    assert about["outputs"][0] == {"name": "motion", "type": "float32", "shape": [2, OUTPUTS]}
    assert len(about["motion"]) == OUTPUTS
    if name == "openvino":
        openvino = importlib.import_module("openvino")
        ports = openvino.Core().read_model(path)
        assert [port.any_name for port in (*ports.inputs, *ports.outputs)] == [*INPUT_NAMES, *OUTPUT_NAMES]
    kept = {path.name, f"{path.name}.json"} | ({"face_motion.bin"} if name == "openvino" else set())
    assert {file.name for file in tmp_path.iterdir()} == kept


def test_a_wrong_export_is_refused_and_leaves_nothing(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = load_weights(weights)
    with torch.no_grad():
        other.manner.weight[0].add_(1.0)

    def write(net: FaceMotionNet, path: Path, *rest: Any) -> None:
        path.write_bytes(b"another network")

    monkeypatch.setattr(exporter, "write_onnx", write)
    monkeypatch.setattr(exporter, "open_exported", lambda *given: open_torch(other, 2))
    with pytest.raises(UnavailableError, match=r"expected the onnx export.*differs by 0\.\d+"):
        export_motion(weights, tmp_path / "out", formats=["onnx"], batch=2)
    assert not list((tmp_path / "out").iterdir())


def test_bad_wishes_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="expected formats out of onnx, openvino, aoti, got tflite"):
        export_motion(weights, tmp_path, formats=["onnx", "tflite"])
    with pytest.raises(SettingError, match="got none"):
        export_motion(weights, tmp_path, formats=[])
    with pytest.raises(SettingError, match="1 or more streams, got 0"):
        export_motion(weights, tmp_path, batch=0)
    with pytest.raises(UnavailableError, match="absent"):
        export_motion(tmp_path / "absent.safetensors", tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="CUDA"):
            export_motion(weights, tmp_path, device="cuda")


def test_what_is_missing_is_named(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UnavailableError, match=r"package onnx, .*vividlive\[export\]"):
        export_motion(weights, tmp_path, formats=["onnx"])
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert missing_for("aoti") == ["no-such-compiler"]
    with pytest.raises(UnavailableError, match="compiler no-such-compiler"):
        export_motion(weights, tmp_path, formats=["aoti"])


def test_a_compiler_that_fails_is_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **settings: Any) -> None:
        raise RuntimeError("no room on the disk")

    monkeypatch.setenv("CXX", sys.executable)  # some program that is there
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", fail)
    with pytest.raises(
        UnavailableError, match=r"to compile the network for AOTInductor, and it failed: no room"
    ):
        export_motion(weights, tmp_path, formats=["aoti"])
    assert not list(tmp_path.iterdir())


def test_zeros_begin_a_stream() -> None:
    arrays = zeros(SMALL, 2, INPUT_NAMES)
    assert [array.shape for array in arrays] == [shapes(SMALL, 2)[name] for name in INPUT_NAMES]
    assert arrays[-1].dtype == np.int64 and not any(array.any() for array in arrays)
