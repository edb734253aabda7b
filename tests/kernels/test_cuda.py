"""The CUDA sources: compiled by NVRTC for every architecture, run under emulation, and on a device where there is one."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from kernels import cuda
from kernels.colour import cases as colour_cases
from kernels.colour import rgbx_to_i420
from kernels.composite import cases as composite_cases
from kernels.composite import composite
from kernels.rasterise import cases as rasterise_cases
from kernels.rasterise import rasterise
from kernels.rasterise.cuda import new_setup, rasterise_rows
from kernels.rasterise.reference import EMPTY
from kernels.warp import cases as warp_cases
from kernels.warp import refine, warp_features, warp_image
from kernels.warp.cuda import SHAPES, Shape, refine_rows, warp_features_rows, warp_image_rows
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
RASTERISE = {case.name: case for case in rasterise_cases.cases()}
COMPOSITE = {case.name: case for case in composite_cases.cases()}
REFINE = {case.name: case for case in warp_cases.refine_cases()}
IMAGE = {case.name: case for case in warp_cases.image_cases()}
FEATURES = {case.name: case for case in warp_cases.features_cases()}


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> EmulatedLauncher:
    return EmulatedLauncher(tmp_path_factory.mktemp("emulated"))


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where tensors lie while the CUDA backend runs: in the CPU's memory under emulation, or on a device."""
    if request.param == "cuda":
        try:
            cuda.launcher()
        except cuda.CudaUnavailableError as error:
            pytest.skip(str(error))
        yield "cuda"
        return
    launcher = request.getfixturevalue("emulated")
    for module in ("rasterise", "composite", "colour", "warp"):
        monkeypatch.setattr(f"kernels.{module}.cuda.launcher", lambda: launcher)
    yield "cpu"


def there(array: np.ndarray, device: str) -> Any:
    """A copy on the device; pixels as int32, as torch has little for uint32."""
    signed = array.view(np.int32) if array.dtype == np.uint32 else array
    return torch.from_numpy(signed.copy()).to(device)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", cuda.ENTRIES)
def test_nvrtc_compiles_to_exact_arithmetic(source: str, architecture: int) -> None:
    """Every entry point is there, and nothing that rounds differently from a CPU."""
    pytest.importorskip("cupy", reason="no CuPy here: pip install cupy-cuda13x nvidia-cuda-nvrtc")
    from cupy.cuda import nvrtc

    try:
        program = nvrtc.createProgram(cuda.source_text(source), f"{source}.cu", [], [])
    except RuntimeError as error:
        pytest.skip(f"no NVRTC here: {error}")
    nvrtc.compileProgram(program, [*cuda.OPTIONS, f"-arch=compute_{architecture}"])
    ptx = nvrtc.getPTX(program)
    text = ptx.decode() if isinstance(ptx, bytes) else ptx
    assert set(re.findall(r"\.visible \.entry (\w+)", text)) == set(cuda.ENTRIES[source])
    assert f".target sm_{architecture}" in text
    assert "fma." not in text
    assert ".approx" not in text


@pytest.mark.parametrize("source", cuda.ENTRIES)
def test_the_table_of_arguments_is_the_sources(source: str) -> None:
    branch = cuda.source_text(source).split("#ifdef __CUDACC__")[-1].split("#else")[0]
    found = {}
    for name, arguments in re.findall(
        r"KERNEL (?:__launch_bounds__\(.*?\) )?(\w+)\((.*?)\) \{", branch, re.DOTALL
    ):
        kinds = [
            "p" if "*" in one else "f" if one.strip().startswith("float") else "i"
            for one in arguments.split(",")
        ]
        found[name] = "".join(kinds)
    assert found == cuda.ENTRIES[source]


@pytest.mark.parametrize("name", RASTERISE)
def test_rasterise_equals_the_cpu(name: str, device: str) -> None:
    skip_without("cpu")
    case = RASTERISE[name]
    planes = np.full((case.attributes.shape[1], case.height, case.width), np.nan, np.float32)
    triangle = np.full((case.height, case.width), -99, np.int32)
    keys = np.full((case.height, case.width), 12345, np.int64)
    mesh = case.positions, case.triangles, case.attributes
    on_device = [there(array, device) for array in (*mesh, planes, triangle, keys)]
    rasterise(*mesh, planes, triangle, keys, case.origin, case.scale, "cpu")
    rasterise(*on_device, case.origin, case.scale, "cuda")
    assert np.array_equal(on_device[4].cpu().numpy(), triangle)
    assert on_device[3].cpu().numpy().tobytes() == planes.tobytes()


