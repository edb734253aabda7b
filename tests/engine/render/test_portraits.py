"""The bundled portraits, drawn: the photo at rest, no holes, lids that close, eyes that turn."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.photo import open_portrait
from engine.conventions import ARKIT_INDEX, POSE_NAMES
from engine.motion.values import Motion, rest
from engine.render.clothing import in_front
from engine.render.drive import Driver, head_rotation
from engine.render.geometric import GeometricRenderer, _texture_for
from engine.render.layers import LID_POINTS, part_vertices
from engine.render.photo_mouth import photo_mouth_opacity
from engine.timing import StageTimer
from kernels.frame import painter

PORTRAITS = Path(__file__).parents[3] / "engine" / "assets" / "portraits"
MAGENTA = 0xFFFF00FF
EYES = {"left": (263, 362, 386, 374), "right": (33, 133, 159, 145)}  # corners, upper and lower lid
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OVAL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]


@pytest.fixture(scope="module", params=["grace_hopper.jpg", "astronaut.png"])
def picture(request: pytest.FixtureRequest) -> Path:
    return PORTRAITS / str(request.param)


@pytest.fixture(scope="module")
def avatar(picture: Path) -> Avatar:
    return create_avatar(picture)


def moved(**values: float) -> Motion:
    motion = rest(0)
    pose = np.array([values.pop(name, 0.0) for name in POSE_NAMES], np.float32)
    for name, value in values.items():
        motion.blendshapes[ARKIT_INDEX[name]] = value
    return replace(motion, pose=pose)


def draw(avatar: Avatar, motion: Motion) -> np.ndarray:
    return GeometricRenderer(avatar, avatar.side).render(motion, StageTimer())


def luma(frame: np.ndarray) -> np.ndarray:
    return frame.view(np.uint8).reshape(*frame.shape, 4)[..., :3] @ np.array([0.299, 0.587, 0.114])


def eye_box(avatar: Avatar, side: str) -> tuple[slice, slice]:
    points = avatar.landmarks[list(EYES[side]), :2]
    low, high = np.floor(points.min(axis=0)).astype(int), np.ceil(points.max(axis=0)).astype(int)
    return np.s_[low[1] : high[1], low[0] : high[0]]


def test_rest_keeps_the_eyes_of_the_photo(avatar: Avatar, picture: Path) -> None:
    frame = luma(draw(avatar, rest(0)))
    photo = open_portrait(picture, FaceLandmarker()).photo @ np.array([0.299, 0.587, 0.114])
    for side in EYES:
        rows, columns = eye_box(avatar, side)
        box = np.s_[rows.start - 8 : rows.stop + 4, columns]  # with the lashes
        assert np.abs(frame[box] - photo[box]).mean() < 3


@pytest.mark.parametrize(
    "also", [{}, {"eyeLookDown": 0.8}, {"eyeSquint": 0.7}, {"eyeWide": 0.6}, {"eyeLookUp": 0.5}]
)
def test_lids_meet_in_a_blink_whatever_else_moves_them(avatar: Avatar, also: dict[str, float]) -> None:
    values = {
        f"{name}{side}": value
        for name, value in ({"eyeBlink": 1.0} | also).items()
        for side in ("Left", "Right")
    }
    positions = Driver(avatar).drive(moved(**values))
    for side in EYES:
        margins = part_vertices(avatar, f"{side}_lashes")[: 2 * LID_POINTS]
        gap = positions[margins[LID_POINTS:], 1] - positions[margins[:LID_POINTS], 1]
        assert np.abs(gap[3:-3]).max() < 2.0


@pytest.mark.parametrize(
    "values",
    [
        {"jawOpen": 0.7},
        {"jawOpen": 0.3, "mouthFunnel": 0.6, "yaw_deg": 15},
        {"jawOpen": 0.4, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "yaw_deg": -15, "roll_deg": 12},
        {"jawOpen": 0.5, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6, "pitch_deg": -12},
        {
            "eyeWideLeft": 0.8,
            "eyeWideRight": 0.8,
            "eyeLookOutLeft": 0.9,
            "eyeLookInRight": 0.9,
            "pitch_deg": 12,
        },
    ],
)
def test_no_hole_in_the_face_shows_the_background(avatar: Avatar, values: dict[str, float]) -> None:
    background = np.full_like(avatar.background, MAGENTA)
    atlas = avatar.atlas | np.uint32(0)
    atlas[: avatar.side, : avatar.side] |= np.uint32(0xFF000000)  # the matte is another matter
    frame = draw(replace(avatar, background=background, atlas=atlas), moved(**values))
    face = np.zeros(frame.shape, np.uint8)
    oval = avatar.landmarks[OVAL, :2]
    inner = oval.mean(axis=0) + 0.8 * (oval - oval.mean(axis=0))
    cv2.fillPoly(face, [np.rint(inner).astype(np.int32)], 1)
    red, green, blue = ((frame >> shift & 255).astype(int) for shift in (0, 8, 16))
    assert not ((face > 0) & (red > 200) & (green < 60) & (blue > 200)).any()


@pytest.mark.parametrize("side", EYES)
def test_a_blink_hides_the_eye(avatar: Avatar, side: str) -> None:
    opened, shut = draw(avatar, rest(0)), draw(avatar, moved(eyeBlinkLeft=1.0, eyeBlinkRight=1.0))
    box = eye_box(avatar, side)
    height = box[0].stop - box[0].start
    assert np.std(luma(shut)[box][: height // 2]) < 0.8 * np.std(luma(opened)[box][: height // 2])
    assert np.abs(luma(shut)[box] - luma(opened)[box]).mean() > 12


@pytest.mark.parametrize("side", EYES)
def test_the_iris_goes_where_the_gaze_goes(avatar: Avatar, side: str) -> None:
    def iris_x(motion: Motion) -> float:
        dark = np.clip(90 - luma(draw(avatar, motion))[eye_box(avatar, side)], 0, None)
        return float((dark.sum(axis=0) * np.arange(dark.shape[1])).sum() / dark.sum())

    left = moved(eyeLookOutLeft=0.6, eyeLookInRight=0.6)  # the person's left, the viewer's right
    right = moved(eyeLookInLeft=0.6, eyeLookOutRight=0.6)
    assert iris_x(left) > iris_x(right) + 1


def test_teeth_show_in_an_open_mouth_and_not_in_a_shut_one(avatar: Avatar) -> None:
    """Light pixels between the lips, less coloured than the lips and the skin below them."""
    corners = avatar.landmarks[[61, 291], :2]
    centre, width = corners.mean(axis=0), np.ptp(corners[:, 0])
    rows = np.s_[int(centre[1] - 0.1 * width) : int(centre[1] + 0.5 * width)]
    columns = np.s_[int(centre[0] - 0.2 * width) : int(centre[0] + 0.2 * width)]

    def paleness(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
        pixels = draw(avatar, motion)[rows, columns]
        rgb = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1, 4)[:, :3].astype(float)
        return rgb.min(axis=1) / np.maximum(rgb.max(axis=1), 1), rgb.max(axis=1)

    skin = np.median(paleness(rest(0))[0])

    def teeth(motion: Motion) -> float:
        pale, light = paleness(motion)
        return float(((light > 120) & (pale > skin + 0.25 * (1 - skin))).mean())

    opened = moved(jawOpen=0.3, mouthUpperUpLeft=0.5, mouthUpperUpRight=0.5, mouthLowerDownLeft=0.5)
    assert teeth(opened) > teeth(rest(0)) + 0.05


def test_clothing_stays_when_the_head_tilts(avatar: Avatar) -> None:
    chin, height = avatar.landmarks[152], np.ptp(avatar.landmarks[[10, 152], 1])
    rows = slice(round(float(chin[1] + 0.45 * height)), avatar.side)
    still, tilted = (luma(draw(avatar, moved(roll_deg=roll)))[rows] for roll in (0.0, 12.0))
    assert np.abs(still - tilted).max() < 2.0


def test_the_chin_comes_down_over_the_clothing(avatar: Avatar) -> None:
    """Where the jaw opens over a collar, the frame shows what the mesh without clothing shows."""
    part = avatar.part_names.index("clothing")
    bare = replace(avatar, triangles=avatar.triangles[avatar.triangle_part != part])
    bare = replace(bare, triangle_part=avatar.triangle_part[avatar.triangle_part != part])
    bare = replace(bare, part_names=tuple(n for n in avatar.part_names if n != "clothing"))
    motion = moved(jawOpen=0.8, pitch_deg=8.0)
    chin = Driver(avatar).drive(motion)[avatar.extras["landmark_vertex"][152]].mean(axis=0)
    x, y = round(float(chin[0])), round(float(chin[1])) - 4
    dressed, undressed = draw(avatar, motion)[y, x - 8 : x + 8], draw(bare, motion)[y, x - 8 : x + 8]
    assert (dressed == undressed).all()


def test_what_lies_over_clothing_is_as_solid_at_the_photos_border(avatar: Avatar) -> None:
    """A filter that shrinks the texture reads beyond it."""
    _, texture = in_front(avatar)
    side = avatar.side
    assert (texture[side : side + 6, :side] >> 24 == texture[side - 1, :side] >> 24).all()


@pytest.mark.parametrize("size", [256, 512])
def test_what_lies_over_clothing_is_drawn_as_from_the_whole_atlas(avatar: Avatar, size: int) -> None:
    face = GeometricRenderer(avatar, size)
    triangles, whole = in_front(avatar)
    whole, _ = _texture_for(whole, avatar.uv, face.scale)
    over = next(k for k, layer in enumerate(face.layers) if np.array_equal(layer.triangles, triangles))
    assert face.layers[over].atlas.size < whole.size
    layers = tuple(replace(layer, atlas=whole) if k == over else layer for k, layer in enumerate(face.layers))
    chosen = painter(layers, face.background, len(avatar.positions), face.scale)
    for motion in (rest(0), moved(yaw_deg=14, pitch_deg=-9, jawOpen=0.5), moved(roll_deg=-9, tx=0.1, tz=0.3)):
        want = np.empty((size, size), np.uint32)
        scene = face.scene(motion)
        chosen.depth(scene)
        chosen.paint(scene, want)
        chosen.details(scene, want)
        assert np.array_equal(face.render(motion, StageTimer()), want)


def test_a_scene_is_what_its_parts_make_of_the_motion_in_range(avatar: Avatar) -> None:
    face, driver = GeometricRenderer(avatar, 256), Driver(avatar)
    for motion in (face.photo_motion(), moved(yaw_deg=11, pitch_deg=4, ty=0.1, tz=0.2, jawOpen=0.3)):
        scene = face.scene(motion)
        assert np.array_equal(scene.positions, driver.drive(motion))
        bright = face.head_light.at(head_rotation(*motion.pose[:3].tolist()))
        unlit = np.setdiff1d(np.arange(len(bright)), np.concatenate([light.lit for light in face.lights]))
        assert np.array_equal(scene.attributes[0, unlit, 2], (avatar.shade * bright)[unlit])
        near = driver.nearness(motion) * driver.lips_free(motion)
        assert scene.opacity == (photo_mouth_opacity(near) if len(face.attributes) > 1 else 0)
    wild = moved(yaw_deg=90, jawOpen=3, mouthClose=-1)
    assert np.array_equal(face.render(wild, StageTimer()), face.render(wild.clamped(), StageTimer()))
