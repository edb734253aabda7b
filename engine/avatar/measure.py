"""Measures an avatar on its own pictures: is the face where the mesh was commanded to be, do lips and lids meet,
does the background show through, is a texture stretched, is the photo still the photo?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.expressions import BOTH, POSES, Pose, motion_of
from engine.avatar.landmarks import MOUTH_OUTLINE, FaceLandmarker, Landmarks
from engine.avatar.matte import FACE_OVAL
from engine.avatar.parts import Float, Image, Int
from engine.motion.values import Motion
from engine.packed import rgb_of
from engine.render.drive import Driver
from engine.render.geometric import GeometricRenderer
from engine.render.layers import EYE_SIDES, LID_POINTS, LIP_POINTS, part_vertices
from engine.timing import StageTimer
from kernels.rasterise import rasterise

SIZE: Final = 512

BEHIND_LIPS: Final = ("mouth_cavity", "tongue", "lower_teeth", "upper_teeth", "mouth_shadow")
BEHIND_LIDS: Final = ("left_sclera", "left_iris", "right_sclera", "right_iris")
FULL_SHADE: Final = 4.0
"""The most that the compositor multiplies a colour by: with it a white texture stays white in any shadow."""

STRETCHED: Final = 4.0
"""A texture drawn so many times as long as in the photo, in any direction, counts as stretched."""

MOUTH_ROOM: Final = 0.2  # around the lips, of the mouth's width


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of an avatar: uint8 [SIZE, SIZE, 3] RGB, and where its vertices are, float32 [V, 3], its pixels."""

    picture: Image
    positions: Float


class Viewer:
    """Draws one avatar and tells where its vertices are."""

    def __init__(self, avatar: Avatar, size: int = SIZE) -> None:
        self.avatar = avatar
        self._renderer = GeometricRenderer(avatar, size)
        self._scale = np.float32(size / avatar.side)

    def show(self, motion: Motion) -> Shown:
        """Draw one motion."""
        picture = self.picture(motion)
        return Shown(picture, self._renderer.positions * self._scale)

    def picture(self, motion: Motion) -> Image:
        """Only the picture."""
        return np.ascontiguousarray(rgb_of(self._renderer.render(motion, StageTimer())))


def landmark_places(avatar: Avatar, positions: Float) -> Float:
    """Where the 478 landmarks lie on a driven mesh, float32 [478, 2]; NaN for those that the mesh lacks."""
    vertex: Int = avatar.extras["landmark_vertex"]
    places = np.einsum("lkc,lk->lc", positions[vertex, :2], avatar.extras["landmark_weight"])
    places[vertex[:, 0] < 0] = np.nan
    return np.asarray(places, np.float32)


def find_again(landmarker: FaceLandmarker, picture: Image) -> Landmarks | None:
    """The face in a picture, looked at once more from where it was found, for it jumps least then."""
    found = landmarker.track(picture, None, blendshapes=False)
    return None if found is None else landmarker.refine(picture, found, blendshapes=False)


def landmark_errors(avatar: Avatar, landmarker: FaceLandmarker) -> dict[str, Float | None]:
    """Distances between found and commanded landmarks for each of ``POSES``, [N] pixels of 512; None: no face."""
    viewer = Viewer(avatar)
    errors: dict[str, Float | None] = {}
    for name, pose in POSES.items():
        shown = viewer.show(motion_of(*pose))
        found = find_again(landmarker, shown.picture)
        if found is None:
            errors[name] = None
            continue
        errors[name] = distances(found, landmark_places(avatar, shown.positions))
    return errors


def distances(found: Landmarks, places: Float) -> Float:
    """Distances of found landmarks to their places [478, 2], [N]: of those that have one."""
    distance = np.linalg.norm(found.points[:, :2] - places, axis=1)
    return np.asarray(distance[np.isfinite(distance)], np.float32)


@dataclass(frozen=True)
class Gap:
    """How far an opening that should be shut is open, pixels of 512.

    mesh: widest distance between the driven contact lines. seen: widest column through which what lies behind shows,
    partly covered pixels counting in part.
    """

    mesh: float
    seen: float


def closures(avatar: Avatar) -> dict[str, Gap]:
    """The gaps at rest, with the jaw open behind shut lips, and of each eye in a blink."""
    viewer = Viewer(avatar)
    lips = part_vertices(avatar, "mouth_cavity")[: 2 * LIP_POINTS]
    shut = {
        "lips at rest": motion_of({}),
        "lips over open jaw": motion_of({"jawOpen": 0.3, "mouthClose": 1.0}),
    }
    black, white = (Viewer(_behind_painted(avatar, BEHIND_LIPS, level)) for level in (0, 255))
    gaps = {}
    for name, motion in shut.items():
        mesh = _line_gap(viewer.show(motion).positions, lips[:LIP_POINTS], lips[LIP_POINTS:])
        gaps[name] = Gap(mesh, _seen_gap(black.picture(motion), white.picture(motion)))
    blink = motion_of({f"eyeBlink{side}": 1.0 for side in BOTH})
    black, white = (Viewer(_behind_painted(avatar, BEHIND_LIDS, level)) for level in (0, 255))
    positions, pictures = viewer.show(blink).positions, (black.picture(blink), white.picture(blink))
    for side in EYE_SIDES:
        lids = part_vertices(avatar, f"{side}_lashes")[: 2 * LID_POINTS]
        x, y = positions[lids, :2].mean(axis=0)
        half = 0.3 * avatar.inter_ocular * SIZE / avatar.side
        box = slice(max(round(y - half), 0), round(y + half)), slice(max(round(x - half), 0), round(x + half))
        mesh = _line_gap(positions, lids[:LID_POINTS], lids[LID_POINTS:])
        gaps[f"{side} lids"] = Gap(mesh, _seen_gap(pictures[0][box], pictures[1][box]))
    return gaps


