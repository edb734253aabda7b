"""Every runtime computes what torch computes in single precision."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.errors import SettingError, UnavailableError
from engine.render.neural import compiled
from engine.render.neural.guide import Guide
from engine.render.neural.int8 import Rounded, watched
from engine.render.neural.parts import network_parts, parts_of
from engine.render.neural.ranges import read_ranges
from engine.render.neural.runtime import NeuralRuntime, open_runtime
from engine.render.neural.sizes import CODE_CHANNELS, GRID, IMAGE, LIPS
from engine.render.neural.torch_runtime import on_tensors, open_torch
from engine.render.neural.weights import load_net, save_net
from tests.engine.render.neural.nets import SMALL, small_weights

LEVELS = 255.0
TOLERANCE_LEVELS = 2.0
INT8_LEVELS = 6.0
"""At the 99.9th percentile."""


def said(runtime: NeuralRuntime) -> dict[str, np.ndarray]:
    """What a runtime makes of random inputs; the last is the painted residual in levels."""
    rng = np.random.default_rng(3)

    def grid(channels: int) -> np.ndarray:
        return rng.normal(0.0, 1.0, (channels, GRID, GRID)).astype(np.float32)

    picture = rng.random((3, IMAGE, IMAGE), np.float32)
    guide = Guide(grid(CODE_CHANNELS), grid(2), grid(1), grid(LIPS), np.abs(grid(1)))
    moved = runtime.motion(grid(CODE_CHANNELS), guide)
    photo = runtime.photo(picture)
    painted = runtime.paint(picture, photo, moved.features)
    return {
        "photo": photo,
        "flow": moved.flow,
        "occlusion": moved.occlusion,
        "features": moved.features,
        "painted": LEVELS * painted,
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def wanted(weights: Path) -> dict[str, np.ndarray]:
    return said(open_torch(weights, "fp32"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def agree(runtime: NeuralRuntime, wanted: dict[str, np.ndarray]) -> None:
    for name, value in said(runtime).items():
        assert value.dtype == np.float32 and value.shape == wanted[name].shape, name
    off = np.abs(said(runtime)["painted"] - wanted["painted"])
    assert wanted["painted"].std() > 5.0  # or agreeing would prove nothing
    assert off.max() <= TOLERANCE_LEVELS


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_torch_agrees(weights: Path, wanted: dict[str, np.ndarray], precision: str) -> None:
    agree(open_runtime("torch", precision, weights), wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_openvino_agrees(weights: Path, wanted: dict[str, np.ndarray], precision: str) -> None:
    pytest.importorskip("openvino")
    agree(open_runtime("openvino", precision, weights), wanted)  # type: ignore[arg-type]
    again = open_runtime("openvino", precision, weights)  # type: ignore[arg-type]  # from the cache
    agree(again, wanted)


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_threads_do_not_mix(weights: Path, name: str) -> None:
    """Each gets what it gets alone, whatever the others ask for meanwhile."""
    if name == "openvino":
        pytest.importorskip("openvino")
    runtime = open_runtime(name, "fp32", weights)  # type: ignore[arg-type]
    pictures = np.random.default_rng(5).random((3, 3, IMAGE, IMAGE), np.float32)
    alone = [runtime.photo(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as executor:
        for photo, expected in zip(executor.map(runtime.photo, [*pictures] * 20), alone * 20, strict=True):
            np.testing.assert_array_equal(photo, expected)


def test_int8_agrees(weights: Path, wanted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ranges of what it reads; by itself it is chosen where bf16 is missing."""
    openvino = pytest.importorskip("openvino")
    net = load_net(weights)
    ready = weights.with_name("ready.safetensors")
    with watched(net) as ranges:
        said(on_tensors("watched", weights, [part.module for part in parts_of(net)]))
    save_net(net, ready, ranges)
    assert read_ranges(ready).keys() == ranges.keys() and not read_ranges(weights)

    class Older(openvino.Core):  # type: ignore[misc]
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", Older)
    assert "fp32" in open_runtime("openvino", weights=weights).name
    runtime = open_runtime("openvino", weights=ready)
    assert "int8" in runtime.name
    off = np.abs(said(runtime)["painted"] - wanted["painted"])
    assert 0.01 < np.percentile(off, 99.9) <= INT8_LEVELS
    with pytest.raises(UnavailableError, match="ranges that int8 needs"):
        open_runtime("openvino", "int8", weights)
    with pytest.raises(SettingError, match="expected the runtime openvino"):
        open_runtime("torch", "int8", ready)


def test_convolutions_round_what_they_read_and_their_weights() -> None:
    """One of a single weight: steps of 1/127.5 from -1 to 1, and weights that are steps of their largest one."""
    conv = torch.nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        conv.weight[:] = torch.tensor([0.63, -0.1]).reshape(2, 1, 1, 1)
        conv.bias[:] = torch.tensor([0.5, 0.0])
    x = torch.tensor([-1.5, -0.31, 0.0, 0.0031, 0.77]).reshape(1, 1, 1, 5)
    read = np.array([-1.0, -0.31, 0.0, 0.0031, 0.77])
    read = np.round(read * 127.5) / 127.5
    with torch.no_grad():
        said = Rounded(conv, -1.0, 1.0)(x)[0, :, 0].numpy()
    np.testing.assert_allclose(said[0], 0.63 * read + 0.5, atol=0.005)
    np.testing.assert_allclose(said[1], -0.1 * read, atol=0.001)
    assert len(np.unique(said[0][2:4])) == 1  # 0.0031 is less than half a step