@pytest.mark.parametrize("name", COMPOSITE)
def test_composite_equals_the_cpu(name: str, device: str) -> None:
    skip_without("cpu")
    case = COMPOSITE[name]
    arguments = case.planes, case.triangle, case.atlas, case.background
    out = np.full(case.background.shape, 0x5AA5C3, np.uint32)
    on_device = [there(array, device) for array in (*arguments, out)]
    composite(*arguments, out, case.factor, "cpu", opacity=case.opacity)
    composite(*on_device, case.factor, "cuda", opacity=case.opacity)
    assert np.array_equal(on_device[4].cpu().numpy().view(np.uint32), out)


@pytest.mark.parametrize("number", range(len(colour_cases.cases())))
def test_colour_equals_the_cpu(number: int, device: str) -> None:
    skip_without("cpu")
    image = colour_cases.cases()[number]
    out = np.full((image.shape[0] * 3 // 2, image.shape[1]), 77, np.uint8)
    on_device = there(image, device), there(out, device)
    rgbx_to_i420(image, out, "cpu")
    rgbx_to_i420(*on_device, "cuda")
    assert np.array_equal(on_device[1].cpu().numpy(), out)


@pytest.mark.parametrize("name", REFINE)
def test_refine_equals_the_cpu(name: str, device: str) -> None:
    skip_without("cpu")
    case = REFINE[name]
    out = np.full(case.frame.shape, 0x5AA5C3, np.uint32)
    frame, maps, made = (there(array, device) for array in (case.frame, case.maps, out))
    refine(case.frame, case.box, case.maps, out, "cpu")
    refine(frame, case.box, maps, made, "cuda")
    assert np.array_equal(made.cpu().numpy().view(np.uint32), out)


@pytest.mark.parametrize("name", IMAGE)
def test_warp_image_equals_the_cpu(name: str, device: str) -> None:
    skip_without("cpu")
    case = IMAGE[name]
    out = np.full((3, case.n, case.n), np.nan, np.float32)
    frame, flow, made = (there(array, device) for array in (case.frame, case.flow, out))
    warp_image(case.frame, case.box, case.flow, out, "cpu")
    warp_image(frame, case.box, flow, made, "cuda")
    assert made.cpu().numpy().tobytes() == out.tobytes()


@pytest.mark.parametrize("name", FEATURES)
def test_warp_features_equals_the_cpu(name: str, device: str) -> None:
    skip_without("cpu")
    case = FEATURES[name]
    arguments = case.features, case.flow, case.occlusion
    out = np.full(case.features.shape, np.nan, np.float32)
    on_device = [there(array, device) for array in (*arguments, out)]
    warp_features(*arguments, out, "cpu")
    warp_features(*on_device, "cuda")
    assert np.array_equal(on_device[3].cpu().numpy(), out, equal_nan=True)


def rows_launcher(device: str, request: pytest.FixtureRequest) -> cuda.Launcher:
    """What launches where ``device`` says."""
    emulated: cuda.Launcher = request.getfixturevalue("emulated")
    return emulated if device == "cpu" else cuda.launcher()


def test_a_batch_rasterises_each_rows_mesh(device: str, request: pytest.FixtureRequest) -> None:
    """Meshes, corners and scales of their own; a row beyond the count stays, and keys are left for the next frame."""
    skip_without("cpu")
    rng = np.random.default_rng(2)
    rows, count, height, width = 3, 2, 21, 34
    positions = rng.uniform(-10, 50, (rows, 40, 3)).astype(np.float32)
    triangles = rng.integers(0, 40, (rows, 130, 3), dtype=np.int32)
    triangles[1, 100:] = 39  # how a mesh with fewer triangles is filled up
    attributes = rng.normal(size=(rows, 40, 5)).astype(np.float32)
    views = np.array([[0, 0, 1], [3.5, -2.25, 1.75], [1, 1, 1]], np.float32)
    planes = np.full((rows, 5, height, width), np.nan, np.float32)
    triangle = np.full((rows, height, width), -9, np.int32)
    made = [there(array, device) for array in (positions, triangles, attributes, views, planes)]
    out = there(triangle, device)
    keys = torch.full((rows, height, width), EMPTY, dtype=torch.int64, device=device)
    kernels, setup = rows_launcher(device, request), new_setup(rows, 130, 5, device)
    for _ in range(2):
        rasterise_rows(kernels, count, *made, out, keys, setup)
    assert (keys == EMPTY).all() and (out[count:] == -9).all() and made[4][count:].isnan().all()
    for row in range(count):
        want, number = np.empty((5, height, width), np.float32), np.empty((height, width), np.int32)
        mesh, (x, y, scale) = (positions[row], triangles[row], attributes[row]), views[row].tolist()
        rasterise(*mesh, want, number, np.empty((height, width), np.int64), (x, y), scale, "cpu")
        assert np.array_equal(out[row].cpu().numpy(), number) and len(np.unique(number)) > 5
        assert made[4][row].cpu().numpy().tobytes() == want.tobytes()


def test_a_batch_warps_each_row_by_its_own_box(device: str, request: pytest.FixtureRequest) -> None:
    skip_without("cpu")
    rng, (rows, count) = np.random.default_rng(3), (3, 2)
    kernels = rows_launcher(device, request)
    frames = rng.integers(0, 1 << 32, (rows, 41, 37), dtype=np.uint32)
    boxes = np.array([[4, 3, 30], [-5, 20, 26], [0, 0, 37]], np.int32)
    flow = rng.normal(0, 2, (rows, 2, 9, 9)).astype(np.float32)
    maps = rng.normal(0, 9, (rows, 5, 16, 16)).astype(np.float32)
    features = rng.normal(size=(rows, 9, 9, 8)).astype(np.float32)
    shown = rng.uniform(size=(rows, 9, 9)).astype(np.float32)
    given = [there(array, device) for array in (frames, boxes, flow, maps, features, shown)]
    crops, drawn = torch.full((rows, 3, 18, 18), -1.0, device=device), torch.full_like(given[0], -1)
    carried = torch.full_like(given[4], -1.0)
    warp_image_rows(kernels, count, given[0], given[1], given[2], crops)
    refine_rows(kernels, count, given[0], given[1], given[3], drawn)
    warp_features_rows(kernels, count, given[4], given[2], given[5], carried)
    for made in (crops, drawn, carried):
        assert (made[count:] == -1).all()
    for row in range(count):
        x, y, side = boxes[row].tolist()
        crop, frame, moved = np.empty((3, 18, 18), np.float32), np.empty_like(frames[0]), features[row].copy()
        warp_image(frames[row], (x, y, side), flow[row], crop, "cpu")
        refine(frames[row], (x, y, side), maps[row], frame, "cpu")
        warp_features(features[row], flow[row], shown[row], moved, "cpu")
        assert crops[row].cpu().numpy().tobytes() == crop.tobytes()
        assert np.array_equal(drawn[row].cpu().numpy().view(np.uint32), frame)
        assert np.array_equal(carried[row].cpu().numpy(), moved)


def test_boxes_of_larger_images_keep_their_pitch(device: str) -> None:
    large = np.random.default_rng(0).integers(0, 1 << 32, (20, 30), dtype=np.uint32)
    out = np.empty((18, 18), np.uint8)
    rgbx_to_i420(large[4:16, 6:24], out, "cpu")
    box, made = there(large, device)[4:16, 6:24], there(np.zeros_like(out), device)
    rgbx_to_i420(box, made, "cuda")
    assert np.array_equal(made.cpu().numpy(), out)
    still, crop = np.zeros((2, 1, 1), np.float32), np.empty((3, 5, 5), np.float32)
    warp_image(large[4:16, 6:24], (1, 2, 9), still, crop, "cpu")
    made = there(np.zeros_like(crop), device)
    warp_image(box, (1, 2, 9), there(still, device), made, "cuda")  # type: ignore[arg-type]
    assert np.array_equal(made.cpu().numpy(), crop)


def test_refuses_wrong_tensors(emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.colour.cuda.launcher", lambda: emulated)
    out = torch.zeros((6, 4), dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"expected image int32 \[4, 4\]"):
        rgbx_to_i420(torch.zeros((4, 4)), out, "cuda")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected out contiguous uint8 \[6, 4\] on the device"):
        rgbx_to_i420(torch.zeros((4, 4), dtype=torch.int32), out[:5], "cuda")  # type: ignore[arg-type]


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(cuda.CudaUnavailableError, match="expected a CUDA device"):
        cuda.CudaLauncher()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(cuda.CudaUnavailableError, match="pip install cupy-cuda13x"):
        cuda.CudaLauncher()


@pytest.mark.parametrize("entry", SHAPES)
def test_warps_are_compiled_for_the_shape_they_are_launched_in(entry: str) -> None:
    shape, text = SHAPES[entry], cuda.source_text("warp")
    for definition in shape.definitions(entry):
        name, value = definition.removeprefix("-D").split("=")
        assert re.findall(rf"#define {name} (\d+)", text) == [value]
    assert bool(shape.definitions(entry)) == (f"{entry.upper()}_THREADS" in text)


def test_shapes_cover_every_pixel() -> None:
    shape = Shape((32, 4, 1), 16, 12)
    assert shape.grid(65, 129, 3) == (3, 3, 3)
    assert shape.definitions("refine") == ("-DREFINE_DOWN=16", "-DREFINE_THREADS=128", "-DREFINE_BLOCKS=12")


def test_sources_need_no_other_file(tmp_path: Path) -> None:
    for source in cuda.ENTRIES:
        text = cuda.source_text(source)
        assert '#include "' not in text and text.count("typedef unsigned int u32;") == 1


def test_blocks_cover_every_element() -> None:
    assert cuda.blocks([0], cuda.ALONG) == (1, 1, 1)
    assert cuda.blocks([129], cuda.ALONG) == (2, 1, 1)
    assert cuda.blocks([65, 3], cuda.ACROSS) == (2, 2, 1)


def test_arguments_have_the_width_that_kernels_read() -> None:
    tensor = torch.zeros(3)
    packed = list(cuda._packed("x", "ifp", (3, 0.5, tensor)))
    assert [type(value) for value in packed] == [np.int32, np.float32, np.uint64]
    assert packed[2] == tensor.data_ptr()
    with pytest.raises(ValueError, match="expected 2 arguments for x, got 1"):
        list(cuda._packed("x", "ip", (3,)))


class StandIn:
    """CuPy as far as the launcher uses it: notes what is compiled and launched, and on which stream."""

    def __init__(self) -> None:
        self.compiled: list[tuple[str, tuple[str, ...]]] = []
        self.launched: list[tuple[str, cuda.Size, cuda.Size, list[type], int]] = []
        self.stream = 0
        self.cuda = SimpleNamespace(
            Device=lambda number: nullcontext(), Stream=SimpleNamespace(from_external=self._on_stream)
        )

    def RawModule(self, code: str, options: tuple[str, ...], backend: str) -> SimpleNamespace:
        self.compiled.append((code, options))

        def function(name: str) -> Callable[..., None]:
            assert re.search(rf"\b{name}\(", code)

            def launch(grid: cuda.Size, block: cuda.Size, arguments: tuple[Any, ...]) -> None:
                self.launched.append((name, grid, block, [type(value) for value in arguments], self.stream))

            return launch

        return SimpleNamespace(get_function=function)

    @contextmanager
    def _on_stream(self, stream: Any) -> Iterator[None]:
        assert stream.__cuda_stream__()[0] == 0  # the protocol's version
        self.stream = stream.__cuda_stream__()[1]
        yield
        self.stream = 0


def test_launches_on_torchs_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn()
    monkeypatch.setitem(__import__("sys").modules, "cupy", stand_in)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=4711))
    launcher = cuda.CudaLauncher()
    assert [options for _, options in stand_in.compiled] == [cuda.OPTIONS] * len(cuda.ENTRIES)
    cuda.CudaLauncher(("warp",), ("-DREFINE_DOWN=4",))
    assert stand_in.compiled[-1] == (cuda.source_text("warp"), (*cuda.OPTIONS, "-DREFINE_DOWN=4"))
    out = SimpleNamespace(data_ptr=lambda: 64, is_cuda=True)
    launcher.launch("frame_i420", (1, 2, 3), cuda.ACROSS, (512, out, out))
    kinds = [np.int32, np.uint64, np.uint64]
    assert stand_in.launched == [("frame_i420", (1, 2, 3), cuda.ACROSS, kinds, 4711)]
    with pytest.raises(ValueError, match="expected arrays on the CUDA device for frame_i420, got one on cpu"):
        launcher.launch("frame_i420", (1, 1, 1), cuda.ACROSS, (512, torch.zeros(2), out))
