"""Teeth found in the toothy portrait, and none in the other."""

import numpy as np
import pytest

from engine.avatar.fit import fit_head
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.mouth import build_mouth
from engine.avatar.parts import FittedHead
from engine.avatar.photo import open_portrait
from engine.avatar.photo_teeth import find_photo_teeth


@pytest.fixture(scope="module")
def smiling(landmarker: FaceLandmarker, astronaut: Image) -> FittedHead:
    return fit_head(open_portrait(astronaut, landmarker))


def test_a_shut_mouth_shows_no_teeth(landmarker: FaceLandmarker, hopper: Image) -> None:
    assert find_photo_teeth(fit_head(open_portrait(hopper, landmarker))) is None


def test_finds_bright_grey_teeth_between_the_lips(smiling: FittedHead) -> None:
    teeth = find_photo_teeth(smiling)
    assert teeth is not None
    assert teeth.colour.min() > 0.8 * teeth.colour.max() > 150
    rows, columns = np.nonzero(teeth.share > 0.5)
    upper, lower = (smiling.in_photo[smiling.groups[f"{lip}_lip_contact"]] for lip in ("upper", "lower"))
    assert upper[:, 1].min() < rows.min() and rows.max() < lower[:, 1].max() + 1
    assert upper[0, 0] < columns.min() and columns.max() < upper[-1, 0]
    edge = teeth.edge(np.array([teeth.middle]))[0]
    assert abs(edge - rows[np.abs(columns - teeth.middle) < 3].max()) < 4


def test_samples_the_photo_itself(smiling: FittedHead) -> None:
    teeth = find_photo_teeth(smiling)
    assert teeth is not None
    rows, columns = np.nonzero(teeth.share > 0.99)
    colour, share = teeth.sample(np.stack([columns, rows], axis=1)[None] + 0.5)
    assert np.abs(colour[0] - smiling.photo[rows, columns]).max() <= 1
    assert share.min() > 0.98


def test_the_photos_teeth_are_on_the_arch(smiling: FittedHead) -> None:
    """The front of the upper arch takes the photo's contrast; its gum stays made."""
    teeth = find_photo_teeth(smiling)
    assert teeth is not None
    upper = next(part for part in build_mouth(smiling) if part.name == "upper_teeth")
    row, middle = 12, upper.texture.shape[1] // 2
    front = upper.texture[row, middle - 40 : middle + 40].astype(float).mean(axis=0)
    assert np.abs(front - teeth.colour).max() < 45
    assert upper.texture[-3, middle, 0] > 1.25 * upper.texture[-3, middle, 1]
