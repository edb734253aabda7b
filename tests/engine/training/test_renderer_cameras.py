"""Pictures as other cameras take them."""

import cv2
import numpy as np

from engine.training.renderer_cameras import OtherCamera, other_camera, same_camera

DICE = np.random.default_rng(3)
PICTURE = cv2.GaussianBlur(DICE.integers(0, 256, (48, 64, 3)).astype(np.uint8), (0, 0), 1.5)


def test_the_same_camera_changes_nothing() -> None:
    np.testing.assert_array_equal(same_camera().take(PICTURE), PICTURE)


def test_curves_are_looked_up_for_each_channel() -> None:
    curves = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)], axis=1).astype(np.uint8)
    taken = OtherCamera(curves).take(PICTURE)
    np.testing.assert_array_equal(taken[..., 0], PICTURE[..., 0])
    np.testing.assert_array_equal(taken[..., 1], 255 - PICTURE[..., 1])
    assert (taken[..., 2] == 7).all()


def test_no_colour_is_grey_and_blur_is_soft() -> None:
    curves = same_camera().curves
    grey = OtherCamera(curves, colour=0.0).take(PICTURE)
    assert np.ptp(grey, axis=2).max() <= 1
    np.testing.assert_allclose(grey[..., 0], PICTURE @ [0.299, 0.587, 0.114], atol=1.0)
    soft = OtherCamera(curves, sigma=2.0).take(PICTURE)
    assert (
        np.abs(np.diff(soft.astype(float), axis=1)).mean()
        < 0.6 * np.abs(np.diff(PICTURE.astype(float), axis=1)).mean()
    )
    coded = OtherCamera(curves, quality=40).take(PICTURE)
    assert 0.5 < np.abs(coded.astype(float) - PICTURE).mean() < 12.0


def test_cameras_differ_keep_order_and_repeat() -> None:
    cameras = [other_camera(np.random.default_rng(seed)) for seed in range(40)]
    for camera in cameras:
        assert (np.diff(camera.curves.astype(int), axis=0) >= 0).all()
    means = [float(camera.take(PICTURE).mean()) for camera in cameras]
    assert np.std(means) > 5.0
    assert 10 <= sum(camera.sigma > 0 for camera in cameras) <= 30
    assert 3 <= sum(camera.quality > 0 for camera in cameras) <= 20
    again = other_camera(np.random.default_rng(5)).take(PICTURE)
    np.testing.assert_array_equal(again, cameras[5].take(PICTURE))
