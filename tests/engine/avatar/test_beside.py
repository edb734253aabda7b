"""Tight photos: what lies beside them on the canvas."""

import cv2
import numpy as np
import pytest

from engine.avatar.beside import background_beside
from engine.avatar.create import create_avatar
from engine.avatar.landmarks import FaceLandmarker, Image

SIDE = 120
BLUE, BROWN = (40, 80, 200), (120, 80, 30)


@pytest.fixture
def padded() -> tuple[Image, np.ndarray, np.ndarray]:
    """A brown person over blue whom the left edge cuts from head to toe; 30 columns on the left continue that edge."""
    photo = np.full((SIDE, SIDE, 3), BLUE, np.uint8)
    photo[20:, :80] = BROWN
    coverage = np.zeros((SIDE, SIDE), np.float32)
    coverage[20:, :80] = 1.0
    inside = np.ones((SIDE, SIDE), bool)
    inside[:, :30] = False
    return photo, inside, coverage


def test_background_is_led_past_a_cut_head_and_not_past_shoulders(
    padded: tuple[Image, np.ndarray, np.ndarray],
) -> None:
    photo, inside, coverage = padded
    made = background_beside(photo, inside, coverage, chin=70.0)
    assert (made[inside] == photo[inside]).all()
    assert np.abs(made[30:65, :15].astype(int) - BLUE).max() < 12
    assert (made[85:, :15] == BROWN).all()
    assert (np.diff(made[40, :31, 2].astype(int)) <= 0).all()  # from blue to brown without an edge
    assert np.abs(np.diff(made[40, :, 2].astype(int)))[:60].max() < 50


def test_without_background_or_padding_nothing_changes(
    padded: tuple[Image, np.ndarray, np.ndarray],
) -> None:
    photo, inside, coverage = padded
    assert (background_beside(photo, inside, np.ones_like(coverage), 70.0) == photo).all()
    above = np.ones_like(inside)
    above[:30] = False  # padded above alone
    assert (background_beside(photo, above, coverage, 70.0) == photo).all()


def test_beside_a_tight_photo_lies_background_and_no_streak_of_hair(
    landmarker: FaceLandmarker, astronaut: Image
) -> None:
    face = landmarker.locate(astronaut, landmarker.detect(astronaut)[0], blendshapes=False)
    x, y, width, height = (round(value) for value in face.box)
    tight = astronaut[y - height // 3 : y + height + height // 8, x - width // 8 : x + width + width // 8]
    tight = cv2.resize(tight, None, fx=3.0, fy=3.0, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    avatar = create_avatar(tight)
    shown = avatar.background.view(np.uint8).reshape(avatar.side, avatar.side, 4)[:, :, :3].astype(int)
    edges = np.concatenate([shown[: avatar.side // 2, :8], shown[: avatar.side // 2, -8:]], axis=1)
    assert np.ptp(edges.mean(axis=(1, 2))) < 60  # hair at the edge drew a dark band, 80 levels below
