"""The fit finds a head that is known: its pose, its scale and its open mouth."""

import numpy as np
import pytest

from engine.avatar import alignment
from engine.avatar.alignment import align, bounded_solve, weak_perspective
from engine.avatar.head_model import load_head_model
from engine.conventions import ARKIT_INDEX
from engine.render.drive import head_rotation


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (15.0, -8.0, 10.0), (-18.0, 12.0, -14.0)])
def test_weak_perspective_is_exact_on_an_exact_picture(angles: tuple[float, float, float]) -> None:
    head = load_head_model()
    shape = head.landmarks(head.vertices).astype(float)
    rotation = head_rotation(*angles).astype(float)
    picture = 87.0 * shape @ rotation.T + [256.0, 240.0, 30.0]
    scale, found, shift = weak_perspective(shape, picture, np.ones(len(shape)))
    assert scale == pytest.approx(87.0, rel=1e-5)
    assert np.abs(found - rotation).max() < 1e-5
    assert np.abs(shift - [256.0, 240.0, 30.0]).max() < 1e-2


def test_a_made_up_face_is_found_again() -> None:
    head = load_head_model()
    dice = np.random.default_rng(3)
    identity = dice.normal(0, 0.2, len(head.identity_names))
    expression = np.zeros(52)
    expression[ARKIT_INDEX["jawOpen"]] = 0.6
    shape = (
        head.vertices + np.tensordot(identity, head.identity, 1) + 0.6 * head.units[ARKIT_INDEX["jawOpen"]]
    )
    rotation = head_rotation(8.0, 5.0, -6.0).astype(float)
    picture = 95.0 * head.landmarks(shape) @ rotation.T + [250.0, 260.0, 0.0]
    found = align(head, picture, expression)
    fitted = found.place(
        head.landmarks(
            head.vertices
            + np.tensordot(found.identity, head.identity, 1)
            + np.tensordot(found.expression, head.units, 1)
        )
    )
    miss = np.linalg.norm((fitted - picture)[:468, :2], axis=1)
    assert np.sqrt((miss**2).mean()) < 0.7
    assert found.expression[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.6, abs=0.15)
    turned = np.degrees(np.arccos((np.trace(found.rotation.T @ rotation) - 1) / 2))
    assert turned < 4.0
    assert np.abs(found.identity).max() <= 1.2 and found.expression.min() >= 0


@pytest.mark.parametrize("seed", range(20))
def test_bounded_solve_finds_the_minimum(seed: int) -> None:
    """Against SciPy's trust-region solver, on problems whose variables depend on each other."""
    from scipy.optimize import lsq_linear

    dice = np.random.default_rng(seed)
    matrix = dice.normal(size=(60, 5)) @ dice.normal(size=(5, 30)) + 0.3 * dice.normal(size=(60, 30))
    wanted = 3.0 * dice.normal(size=60)
    low, high = np.r_[np.full(6, -np.inf), np.zeros(24)], np.r_[np.full(6, np.inf), np.ones(24)]
    found = bounded_solve(matrix.T @ matrix, matrix.T @ wanted, low, high)
    best = lsq_linear(matrix, wanted, (low, high), tol=1e-12).x
    np.testing.assert_allclose(found, best, atol=1e-4)
    assert (found >= low).all() and (found <= high).all()


def test_bounded_solve_ends_where_blocks_go_in_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many variables that can stand in for each other, as in a head fitted to a face; no block rounds at all."""
    monkeypatch.setattr(alignment, "BLOCK_ROUNDS", 1)
    dice = np.random.default_rng(1)
    matrix = 30 * dice.normal(size=(80, 4)) @ dice.normal(size=(4, 60)) + 0.1 * dice.normal(size=(80, 60))
    wanted = 30.0 * dice.normal(size=80)
    normal, right = matrix.T @ matrix + np.eye(60), matrix.T @ wanted
    low, high = np.full(60, -0.2), np.full(60, 0.7)
    found = bounded_solve(normal, right, low, high)
    downhill = right - normal @ found  # at the minimum only against a bound
    inside = (found > low) & (found < high)
    assert np.abs(downhill[inside] / np.diag(normal)[inside]).max() < 1e-8
    assert (downhill[found <= low] <= 1e-6).all() and (downhill[found >= high] >= -1e-6).all()
    assert inside.any() and (found <= low).any() and (found >= high).any()