def test_aoti_agrees(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part that compiles soonest, three times: they all go one way."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("needs a C++ compiler")
    photo = network_parts(weights)[0]
    file = weights.with_name("photo.pt2")
    compiled._aoti_package(photo, file)
    monkeypatch.setattr(compiled, "cached_files", lambda *depends: [file] * 3)
    picture = np.random.default_rng(4).random((3, IMAGE, IMAGE), np.float32)
    made = compiled.open_aoti(weights).photo(picture)
    wanted = open_torch(weights, "fp32").photo(picture)
    assert wanted.std() > 0.01
    np.testing.assert_allclose(made, wanted, atol=1e-4)


def test_aoti_says_that_it_needs_a_compiler(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UnavailableError, match=r"no-such-compiler .*install it, or set CXX"):
        open_runtime("aoti", weights=weights)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cuda_agrees(weights: Path, wanted: dict[str, np.ndarray], precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    agree(open_torch(weights, precision, "cuda"), wanted)  # type: ignore[arg-type]


def test_tensorrt_says_what_is_missing(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UnavailableError, match="CUDA device"):
            open_runtime("tensorrt", weights=weights)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    with pytest.raises(UnavailableError, match="NVIDIA's package index"):
        open_runtime("tensorrt", weights=weights)


def test_tensorrt_compiles_once(
    weights: Path, wanted: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for Torch-TensorRT that leaves programs as they are: three engines, kept by chip and version."""
    compilations: list[object] = []

    def compile_program(
        program: torch.export.ExportedProgram, inputs: list, enabled_precisions: set
    ) -> object:
        assert torch.float16 in enabled_precisions
        compilations.append(inputs)
        return program

    monkeypatch.setitem(
        sys.modules,
        "torch_tensorrt",
        SimpleNamespace(
            __version__="2.13.0",
            dynamo=SimpleNamespace(compile=compile_program),
            save=lambda program, path, inputs: torch.export.save(program, path),
        ),
    )
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11.0"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(compiled, "_chip", lambda device: "sm_90")
    agree(compiled.open_tensorrt(weights, "cpu"), wanted)
    agree(compiled.open_tensorrt(weights, "cpu"), wanted)
    assert len(compilations) == 3
    monkeypatch.setattr(compiled, "_chip", lambda device: "sm_120")
    compiled.open_tensorrt(weights, "cpu")
    assert len(compilations) == 6


@pytest.mark.parametrize(
    ("machine", "flags", "capabilities", "expected"),
    [
        ("x86_64", "avx512_bf16 amx_bf16", ["BF16", "INT8"], "bf16"),
        ("x86_64", "avx512_bf16 avx512_vnni", ["BF16", "INT8"], "int8"),
        ("x86_64", "avx2", ["INT8"], "int8"),
        ("aarch64", "", ["BF16"], "bf16"),
    ],
)
def test_auto_is_what_the_processor_is_quickest_with(
    machine: str, flags: str, capabilities: list[str], expected: str,
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    openvino_runtime = pytest.importorskip("engine.render.neural.openvino_runtime")
    monkeypatch.setattr(openvino_runtime, "read_ranges", lambda weights: {"some": 1.0})
    told = tmp_path / "cpuinfo"
    told.write_text(f"flags : fpu {flags}\n")
    monkeypatch.setattr(openvino_runtime, "CPU_FLAGS", told)
    monkeypatch.setattr("platform.machine", lambda: machine)
    core = SimpleNamespace(
        get_property=lambda device, name: capabilities,
        read_model=lambda file: file,
        compile_model=lambda model, device, settings: model,
    )
    monkeypatch.setattr(openvino_runtime.openvino, "Core", lambda: core)
    monkeypatch.setattr(openvino_runtime, "_converted", lambda weights, ranges: ["a", "b", "c"])
    assert f", {expected} on" in openvino_runtime.open_openvino(weights).name


def test_unknown_names_and_missing_weights_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(SettingError, match="expected a runtime of auto"):
        open_runtime("onnx", weights=weights)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="expected a precision of auto"):
        open_runtime("auto", "int3", weights)  # type: ignore[arg-type]
    with pytest.raises(UnavailableError, match=r"expected weights .* there are none"):
        open_runtime("auto", weights=tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnavailableError, match="expected weights of the neural renderer"):
        open_runtime("torch", weights=broken)


def test_weights_come_back_in_half_precision(weights: Path) -> None:
    assert load_net(weights).config == SMALL
    assert (
        weights.stat().st_size
        < 1.1 * sum(2 * value.numel() for value in load_net(weights).parameters()) + 20_000
    )