def leaks(avatar: Avatar, poses: Mapping[str, Pose] = POSES) -> dict[str, int]:
    """For each pose: pixels of 512 inside the face through which the background shows."""
    black, white = (
        Viewer(replace(avatar, background=np.full_like(avatar.background, level, np.uint32)))
        for level in (0xFF000000, 0xFFFFFFFF)
    )
    found = {}
    for name, pose in poses.items():
        motion = motion_of(*pose)
        shown = black.show(motion)
        through = white.picture(motion).astype(int) - shown.picture
        places = landmark_places(avatar, shown.positions)
        hull = cv2.convexHull(places[np.isfinite(places[:, 0])])[:, 0]
        inside = _outline_mask(hull.astype(np.float32), SIZE)
        found[name] = int((through.max(axis=2)[inside] > 64).sum())
    return found


def stretched(avatar: Avatar, poses: Mapping[str, Pose] = POSES) -> dict[str, int]:
    """For each pose: pixels of 512 where the skin's texture is drawn more than STRETCHED times as long."""
    skin = np.ascontiguousarray(avatar.triangles[avatar.triangle_part == 0])
    attributes = np.ones((len(avatar.positions), 1), np.float32)
    plane, triangle = np.empty((1, SIZE, SIZE), np.float32), np.empty((SIZE, SIZE), np.int32)
    keys, scale = np.empty((SIZE, SIZE), np.int64), np.float32(SIZE / avatar.side)
    driver = Driver(avatar)
    inside_lips = avatar.shade < 1.0  # their texture is their neighbours', not where the photo shows them
    measured = ~inside_lips[skin].any(axis=1)
    places = {}
    for name, pose in poses.items():
        positions = driver.drive(motion_of(*pose)) * scale
        rasterise(positions, skin, attributes, plane, triangle, keys)
        drawn = np.bincount(triangle[triangle >= 0], minlength=len(skin))
        long = _stretch(avatar.uv[skin] * scale, positions[skin][..., :2]) > STRETCHED
        places[name] = int(drawn[long & measured].sum())
    return places


def psnr(picture: Image, truth: Image, mask: NDArray[np.bool_]) -> float:
    """Peak signal-to-noise ratio over the masked pixels, dB."""
    off = picture[mask].astype(np.float64) - truth[mask]
    return float(10 * np.log10(255.0**2 / max(float((off**2).mean()), 1e-4)))


def face_mask(landmarks: Float, size: int) -> NDArray[np.bool_]:
    """The face inside its outline; landmarks: float32 [478, 2 or 3], pixels of the picture of this size."""
    return _outline_mask(landmarks[FACE_OVAL, :2], size)


def mouth_mask(landmarks: Float, size: int) -> NDArray[np.bool_]:
    """The lips, what lies between them, and MOUTH_ROOM of their width around them."""
    outline = landmarks[MOUTH_OUTLINE, :2]
    reach = 2 * round(MOUTH_ROOM * float(np.ptp(outline[:, 0]))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return np.asarray(cv2.dilate(_outline_mask(outline, size).astype(np.uint8), kernel) > 0)


def _outline_mask(outline: Float, size: int) -> NDArray[np.bool_]:
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline - 0.5).astype(np.int32)], 1)
    return mask > 0


def _behind_painted(avatar: Avatar, parts: tuple[str, ...], level: int) -> Avatar:
    """The avatar with everything in ``parts`` solid and of one grey, whatever the light."""
    behind = np.concatenate([part_vertices(avatar, part) for part in parts])
    # A patch of the atlas' last row that no part uses.
    atlas = np.pad(avatar.atlas, ((0, 4), (0, 0)), constant_values=0xFF000000 | 0x010101 * level)
    uv, shade = avatar.uv.copy(), avatar.shade.copy()
    uv[behind] = (2.0, len(avatar.atlas) + 2.0)
    shade[behind] = FULL_SHADE
    return replace(avatar, atlas=np.asarray(atlas, np.uint32), uv=uv, shade=shade)


def _seen_gap(black: Image, white: Image) -> float:
    through = (white.astype(np.float32) - black).max(axis=2) / 255
    return float(through.sum(axis=0).max())


def _line_gap(positions: Float, upper: Int, lower: Int) -> float:
    """Widest opening between two lines from corner to corner, across them in the picture."""
    first, last = positions[upper[0], :2], positions[upper[-1], :2]
    along = (last - first) / np.linalg.norm(last - first)
    across = np.array([-along[1], along[0]])
    where, height = (
        [np.asarray((positions[line, :2] - first) @ axis) for line in (upper, lower)]
        for axis in (along, across)
    )
    below = np.interp(where[0], np.maximum.accumulate(where[1]), height[1]) - height[0]
    return float(max(below[1:-1].max(), 0.0))


def _stretch(source: Float, drawn: Float) -> Float:
    """Largest stretch of each triangle from [T, 3, 2] to [T, 3, 2]; infinite where the source has no area."""
    before, after = (np.swapaxes(t[:, 1:] - t[:, :1], 1, 2).astype(np.float64) for t in (source, drawn))
    area = np.linalg.det(before)
    safe = np.where(np.abs(area)[:, None, None] > 1e-6, before, np.eye(2))
    largest = np.linalg.norm(after @ np.linalg.inv(safe), ord=2, axis=(1, 2))
    return np.asarray(np.where(np.abs(area) > 1e-6, largest, np.inf), np.float32)
