"""Whole frames: the compiled path against one operation after the other, and batches on a device against both."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from kernels import cuda
from kernels.colour import rgbx_to_i420
from kernels.frame import Scene, painter, reference
from kernels.frame.cases import Case, cases
from kernels.frame.cpu import CpuPainter
from kernels.frame.cuda import CudaPainter, Limits
from kernels.frame.portable import PortablePainter
from tests.kernels.emulated import EmulatedLauncher
from tests.kernels.test_rasterise import skip_without

CASES = cases()
LIMITS = Limits(vertices=123, triangles=60, layers=8, boxes=5, sets=2)


def drawn(case: Case, scene: Scene, how: str) -> np.ndarray:
    """A frame by the definition, "separate", or by the compiled kernel, "whole"."""
    size = len(case.background)
    if how == "whole":
        chosen = CpuPainter(case.layers, case.background, len(scene.positions), case.scale)
    else:
        chosen = PortablePainter(case.layers, case.background, case.scale, "cpu")
    frame = np.full((size, size), 0x5AA5C3, np.uint32)
    chosen.depth(scene)
    chosen.paint(scene, frame)
    chosen.details(scene, frame)
    return frame


@pytest.mark.parametrize("name", CASES)
def test_a_frame_equals_its_operations_one_after_the_other(name: str) -> None:
    skip_without("cpu")
    case = CASES[name]
    for scene in case.scenes:
        assert np.array_equal(drawn(case, scene, "whole"), drawn(case, scene, "separate"))


def test_a_painter_leaves_nothing_behind_for_the_next_frame() -> None:
    skip_without("cpu")
    case = next(iter(CASES.values()))
    first = case.scenes[0]
    chosen = painter(case.layers, case.background, len(first.positions), case.scale, "cpu")
    frames = []
    for scene in (first, case.scenes[1], first):
        frame = np.zeros_like(case.background)
        chosen.depth(scene)
        chosen.paint(scene, frame)
        chosen.details(scene, frame)
        frames.append(frame)
    assert np.array_equal(frames[0], frames[2]) and not np.array_equal(frames[0], frames[1])


def test_painters_of_a_thread_and_of_others_share_without_seeing_each_other() -> None:
    """Also when one of them never paints the frame that it began."""
    skip_without("cpu")
    shown = [(case, scene) for case in CASES.values() for scene in case.scenes]
    wanted = [drawn(case, scene, "separate") for case, scene in shown]
    case, scene = shown[1]
    CpuPainter(case.layers, case.background, len(scene.positions), case.scale).depth(scene)

    def draw_all(_: int) -> list[np.ndarray]:
        return [drawn(case, scene, "whole") for case, scene in shown]

    with ThreadPoolExecutor(4) as threads:
        for frames in (draw_all(0), *threads.map(draw_all, range(8))):
            for frame, want in zip(frames, wanted, strict=True):
                assert np.array_equal(frame, want)


def test_refuses_layers_without_a_whole_frame() -> None:
    case = next(iter(CASES.values()))
    with pytest.raises(ValueError, match="first layer over the whole frame"):
        painter(case.layers[1:], case.background, 120, case.scale)
    with pytest.raises(ValueError, match="cpu or portable, got cuda"):
        painter(case.layers, case.background, 120, case.scale, "cuda")


@pytest.mark.parametrize("name", CASES)
def test_operations_one_after_the_other_equal_the_definition(name: str) -> None:
    skip_without("cpu")
    case = CASES[name]
    for scene in case.scenes:
        frame = np.full_like(case.background, 0x5AA5C3)
        reference.paint(case.layers, case.background, case.scale, scene, frame)
        assert np.array_equal(frame, drawn(case, scene, "separate"))


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def batch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[CudaPainter, str]]:
    """Three rows for frames of 64 px, under emulation or on a device."""
    if request.param == "cuda":
        try:
            yield CudaPainter(3, 64, LIMITS, cuda.launcher(), "cuda"), "cuda"
        except cuda.CudaUnavailableError as error:
            pytest.skip(str(error))
    else:
        launcher = EmulatedLauncher(tmp_path_factory.mktemp("emulated"), ("frame",))
        yield CudaPainter(3, 64, LIMITS, launcher, "cpu"), "cpu"


def test_a_batch_of_faces_equals_each_alone(batch: tuple[CudaPainter, str]) -> None:
    """Each row has layers, atlas, scale and boxes of its own; a row beyond the count keeps its frame."""
    skip_without("cpu")
    made, device = batch
    case = CASES["seed 2, 64 px"]
    fewer = Case(case.layers[:4], case.background[::-1].copy(), case.scale, case.scenes[1:])
    faces = [(case, case.scenes[0]), (fewer, case.scenes[1]), (case, case.scenes[2])]
    positions = torch.full((3, 123, 3), torch.nan)
    attributes = torch.zeros((3, 2, 123, 3))
    boxes = torch.zeros((3, 5, 5), dtype=torch.int32)
    opacity = torch.zeros(3, dtype=torch.int32)
    for row, (face, scene) in enumerate(faces):
        made.set_face(row, face.layers, face.background, face.scale)
        positions[row, :120], attributes[row, :, :120] = (
            torch.from_numpy(scene.positions),
            torch.from_numpy(scene.attributes),
        )
        boxes[row, :4], opacity[row] = torch.from_numpy(scene.boxes), scene.opacity
    arguments = [tensor.to(device) for tensor in (positions, attributes, boxes, opacity)]
    for count in (3, 2):
        made.frames.fill_(77)
        made.draw(count, *arguments)
        made.to_i420(count)
        frames = made.frames.cpu().numpy().view(np.uint32)
        for row, (face, scene) in enumerate(faces[:count]):
            want = drawn(face, scene, "separate")
            assert np.array_equal(frames[row], want)
            planes = np.empty((96, 64), np.uint8)
            rgbx_to_i420(want, planes, "cpu")
            assert np.array_equal(made.i420[row].cpu().numpy(), planes)
        assert (frames[count:] == 77).all()


def test_a_batch_refuses_what_it_has_no_room_for(batch: tuple[CudaPainter, str]) -> None:
    made, _ = batch
    case = CASES["seed 2, 64 px"]
    with pytest.raises(ValueError, match="expected a background of 64 px"):
        made.set_face(0, case.layers, CASES["seed 0, 34 px"].background, 1.0)
    with pytest.raises(ValueError, match="expected at most 8 layers, got 14"):
        made.set_face(0, case.layers * 2, case.background, 1.0)
