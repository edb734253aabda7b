"""Tracking made-up videos whose motion is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.create import create_avatar
from engine.avatar.face_pose import RIGID_LANDMARKS, canonical_face, fit_pose
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.photo import open_portrait
from engine.avatar.track import CAMERA_HEAD_WIDTHS, PIVOT_CM, head_poses, track_video
from engine.conventions import ARKIT_INDEX
from engine.errors import InputError
from engine.motion.values import Motion
from engine.render.drive import CAMERA_DISTANCE
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from tests.engine.avatar.videos import write_video


def moved(image: Image, roll_deg: float, shift: tuple[float, float], zoom: float = 1.0) -> Image:
    """Turned clockwise about the middle, then shifted right and down."""
    side = len(image)
    affine = cv2.getRotationMatrix2D((side / 2, side / 2), -roll_deg, zoom)
    affine[:, 2] += shift
    return cv2.warpAffine(image, affine, (side, side), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The canonical face after pitch, yaw and roll in degrees, written out from POSE_NAMES."""
    x, y, z = canonical_face().astype(np.float64).T
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    y, z = (
        y * np.cos(pitch) - z * np.sin(pitch),
        y * np.sin(pitch) + z * np.cos(pitch),
    )  # -z, the nose, goes down
    x, z = x * np.cos(yaw) - z * np.sin(yaw), x * np.sin(yaw) + z * np.cos(yaw)  # the nose goes right
    x, y = x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)  # clockwise, y down
    return np.stack([x, y, z], axis=1)


@pytest.mark.parametrize("angles", [(0, 0, 0), (14, 0, 0), (0, 11, 0), (0, 0, 13), (-12, 8, -9), (9, -10, 5)])
def test_fit_finds_the_pose_of_a_turned_face(angles: tuple[float, float, float]) -> None:
    points = 20.0 * turned(*angles) + (300.0, 200.0, 0.0)
    pose = fit_pose(canonical_face(), points)
    np.testing.assert_allclose(pose.angles_deg, angles, atol=0.01)
    assert pose.scale == pytest.approx(20.0) and pose.residual < 0.01
    np.testing.assert_allclose(pose.shift, (300.0, 200.0), atol=0.01)


def test_fit_shrugs_off_outliers() -> None:
    points = 20.0 * turned(8.0, -5.0, 3.0)[RIGID_LANDMARKS]
    points[[3, 17, 30]] += (40.0, -60.0, 0.0)
    pose = fit_pose(canonical_face()[RIGID_LANDMARKS], points)
    np.testing.assert_allclose(pose.angles_deg, (8.0, -5.0, 3.0), atol=0.5)


def test_turning_on_the_spot_is_no_translation() -> None:
    """A head turns about a point between ears and neck: its picture shifts, the head does not."""
    landmarks = np.zeros((2, 478, 3), np.float32)
    pivot = np.array(PIVOT_CM)
    for row, yaw in enumerate((0.0, 12.0)):
        spun = turned(yaw, 0.0, 0.0) - pivot @ np.array(
            [
                [np.cos(np.radians(yaw)), 0, np.sin(np.radians(yaw))],
                [0, 1, 0],
                [-np.sin(np.radians(yaw)), 0, np.cos(np.radians(yaw))],
            ]
        )
        landmarks[row, :468] = 20.0 * spun
    still, turn = head_poses(landmarks)
    np.testing.assert_allclose(still, 0.0, atol=1e-3)
    np.testing.assert_allclose(turn, (12.0, 0, 0, 0, 0, 0), atol=0.02)


def test_video_gives_motion_at_25_fps(tmp_path: Path, landmarker: FaceLandmarker, hopper: Image) -> None:
    portrait = open_portrait(hopper, landmarker)
    path = tmp_path / "moving.mp4"
    rolls = np.linspace(0.0, 10.0, 13)
    write_video(path, [moved(portrait.photo, roll, (2 * roll, 0)) for roll in rolls], rate=30)
    motions = track_video(path)
    assert [motion.number for motion in motions] == list(range(11))  # 12 steps of 1/30 s: 0.4 s
    pose = np.array([motion.pose for motion in motions])
    np.testing.assert_allclose(pose[:, 2], np.linspace(0.0, 10.0, 11), atol=1.0)
    assert np.abs(pose[:, :2]).max() < 3.0
    assert (
        pose[-1, 3] > 0.03
    )  # 20 px to the right, of a head about 190 px wide, less what the turn takes back
    assert all(motion.blendshapes[ARKIT_INDEX["jawOpen"]] < 0.1 for motion in motions)


def test_coming_nearer_is_positive_z(landmarker: FaceLandmarker, hopper: Image) -> None:
    photo = open_portrait(hopper, landmarker).photo
    found = [landmarker.track(moved(photo, 0.0, (0.0, 0.0), zoom), None) for zoom in (1.0, 1.15)]
    points = np.array([one.points for one in found if one is not None])
    assert head_poses(points)[1, 5] > 0.2


def test_depth_is_read_as_it_is_drawn() -> None:
    assert CAMERA_HEAD_WIDTHS == CAMERA_DISTANCE


def test_video_without_a_face_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    write_video(path, [np.full((96, 128, 3), 120, np.uint8)] * 4, rate=25)
    with pytest.raises(InputError, match="with a face, found none"):
        track_video(path)


def test_a_drawn_pose_is_tracked_back(landmarker: FaceLandmarker, hopper: Image) -> None:
    """Renderer and tracker agree on directions and about on sizes; the landmarks see pitch a third too small."""
    renderer = GeometricRenderer(create_avatar(hopper), 512)
    drawn = [
        (0, 0, 0, 0, 0, 0),
        (12, 0, 0, 0, 0, 0),
        (0, 10, 0, 0, 0, 0),
        (0, 0, 12, 0, 0, 0),
        (-8, -6, -5, 0.05, 0.03, 0),
    ]
    points = []
    for pose in drawn:
        frame = renderer.render(Motion(0, np.zeros(52, np.float32), np.array(pose, np.float32)), StageTimer())
        picture = np.ascontiguousarray(frame.view(np.uint8).reshape(512, 512, 4)[..., :3])
        found = landmarker.track(picture, None)
        assert found is not None
        points.append(found.points)
    tracked = head_poses(np.array(points))
    off = tracked - np.array(drawn)
    assert np.abs(off[:, [0, 2]]).max() < 2.5 and np.abs(off[:, 1]).max() < 4.0
    assert np.abs(off[:, 3:5]).max() < 0.05 and np.abs(off[:, 5]).max() < 0.4
