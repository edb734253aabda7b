"""The launch shapes that are tried on a GPU: compiled for it, and run under emulation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import warp_shapes
from benchmarks.candidate import WrongAnswerError
from benchmarks.gpu_pack import make_neural_pack
from benchmarks.warp_shapes import CANDIDATES, check_batch, check_cases, check_defined, lines, sweep
from kernels import cuda
from kernels.warp import reference
from kernels.warp.cuda import SHAPES, Shape
from tests.engine.render.made_up import landmarked_avatar
from tests.engine.render.neural.nets import SMALL
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

TRIED = [(entry, shape) for entry, shapes in CANDIDATES.items() for shape in shapes]


class Emulated:
    """The warps in any shape; how many blocks a multiprocessor holds changes nothing there."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, dict[tuple[str, ...], EmulatedLauncher]()

    def __call__(self, definitions: Sequence[str]) -> EmulatedLauncher:
        told = tuple(one for one in definitions if "_DOWN=" in one)
        if told not in self._made:
            folder = self._folder / str(len(self._made))
            folder.mkdir()
            sources = ("warp",) if told else tuple(cuda.ENTRIES)
            self._made[told] = EmulatedLauncher(folder, sources, told)
        return self._made[told]


class Silent:
    """Launches nothing."""

    def launch(self, *_: object) -> None:
        """See ``Launcher``."""


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    return Emulated(tmp_path_factory.mktemp("shapes"))


@pytest.mark.parametrize(("entry", "shape"), TRIED)
def test_every_shape_draws_the_definition(entry: str, shape: Shape, emulated: Emulated) -> None:
    check_cases(entry, shape, emulated(shape.definitions(entry)), "cpu")


def test_a_default_is_tried() -> None:
    for entry, shapes in CANDIDATES.items():
        assert shapes.count(SHAPES[entry]) == 1 and len(set(shapes)) == len(shapes)


@pytest.mark.parametrize("definitions", sorted({shape.definitions(entry) for entry, shape in TRIED}))
def test_nvrtc_compiles_every_shape(definitions: tuple[str, ...]) -> None:
    pytest.importorskip("cupy", reason="no CuPy here: pip install cupy-cuda13x nvidia-cuda-nvrtc")
    from cupy.cuda import nvrtc

    try:
        program = nvrtc.createProgram(cuda.source_text("warp"), "warp.cu", [], [])
    except RuntimeError as error:
        pytest.skip(f"no NVRTC here: {error}")
    nvrtc.compileProgram(program, [*cuda.OPTIONS, *definitions, "-arch=compute_90"])
    ptx = nvrtc.getPTX(program)
    text = ptx.decode() if isinstance(ptx, bytes) else ptx
    for definition in definitions:
        name, value = definition.split("=")
        if name.endswith("_BLOCKS"):
            assert f".minnctapersm {value}" in text


def test_shapes_are_checked_and_listed(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("cpu")
    other = Shape((32, 4, 1), 16, 12)
    broken = Shape((32, 4, 1), 16, 1)
    few = {entry: [SHAPES[entry]] for entry in CANDIDATES} | {"refine": [SHAPES["refine"], other, broken]}
    monkeypatch.setattr(warp_shapes, "CANDIDATES", few)

    def compiled(definitions: Sequence[str]) -> cuda.Launcher:
        if "-DREFINE_BLOCKS=1" in definitions:  # as if warp.cu had been compiled for another shape
            return emulated(SHAPES["refine"].definitions("refine"))
        return emulated(definitions)

    pack = make_neural_pack(landmarked_avatar(12), 96, checked=1, config=SMALL)
    found = sweep(pack, compiled=compiled, device="cpu", batches=(1, 3))
    rows = {(row["kernel"], row["name"]): row for row in found["warp_shapes"]}
    assert rows["refine", "32 x 4, 16 down, 12 blocks"]["us_3"] == 0
    wrong = rows["refine", "32 x 4, 16 down, 1 blocks"]
    assert "of the values differ" in wrong["answer"] and "us_1" not in wrong
    assert [row["default"] for row in found["warp_shapes"]].count(True) == len(CANDIDATES)
    assert found["fastest"]["us_3"]["refine"] != "32 x 4, 16 down, 1 blocks"
    assert len(lines(found)) == len(rows) + 2


def test_a_wrong_default_is_not_timed(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    warp_shapes._cases.cache_clear()
    monkeypatch.setattr(reference, "HALF", np.float32(0.4))
    with pytest.raises(WrongAnswerError, match="of the values differ"):
        check_cases("refine", SHAPES["refine"], emulated(()), "cpu")
    warp_shapes._cases.cache_clear()
    features = torch.ones((1, 4, 4, 8))
    tensors = [features, torch.zeros((1, 2, 4, 4)), torch.ones((1, 4, 4)), features.clone()]
    check_defined("warp_features", tensors)
    with pytest.raises(WrongAnswerError, match="differs from the default's"):
        check_batch("warp_features", SHAPES["warp_features"], Silent(), 1, tensors)
    tensors[-1] += 1
    with pytest.raises(WrongAnswerError, match="warp_features, row 0: 100.000% of the values differ"):
        check_defined("warp_features", tensors)
