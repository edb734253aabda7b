"""The dental arch and its picture."""

import numpy as np
import pytest

from engine.avatar.teeth import (
    ARCH,
    LOWER_JAW,
    TEXELS,
    UPPER_JAW,
    Jaw,
    arch_strip,
    grid_triangles,
    teeth_texture,
)

TOOTH, GUM = np.array([220.0, 210.0, 195.0]), np.array([180.0, 100.0, 95.0])
JAWS = pytest.mark.parametrize("jaw", [UPPER_JAW, LOWER_JAW], ids=["upper", "lower"])


@JAWS
def test_strip_is_symmetric_and_inside_its_texture(jaw: Jaw) -> None:
    positions, triangles, uv, along = arch_strip(jaw)
    texture, coverage = teeth_texture(jaw, TOOTH, GUM)
    mirrored = positions * (-1, 1, 1)
    assert np.abs(np.sort(mirrored, axis=0) - np.sort(positions, axis=0)).max() < 1e-9
    assert uv.min() >= 0 and (uv.max(axis=0) <= texture.shape[1::-1]).all()
    assert texture.shape[:2] == coverage.shape
    assert set(np.unique(triangles)) == set(range(len(positions)))
    assert np.ptp(positions[:, 0]) == pytest.approx(2 * ARCH[-1, 0], rel=0.05)
    assert along.min() == -1 and along.max() == 1


@JAWS
def test_teeth_end_in_the_air_and_begin_in_the_gum(jaw: Jaw) -> None:
    texture, coverage = teeth_texture(jaw, TOOTH, GUM)
    middle = texture.shape[1] // 2
    front = slice(middle - round(0.3 * TEXELS), middle + round(0.3 * TEXELS))
    assert coverage[0, front].mean() < 130  # the biting edge is cut out
    assert (coverage[round(0.05 * TEXELS) :, front] == 255).all()
    tooth, gum = texture[round(0.04 * TEXELS), front].astype(float), texture[-3, front].astype(float)
    redness = [rows[:, 0].mean() / rows[:, 1].mean() for rows in (tooth, gum)]
    assert redness[0] < 1.15 < 1.5 < redness[1]


@JAWS
def test_neighbouring_teeth_are_told_apart_softly(jaw: Jaw) -> None:
    texture, _ = teeth_texture(jaw, TOOTH, GUM)
    row = texture[round(0.04 * TEXELS)].mean(axis=1)
    middle = len(row) / 2
    between = row[round(middle + jaw.widths[0] * TEXELS)]
    centre = row[round(middle + jaw.widths[0] / 2 * TEXELS)]
    assert 0.5 * centre < between < 0.93 * centre


def test_grid_triangles_cover_the_grid_once() -> None:
    rows, columns = 4, 6
    triangles = grid_triangles(rows, columns)
    y, x = np.divmod(triangles, columns)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (y[:, 1] - y[:, 0]) * (x[:, 2] - x[:, 0])
    assert (area == 1).all() and len(triangles) == 2 * (rows - 1) * (columns - 1)
