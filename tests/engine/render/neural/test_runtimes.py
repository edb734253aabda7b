"""Every runtime computes what torch computes in single precision."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.errors import SettingError, UnavailableError
from engine.render.neural import compiled
from engine.render.neural.guide import Guide
from engine.render.neural.parts import network_parts
from engine.render.neural.runtime import NeuralRuntime, open_runtime
from engine.render.neural.sizes import CODE_CHANNELS, GRID, IMAGE, LIPS
from engine.render.neural.torch_runtime import open_torch
from engine.render.neural.weights import load_net
from tests.engine.render.neural.nets import SMALL, small_weights

LEVELS = 255.0
TOLERANCE_LEVELS = 2.0


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
