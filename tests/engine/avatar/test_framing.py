"""Which square of a photo becomes the canvas: a face of 100 x 120 px in photos of many shapes."""

import numpy as np
import pytest

from engine.avatar.framing import CHIN, CHIN_MARGIN, FOREHEAD, Framing, frame_face
from engine.avatar.landmarks import Landmarks


def framed(width: int, height: int, x: float, forehead: float) -> tuple[Framing, float, float]:
    """The framing for a face whose middle and forehead lie there; where forehead and chin come to lie, of the side."""
    points = np.zeros((478, 3), np.float32)
    points[:, 0], points[:, 1] = x, forehead + 60.0
    points[0, 0], points[1, 0] = x - 50.0, x + 50.0
    points[FOREHEAD, 1], points[CHIN, 1] = forehead, forehead + 120.0
    framing = frame_face((height, width), Landmarks(points, 1.0, np.zeros(52, np.float32)))
    scale, shift = framing.canvas_from_photo[1, 1:] / framing.side
    return framing, float(scale * forehead + shift), float(scale * (forehead + 120.0) + shift)


def test_a_roomy_photo_shows_head_and_shoulders_unpadded() -> None:
    framing, forehead, chin = framed(600, 600, 300.0, 200.0)
    assert not framing.padded
    assert 0.2 < forehead and chin < 0.75


@pytest.mark.parametrize(("width", "height"), [(160, 400), (150, 200), (180, 220)])
def test_narrow_photos_keep_room_below_the_chin(width: int, height: int) -> None:
    """It nods and opens: with the forehead's room given first, chins touched the lower border."""
    _, forehead, chin = framed(width, height, width / 2, 60.0)
    assert forehead > 0.15
    assert chin <= 1.0 - 0.9 * CHIN_MARGIN


def test_nothing_is_made_up_above_a_head_that_the_photo_cuts() -> None:
    """The border's pixels, repeated, would be a forehead without end."""
    framing, forehead, _ = framed(150, 150, 75.0, 4.0)
    assert framing.canvas_from_photo[1, 2] <= 0.0  # the photo's upper border is the canvas' or above it
    assert forehead < 0.05


def test_above_a_whole_head_there_may_be_padding() -> None:
    framing, forehead, _ = framed(170, 190, 85.0, 40.0)
    assert framing.padded and forehead > 0.2


def test_a_face_at_the_side_stays_near_the_middle() -> None:
    framing, _, _ = framed(600, 600, 60.0, 200.0)
    scale, _, shift = framing.canvas_from_photo[0] / framing.side
    assert framing.padded and 0.3 < scale * 60.0 + shift < 0.5
