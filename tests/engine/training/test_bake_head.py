"""Baking the head: edge loops on a mesh that is known, sparse modes, and the painter that shows the head."""

import numpy as np
import pytest

from engine.avatar.head_model import HeadModel, load_head_model
from engine.conventions import ARKIT_NAMES
from engine.training.bake_head import Rings, sparse
from engine.training.bake_landmarks import rasterise, vertex_normals

AROUND, ALONG = 8, 5


def tube() -> list[tuple[int, int, int, int]]:
    """Quads of an open tube: vertex ``AROUND * row + column``."""
    return [
        (
            AROUND * row + column,
            AROUND * row + (column + 1) % AROUND,
            AROUND * (row + 1) + (column + 1) % AROUND,
            AROUND * (row + 1) + column,
        )
        for row in range(ALONG - 1)
        for column in range(AROUND)
    ]


def test_a_ring_goes_around_and_parts_inside_from_outside() -> None:
    rings = Rings(tube())
    ring = rings.closed_ring(2 * AROUND + 1, 2 * AROUND + 5)
    assert sorted(ring) == list(range(2 * AROUND, 3 * AROUND))
    assert rings.inside(3 * AROUND, ring) == list(range(3 * AROUND, 5 * AROUND))
    with pytest.raises(ValueError):
        rings.closed_ring(2 * AROUND, 4 * AROUND + 1)


def test_sparse_modes_come_back_dense() -> None:
    dice = np.random.default_rng(1)
    modes = [np.zeros((6, 3)) for _ in ARKIT_NAMES]
    modes[0][4] = dice.normal(size=3)
    modes[1][:2] = dice.normal(size=(2, 3))
    arrays = sparse("units", modes) | sparse("identity", modes[:2])
    arrays |= {
        "vertices": np.zeros((6, 3), np.float32),
        "triangles": np.zeros((1, 3), np.int16),
        "mirror": np.arange(6, dtype=np.int16),
    }
    head = HeadModel.from_arrays(arrays, {"identity_names": '["a", "b"]'})
    assert np.allclose(head.units, modes, atol=2e-3)
    assert np.allclose(head.identity, modes[:2], atol=2e-3)


def test_the_painter_shows_the_nearer_triangle() -> None:
    corners = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    screen = np.concatenate([np.column_stack([corners, np.full(3, depth)]) for depth in (5.0, 2.0)])
    number, weight = rasterise(screen, np.array([[0, 1, 2], [3, 4, 5]]), 16)
    assert number[3, 3] == 1 and number[15, 15] == -1
    assert weight[3, 3].sum() == pytest.approx(1)
    place = weight[3, 3] @ screen[3:6]
    assert place[:2] == pytest.approx([3.5, 3.5])


def test_the_face_looks_at_the_viewer() -> None:
    head = load_head_model()
    normals = vertex_normals(head.vertices.astype(float), head.triangles)
    nose = head.landmark_triangle[1]
    assert (normals[nose, 2] < -0.7).all()
