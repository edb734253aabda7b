"""Each backend of rasterise against the definition, bit for bit."""

import numpy as np
import pytest

from kernels import HOST_BACKENDS, Backend, KernelBuildError
from kernels.build import library
from kernels.rasterise import rasterise, reference
from kernels.rasterise.cases import Case, cases, grid_case

CASES = {case.name: case for case in cases()}


def draw(case: Case, backend: Backend) -> tuple[np.ndarray, np.ndarray]:
    """Draw onto poisoned arrays."""
    attributes = np.full((case.attributes.shape[1], case.height, case.width), np.nan, np.float32)
    triangle = np.full((case.height, case.width), -99, np.int32)
    keys = np.full((case.height, case.width), 12345, np.int64)
    rasterise(
        case.positions,
        case.triangles,
        case.attributes,
        attributes,
        triangle,
        keys,
        case.origin,
        case.scale,
        backend,
    )
    return attributes, triangle


def skip_without(backend: Backend) -> None:
    if backend == "cpu":
        try:
            library()
        except KernelBuildError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_equals_definition(name: str, backend: Backend) -> None:
    skip_without(backend)
    case = CASES[name]
    want_attributes = np.full((case.attributes.shape[1], case.height, case.width), np.nan, np.float32)
    want_triangle = np.full((case.height, case.width), -99, np.int32)
    reference.rasterise(
        case.positions,
        case.triangles,
        case.attributes,
        want_attributes,
        want_triangle,
        case.origin,
        case.scale,
    )
    attributes, triangle = draw(case, backend)
    assert np.array_equal(triangle, want_triangle)
    assert attributes.tobytes() == want_attributes.tobytes()


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_shared_edges_belong_to_one_triangle(backend: Backend) -> None:
    """Each triangle alone: a closed sheet covers every pixel exactly once, also with corners on pixel centres."""
    skip_without(backend)
    case = grid_case("sheet", 6, 24, 24, offset=0.5)
    flat = np.where([True, True, False], np.round(case.positions * 2) / 2, 0).astype(np.float32)
    count = np.zeros((24, 24), int)
    for triangle in case.triangles:
        alone = Case("one", flat, triangle[None].copy(), case.attributes, 24, 24)
        count += draw(alone, backend)[1] >= 0
    assert (count == 1).all()


@pytest.mark.parametrize("backend", HOST_BACKENDS)
def test_order_of_triangles_does_not_change_the_picture(backend: Backend) -> None:
    skip_without(backend)
    case = CASES["soup"]
    backwards = Case(
        "", case.positions, case.triangles[::-1].copy(), case.attributes, case.height, case.width, case.origin
    )
    forward = Case("", case.positions, case.triangles, case.attributes, case.height, case.width, case.origin)
    assert np.array_equal(draw(forward, backend)[0], draw(backwards, backend)[0])


def test_interpolates_linearly() -> None:
    """Attributes that are the position itself come back as the pixel centres."""
    case = grid_case("grid", 4, 20, 30)
    attributes, triangle = draw(case, "portable")
    rows, columns = np.mgrid[:20, :30] + 0.5
    assert (triangle >= 0).all()
    assert np.abs(attributes[0] - columns).max() < 1 / 256  # vertices are snapped
    assert np.abs(attributes[1] - rows).max() < 1 / 256


def test_refuses_wrong_arrays() -> None:
    case = CASES["grid"]
    attributes = np.empty((3, case.height, case.width), np.float32)
    triangle = np.empty((case.height, case.width), np.int32)
    keys = np.empty((case.height, case.width), np.int64)
    with pytest.raises(ValueError, match="positions"):
        rasterise(
            case.positions.astype(np.float64), case.triangles, case.attributes, attributes, triangle, keys
        )
    with pytest.raises(ValueError, match="out_attributes"):
        rasterise(case.positions, case.triangles, case.attributes, attributes[:, ::2], triangle, keys)
