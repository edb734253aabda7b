"""What parted lips show is painted over in the skin's picture; a shut mouth's picture stays the photo."""

import numpy as np
import pytest

from engine.avatar.fit import fit_head
from engine.avatar.folds import soften_folds
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.lips import shut_lips_picture
from engine.avatar.parts import FittedHead
from engine.avatar.photo import open_portrait

MOUTH_CORNERS = (61, 291)  # landmarks


@pytest.fixture(scope="module")
def smiling(landmarker: FaceLandmarker, astronaut: Image) -> FittedHead:
    return fit_head(open_portrait(astronaut, landmarker))


def beside(head: FittedHead, corner: int, reach: float) -> tuple[slice, slice]:
    x, y = head.landmarks[corner, :2]
    half = reach * head.inter_ocular
    return slice(int(y - half), int(y + half) + 1), slice(int(x - half), int(x + half) + 1)


def test_a_shut_mouth_stays_the_photo(landmarker: FaceLandmarker, hopper: Image) -> None:
    head = fit_head(open_portrait(hopper, landmarker))
    assert shut_lips_picture(head, head.photo) is head.photo


@pytest.mark.parametrize("corner", MOUTH_CORNERS)
def test_no_dark_gap_is_left_in_the_corners(smiling: FittedHead, corner: int) -> None:
    box = beside(smiling, corner, 0.04)
    picture = shut_lips_picture(smiling, smiling.photo)
    assert smiling.photo[box].max(axis=2).min() < 100
    assert picture[box].max(axis=2).min() > 130


def test_the_teeth_are_gone_and_the_face_is_not_touched(smiling: FittedHead) -> None:
    picture = shut_lips_picture(smiling, smiling.photo)
    upper, lower = (smiling.in_photo[smiling.groups[f"{lip}_lip_contact"], :2] for lip in ("upper", "lower"))
    x, y = ((upper[len(upper) // 2] + lower[len(lower) // 2]) / 2).astype(int)
    tooth, lip = smiling.photo[y, x].astype(int), picture[y, x].astype(int)
    assert np.ptp(lip) > np.ptp(tooth) + 20
    changed = np.argwhere((picture != soften_folds(smiling, smiling.photo)).any(axis=2))[:, ::-1]
    mouth = np.concatenate([upper, lower])
    room = 0.15 * smiling.inter_ocular
    assert (changed > mouth.min(axis=0) - room).all() and (changed < mouth.max(axis=0) + room).all()
