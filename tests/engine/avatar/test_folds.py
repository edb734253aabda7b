"""Folds of a smile that the neutral face has lost are shallower; nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.fit import fit_head
from engine.avatar.folds import FOLD_LINES, LIPS, soften_folds
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.parts import FittedHead
from engine.avatar.photo import open_portrait
from engine.conventions import ARKIT_INDEX

SMILE = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]


@pytest.fixture(scope="module")
def smiling(landmarker: FaceLandmarker, astronaut: Image) -> FittedHead:
    return fit_head(open_portrait(astronaut, landmarker))


def with_smile(head: FittedHead, amount: float) -> FittedHead:
    shapes = head.photo_blendshapes.copy()
    shapes[SMILE] = amount
    return replace(head, photo_blendshapes=shapes)


def test_a_face_that_keeps_its_expression_keeps_its_folds(smiling: FittedHead) -> None:
    assert soften_folds(with_smile(smiling, 0.0), smiling.photo) is smiling.photo


def test_folds_grow_lighter_with_the_smile_that_went(smiling: FittedHead) -> None:
    x, y = np.rint(smiling.landmarks[[point for line in FOLD_LINES for point in line], :2].T).astype(int)
    half = round(0.1 * smiling.inter_ocular)
    darkest = [
        np.mean(
            [
                picture[b - half : b + half, a - half : a + half].min()
                for a, b in zip(x[1:5], y[1:5], strict=True)
            ]
        )
        for picture in (soften_folds(with_smile(smiling, s), smiling.photo) for s in (0.0, 0.15, 0.3))
    ]
    assert darkest[0] + 4 < darkest[1] < darkest[2] - 4


def test_nothing_grows_darker_and_lips_stay(smiling: FittedHead) -> None:
    picture = soften_folds(with_smile(smiling, 0.3), smiling.photo)
    assert (picture >= smiling.photo).all()
    x, y = np.rint(smiling.landmarks[list(LIPS), :2].T).astype(int)
    assert (picture[y, x] - smiling.photo[y, x].astype(int)).max() <= 8


def test_an_even_skin_stays_even(smiling: FittedHead) -> None:
    even = np.full_like(smiling.photo, (190, 150, 130))
    assert np.array_equal(soften_folds(with_smile(smiling, 0.3), even), even)
