"""Frames of made-up avatars against what arithmetic says they should show."""

from dataclasses import replace

import numpy as np
import pytest

from engine.conventions import POSE_NAMES
from engine.errors import SettingError
from engine.motion.values import Motion, rest
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from tests.engine.render.made_up import SIDE, mouth_avatar, picture, sheet_avatar

RED = 0xFF0000FF


def levels(frame: np.ndarray) -> np.ndarray:
    return frame.view(np.uint8).reshape(*frame.shape, 4).astype(int)


def shifted(x: float, y: float) -> Motion:
    return replace(rest(0), pose=np.array([0, 0, 0, x, y, 0], np.float32))


def test_rest_shows_the_photo_itself() -> None:
    frame = GeometricRenderer(sheet_avatar(), SIDE).render(rest(0), StageTimer())
    assert np.abs(levels(frame) - levels(picture())).max() <= 1


def test_a_shift_of_whole_pixels_shifts_the_picture() -> None:
    frame = GeometricRenderer(sheet_avatar(), SIDE).render(shifted(4 / 50, -2 / 50), StageTimer())
    want = np.roll(levels(picture()), (-2, 4), axis=(0, 1))
    assert np.abs(frame_inside(levels(frame)) - frame_inside(want)).max() <= 1


def test_between_two_pixels_the_picture_stays_sharp() -> None:
    """Stripes four pixels wide, half a pixel further: the mean of two neighbours would leave 0.71 of their contrast."""
    wave = np.rint(127 + 100 * np.cos(np.arange(SIDE) * np.pi / 2)).astype(np.uint32)
    stripes = np.tile(0xFF000000 | wave * 0x010101, (SIDE, 1)).astype(np.uint32)
    for atlas, motion in ((stripes, shifted(0.5 / 50, 0)), (stripes.T.copy(), shifted(0, 0.5 / 50))):
        frame = GeometricRenderer(sheet_avatar(atlas=atlas), SIDE).render(motion, StageTimer())
        grey = frame_inside(levels(frame))[..., 0]
        assert (
            np.abs(np.abs(grey - 127) - 100 * np.sqrt(0.5)).max() <= 7
        )  # half way down the wave on either side


def frame_inside(image: np.ndarray) -> np.ndarray:
    return image[8:-8, 8:-8]


def test_the_background_shows_where_the_mesh_has_gone() -> None:
    frame = GeometricRenderer(sheet_avatar(), SIDE).render(shifted(1.0, 0), StageTimer())
    assert (frame[:, :40] == 0xFF00FF00).all()


def test_a_larger_frame_is_the_same_picture() -> None:
    frame = GeometricRenderer(sheet_avatar(), 2 * SIDE).render(rest(0), StageTimer())
    small = levels(frame).reshape(SIDE, 2, SIDE, 2, 4).mean(axis=(1, 3))
    assert np.abs(frame_inside(small) - frame_inside(levels(picture()))).max() <= 3


def test_fine_texture_does_not_flicker_in_a_smaller_frame() -> None:
    """Stripes one pixel wide, drawn at two thirds: grey at every position, not bands that move."""
    stripes = np.where(np.arange(SIDE) % 2, 0xFFFFFFFF, 0xFF000000).astype(np.uint32)
    renderer = GeometricRenderer(sheet_avatar(atlas=np.tile(stripes, (SIDE, 1))), 64)
    for shift in (0.0, 0.25 / 50, 0.5 / 50):
        grey = frame_inside(levels(renderer.render(shifted(shift, 0), StageTimer())))[..., 0]
        assert abs(grey.mean() - 127) < 4
        assert np.ptp(grey) < 140  # 255 without


@pytest.mark.parametrize("supersample", [False, True])
def test_the_cavity_shows_through_the_open_lips_only(supersample: bool) -> None:
    open_frame = GeometricRenderer(mouth_avatar(10), SIDE).render(
        rest(0), StageTimer(), supersample=supersample
    )
    inside = levels(open_frame)[44:52, 32:64]
    assert (inside[..., 1:3] == 0).all()
    assert (inside[..., 0] > 60).all()
    assert np.abs(levels(open_frame)[60:] - levels(picture())[60:]).max() <= 1
    shut = GeometricRenderer(mouth_avatar(0), SIDE).render(rest(0), StageTimer(), supersample=supersample)
    assert np.abs(levels(shut) - levels(picture())).max() <= 1


def test_supersampling_softens_edges() -> None:
    """An edge at a quarter of a pixel: without it, full steps; with it, mixed colours on that row."""
    avatar = mouth_avatar(9.0)
    hard = GeometricRenderer(avatar, SIDE).render(rest(0), StageTimer(), supersample=False)
    soft = GeometricRenderer(avatar, SIDE).render(rest(0), StageTimer(), supersample=True)
    difference = np.abs(levels(hard) - levels(soft))[:, 32:64].max(axis=(1, 2))
    assert difference[[43, 52]].min() > 30
    assert difference[46:50].max() <= 1


def test_fills_the_given_frame_and_repeats_itself() -> None:
    renderer = GeometricRenderer(mouth_avatar(6), SIDE)
    out = np.full((SIDE, SIDE), 0x5A5A5A5A, np.uint32)
    motion = replace(rest(0), pose=np.array([5, -3, 8, 0.02, 0, 0.05], np.float32))
    assert renderer.render(motion, StageTimer(), out) is out
    first = out.copy()
    renderer.render(rest(1), StageTimer(), out)
    assert not np.array_equal(out, first)
    assert np.array_equal(renderer.render(motion, StageTimer()), first)


def test_times_every_stage() -> None:
    timer = StageTimer()
    GeometricRenderer(mouth_avatar(6), SIDE).render(rest(0), timer)
    assert list(timer.take()) == ["drive", "rasterise", "composite", "detail"]


def test_a_motion_that_is_not_finite_still_gives_a_frame() -> None:
    motion = Motion(0, np.full(52, np.nan, np.float32), np.full(len(POSE_NAMES), np.nan, np.float32))
    frame = GeometricRenderer(mouth_avatar(6), SIDE).render(motion, StageTimer())
    assert (frame >> 24 == 255).all()


def test_refuses_odd_sizes() -> None:
    with pytest.raises(SettingError, match="even"):
        GeometricRenderer(sheet_avatar(), 255)
