"""Tracking made-up videos whose motion is known."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.face_pose import RIGID_LANDMARKS, canonical_face, fit_pose
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.own_head import face_at, make_own_head
from engine.avatar.photo import open_portrait
from engine.avatar.track import smooth, track_video
from engine.conventions import ARKIT_INDEX
from engine.errors import InputError, PhotoError
from engine.motion.values import Motion
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


def test_a_face_that_comes_late_is_tracked(tmp_path: Path, hopper: Image) -> None:
    path = tmp_path / "late.mp4"
    write_video(path, [*[np.zeros_like(hopper)] * 3, *[hopper] * 3], rate=25)
    assert len(track_video(path)) == 6


def test_of_several_faces_one_is_tracked(
    tmp_path: Path, landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    side = 512
    two = np.hstack([cv2.resize(face, (side, side)) for face in (astronaut, hopper)]).astype(np.uint8)
    path = tmp_path / "two.mp4"
    write_video(path, [two] * 2, rate=25)
    assert len(track_video(path)) == 2
    for left in (0, side):
        about = np.array([[left, 0.0], [left + side, side]])
        head = make_own_head(two, landmarker, face_at(about))
        assert left < head.landmarks.points[:, 0].mean() < left + side


def test_a_head_is_made_of_a_face_that_looks_into_the_camera(
    landmarker: FaceLandmarker, hopper: Image
) -> None:
    """A photo may be tilted farther: what a tracked face does counts from the picture that its head is made of."""
    tilted = moved(hopper[:512], 33.0, (0.0, 0.0), 0.8)
    assert open_portrait(tilted, landmarker).angles_deg[2] > 28
    with pytest.raises(PhotoError, match="looks into the camera, got one turned by about 3"):
        make_own_head(tilted, landmarker)


def test_video_without_a_face_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    write_video(path, [np.full((96, 128, 3), 120, np.uint8)] * 4, rate=25)
    with pytest.raises(InputError, match="with a face, found none"):
        track_video(path)


def drawn(avatar: Avatar, motions: list[Motion]) -> list[Image]:
    renderer = GeometricRenderer(avatar, 512)
    frames = [renderer.render(motion, StageTimer()) for motion in motions]
    return [np.ascontiguousarray(frame.view(np.uint8).reshape(512, 512, 4)[..., :3]) for frame in frames]


def test_what_an_avatar_did_is_tracked_back(tmp_path: Path, hopper: Image, astronaut: Image) -> None:
    """With the avatar itself, with none and with somebody else's."""
    avatar = create_avatar(hopper)
    poses = np.array(
        [
            (0, 0, 0, 0, 0, 0),
            (12, 0, 0, 0, 0, 0),
            (0, 10, 0, 0, 0, 0),
            (0, 0, 12, 0, 0, 0),
            (-8, -6, -5, 0.05, 0.03, 0),
            (0, 0, 0, 0, 0, 0.5),
        ],
        np.float32,
    )
    shapes = np.zeros((len(poses) + 1, 52), np.float32)
    shapes[-1, ARKIT_INDEX["jawOpen"]] = 0.5
    poses = np.concatenate([poses, np.zeros((1, 6), np.float32)])
    path = tmp_path / "played.mp4"
    write_video(
        path, drawn(avatar, [Motion(n, s, p) for n, (s, p) in enumerate(zip(shapes, poses, strict=True))]), 25
    )
    for player in (avatar, None, create_avatar(astronaut)):
        motions = track_video(path, player)
        off = np.array([motion.pose for motion in motions]) - poses
        assert np.abs(off[:, :3]).max() < 3.0
        assert np.abs(off[:, 3:5]).max() < 0.05 and np.abs(off[:, 5]).max() < 0.3
        jaw = [motion.blendshapes[ARKIT_INDEX["jawOpen"]] for motion in motions]
        assert max(jaw[:-1]) < 0.1 < 0.25 < jaw[-1] < 0.7


def test_smoothing_calms_noise_and_keeps_jumps() -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.01, (200, 1)).astype(np.float32)
    assert smooth(noise, 0.05).std() < 0.6 * noise.std()
    jump = np.repeat([[0.0], [1.0]], 5, axis=0).astype(np.float32)
    np.testing.assert_allclose(smooth(jump, 0.05), jump, atol=1e-6)
    ramp = np.arange(20, dtype=np.float32)[:, None] * 0.02
    np.testing.assert_allclose(smooth(ramp, 0.05)[2:-2], ramp[2:-2], atol=1e-6)  # no lag
