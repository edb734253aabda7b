"""Where the avatar lies on the canvas, what melts into what, and that nothing is stretched."""

import cv2
import numpy as np
import pytest

from engine.errors import SettingError
from streaming.camera.canvas import Canvas, planes

GREEN = (40, 180, 90)


def background(width: int, height: int, colour: tuple[int, int, int] = GREEN) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def luma_of(colour: tuple[int, int, int]) -> int:
    return int(cv2.cvtColor(np.full((2, 2, 3), colour, np.uint8), cv2.COLOR_RGB2YUV_I420)[0, 0])


def i420(size: int, luma: int, u: int = 128, v: int = 128) -> np.ndarray:
    picture = np.empty((size * 3 // 2, size), np.uint8)
    for plane, value in zip(planes(picture), (luma, u, v), strict=True):
        plane[:] = value
    return picture


def test_the_square_fills_the_height_in_the_middle_of_the_background() -> None:
    luma, u, v = planes(Canvas(background(1280, 720), badge=False).compose(i420(512, 220, 90, 170)))
    assert luma.shape == (720, 1280) and u.shape == v.shape == (360, 640)
    middle = luma[:, 280 + 48 : 1000 - 48]
    assert (middle == 220).all()
    assert (luma[:, :280] == luma_of(GREEN)).all() and (luma[:, 1000:] == luma_of(GREEN)).all()
    assert (u[:, 140 + 24 : 500 - 24] == 90).all() and (v[:, 140 + 24 : 500 - 24] == 170).all()


def test_its_sides_melt_into_the_background_without_a_step() -> None:
    luma, _, _ = planes(Canvas(background(1280, 720), badge=False).compose(i420(512, 220)))
    row = luma[300].astype(int)
    assert np.abs(np.diff(row)).max() <= 8  # of 120 levels between the two
    rising = row[280:329]
    assert (np.diff(rising) >= 0).all() and rising[0] < luma_of(GREEN) + 5 and rising[-1] == 220


def test_a_circle_stays_a_circle() -> None:
    picture = i420(512, 16)
    cv2.circle(planes(picture)[0], (256, 256), 100, 235, -1)
    luma, _, _ = planes(Canvas(background(1280, 720), badge=False).compose(picture))
    rows, columns = np.nonzero(luma[:, 340:940] > 200)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1
    assert np.ptp(rows) == pytest.approx(200 * 720 / 512, abs=2)


def test_nothing_of_the_picture_before_stays_at_the_edges() -> None:
    canvas = Canvas(background(640, 480))
    fresh = Canvas(background(640, 480)).compose(i420(256, 50)).copy()
    for luma in (235, 16, 128):
        canvas.compose(i420(256, luma))
    np.testing.assert_array_equal(canvas.compose(i420(256, 50)), fresh)


def test_a_square_canvas_has_no_edges_to_melt() -> None:
    luma, _, _ = planes(Canvas(background(512, 512), badge=False).compose(i420(512, 77)))
    assert (luma == 77).all()


@pytest.mark.parametrize("width", [1280, 720])
def test_the_badge_is_in_the_canvas_corner_and_nowhere_else(width: int) -> None:
    with_badge = Canvas(background(width, 720)).compose(i420(512, 128))
    without = Canvas(background(width, 720), badge=False).compose(i420(512, 128))
    for ours, plain, step in zip(planes(with_badge), planes(without), (1, 2, 2), strict=True):
        rows, columns = np.nonzero(np.abs(ours.astype(int) - plain) > 1)
        if step == 1:
            assert len(rows) > 500 and ours.max() > 190  # the light letters
        if len(rows):
            assert rows.min() * step > 720 * 0.9 and columns.min() * step > width - 720 * 0.25


@pytest.mark.parametrize("size", [(1279, 720), (1280, 719), (480, 640), (100, 100), (8000, 720)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SettingError, match=f"got {size[0]} x {size[1]}"):
        Canvas(background(*size))
