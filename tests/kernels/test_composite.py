"""Each backend of composite against the definition."""

import numpy as np
import pytest

from kernels.composite import composite, reference
from kernels.composite.cases import PORTABLE_LEVELS_OFF, Case, cases
from tests.kernels.test_rasterise import skip_without

CASES = {case.name: case for case in cases()}
POISON = 0x5AA5C3


def definition(case: Case) -> np.ndarray:
    want = np.full(case.background.shape, POISON, np.uint32)
    reference.composite(
        case.planes, case.triangle, case.atlas, case.background, want, case.factor, case.opacity
    )
    return want


def levels(image: np.ndarray) -> np.ndarray:
    return image.view(np.uint8).reshape(*image.shape, 4).astype(int)


@pytest.mark.parametrize("name", CASES)
def test_cpu_equals_definition(name: str) -> None:
    skip_without("cpu")
    case = CASES[name]
    out = np.full(case.background.shape, POISON, np.uint32)
    composite(
        case.planes, case.triangle, case.atlas, case.background, out, case.factor, "cpu", opacity=case.opacity
    )
    assert np.array_equal(out, definition(case))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.smooth])
def test_portable_is_near_definition(name: str) -> None:
    case = CASES[name]
    out = np.full(case.background.shape, POISON, np.uint32)
    composite(
        case.planes,
        case.triangle,
        case.atlas,
        case.background,
        out,
        case.factor,
        "portable",
        opacity=case.opacity,
    )
    assert np.abs(levels(out) - levels(definition(case))).max() <= PORTABLE_LEVELS_OFF


@pytest.mark.parametrize("backend", ["cpu", "portable"])
@pytest.mark.parametrize("factor", [1, 2])
def test_draws_into_a_box_of_a_frame_in_place(backend: str, factor: int) -> None:
    skip_without(backend)
    case = next(c for c in CASES.values() if c.factor == factor and c.smooth and c.background.size > 1)
    height, width = case.background.shape
    frame = np.full((height + 5, width + 7), POISON, np.uint32)
    box = frame[2 : 2 + height, 3 : 3 + width]
    box[:] = case.background
    composite(case.planes, case.triangle, case.atlas, box, box, case.factor, backend)
    apart = np.empty(case.background.shape, np.uint32)
    composite(case.planes, case.triangle, case.atlas, case.background, apart, case.factor, backend)
    assert np.array_equal(box, apart)
    box[:] = POISON
    assert (frame == POISON).all()


@pytest.mark.parametrize("backend", ["cpu", "portable"])
def test_texel_centres_come_back_exactly(backend: str) -> None:
    """The identity warp returns the atlas; half coverage mixes halfway; shade 0 is black."""
    skip_without(backend)
    rng = np.random.default_rng(1)
    atlas = rng.integers(0, 1 << 24, (9, 11), dtype=np.uint32) | np.uint32(0xFF000000)
    rows, columns = np.mgrid[:9, :11].astype(np.float32)
    planes = np.stack([columns + np.float32(0.5), rows + np.float32(0.5), np.ones_like(rows)])
    triangle = np.zeros((9, 11), np.int32)
    out = np.empty((9, 11), np.uint32)
    composite(planes, triangle, atlas, np.zeros_like(atlas), out, 1, backend)
    assert np.array_equal(out, atlas)
    white_half = np.full_like(atlas, 0x80FFFFFF)
    composite(planes, triangle, white_half, np.zeros_like(atlas), out, 1, backend)
    assert (out == 0xFF808080).all()
    planes[2] = 0
    composite(planes, triangle, atlas, np.full_like(atlas, 0xFFFFFF), out, 1, backend)
    assert (out == 0xFF000000).all()


def test_refuses_wrong_arrays() -> None:
    case = next(iter(CASES.values()))
    out = np.empty(case.background.shape, np.uint32)
    with pytest.raises(ValueError, match="factor"):
        composite(case.planes, case.triangle, case.atlas, case.background, out, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="background"):
        composite(case.planes, case.triangle, case.atlas, case.background[:-1], out)
