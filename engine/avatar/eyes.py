"""The eyes behind the lids: the white, and an iris that turns.

What the photo shows stays as it is: the white is the photo's own with the iris filled in, the iris is the photo's
own with what the lids hide completed by its radial profile. All of it lies behind the skin.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import anchor, part_on_head
from engine.avatar.easing import smooth_step
from engine.avatar.lids import lid_parts
from engine.avatar.matte import FACE_OVAL
from engine.avatar.parts import FittedHead, MeshPart
from engine.avatar.teeth import grid_triangles
from engine.conventions import ARKIT_INDEX
from engine.render.layers import EYE_SIDES

Array = NDArray[np.float64]

TEXELS: Final = 3
"""Texture pixels for one canvas pixel."""

IRIS_LANDMARKS: Final = {"left": 473, "right": 468}
"""Centre of each iris; the four landmarks after it lie on its rim."""

IRIS_REACH: Final = 1.3
"""Radius of the patch that moves with the iris, and of the hole filled in the white, in iris radii."""
IRIS_SOLID: Final = 1.06
"""The patch is opaque to here and fades out to IRIS_REACH."""

LID_ERODE_PX: Final = 0.8  # of a 512 px canvas: pixels nearer to a lid are lashes or lid
CLEAR: Final = 1.6
"""Farther than so many times that, they are white or iris for sure."""
BLINK_DOWN: Final = 0.25
"""Eyes turn down while they blink, by this share of the opening; a slit would show white alone."""
SCLERA_ROWS: Final = 13
SCLERA_COLUMNS: Final = 21
IRIS_CELLS: Final = 9


def build_eyes(head: FittedHead) -> list[MeshPart]:
    """The parts of both eyes: "<side>_sclera", "<side>_iris" and those of ``lid_parts``."""
    return [part for side in EYE_SIDES for part in _eye(head, side)]


@dataclass(frozen=True, eq=False)
class _Patch:
    """The square of the canvas around one eye, magnified: where its pixels are and what they show.

    corner: float64 [2], canvas pixels. picture: float64 [H, W, 3]. x, y: canvas coordinates of its pixel centres.
    visible: float64 [H, W], 1 where the photo shows the eyeball, 0 where lid or lashes cover it. clear: the same, but
    0 also near the lids, where their red rim may show.
    """

    corner: Array
    picture: Array
    x: Array
    y: Array
    visible: Array
    clear: Array

    def uv(self, positions: Array) -> Array:
        """Texture coordinates of canvas positions."""
        return (positions[:, :2] - self.corner) * TEXELS


def _eye(head: FittedHead, side: str) -> list[MeshPart]:
    upper, lower = (
        head.in_photo[head.groups[f"{side}_{lid}_lid"], :2].astype(np.float64) for lid in ("upper", "lower")
    )
    outline = np.concatenate([upper, lower[::-1]])
    across = upper[-1] - upper[0]
    down = np.array([-across[1], across[0]]) / np.linalg.norm(across)
    patch = _patch(head, outline)
    centre, radius = _iris_circle(head, side)
    eyeball = head.neutral[head.groups[f"{side}_eye"]].astype(np.float64)
    middle, ball = eyeball.mean(axis=0), 0.5 * float(np.ptp(eyeball[:, :2], axis=0).max())

    distance = np.hypot(patch.x - centre[0], patch.y - centre[1]) / radius
    around = distance > IRIS_REACH * 0.94
    white = _fill(patch.picture, patch.visible * around, patch.clear * around, radius * TEXELS)
    iris = _completed_iris(patch, distance, radius)
    coverage = 1 - smooth_step((distance - IRIS_SOLID) / (IRIS_REACH - 0.04 - IRIS_SOLID))
    return [
        _sclera(f"{side}_sclera", outline, _face_columns(head, outline), middle, ball, patch, white),
        _iris(head, side, centre, radius, middle, ball, patch, iris, coverage, float(np.ptp(outline @ down))),
        *lid_parts(head, side),
    ]


def _patch(head: FittedHead, outline: Array) -> _Patch:
    low, high = outline.min(axis=0), outline.max(axis=0)
    width = float(high[0] - low[0])
    corner = np.floor(low - (0.3 * width, 0.55 * width))
    size = np.ceil(high + (0.3 * width, 0.55 * width) - corner).astype(int)
    columns, rows = (np.arange(n * TEXELS) for n in size)
    x, y = np.meshgrid(corner[0] + (columns + 0.5) / TEXELS, corner[1] + (rows + 0.5) / TEXELS)
    picture = cv2.remap(
        head.photo,
        (x - 0.5).astype(np.float32),
        (y - 0.5).astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask = np.zeros(x.shape, np.uint8)
    fine = (outline - corner) * TEXELS - 0.5
    cv2.fillPoly(mask, [np.round(fine * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    erode = LID_ERODE_PX * head.side / 512 * TEXELS
    visible, clear = (smooth_step((inside - share * erode) / TEXELS + 0.5) for share in (1.0, CLEAR))
    return _Patch(corner, picture.astype(np.float64), x, y, visible, clear)


def _iris_circle(head: FittedHead, side: str) -> tuple[Array, float]:
    first = IRIS_LANDMARKS[side]
    points = head.landmarks[first : first + 5, :2].astype(np.float64)
    return points[0], float(np.linalg.norm(points[1:] - points[0], axis=1).mean())


def _fill(picture: Array, kept: Array, known: Array, reach: float) -> Array:
    """The picture where ``kept``, elsewhere filled from ``known`` pixels nearby, the nearest that there are most."""
    filled = np.zeros_like(picture)
    rest = np.ones(known.shape)
    for sigma in (0.15 * reach, 0.4 * reach, reach, 2.5 * reach, 8 * reach):
        weight = _blurred(known, sigma)
        mean = _blurred(picture * known[..., None], sigma) / np.maximum(weight, 1e-9)[..., None]
        share = rest * smooth_step(weight / 0.25)
        filled += share[..., None] * mean
        rest -= share
    typical = (picture * known[..., None]).sum(axis=(0, 1)) / max(known.sum(), 1e-9)
    filled += rest[..., None] * typical
    return np.asarray(picture * kept[..., None] + filled * (1 - kept[..., None]))


def _blurred(image: Array, sigma: float) -> Array:
    """A Gaussian blur; wide ones are made on a smaller picture, which takes a tenth of the time."""
    factor = max(1, int(sigma / 4))
    size = (max(1, image.shape[1] // factor), max(1, image.shape[0] // factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(blurred, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _completed_iris(patch: _Patch, distance: Array, radius: float) -> Array:
    """The photo around the iris, with hidden pixels replaced by the mean of the visible ones at the same radius."""
    bins = np.arange(0.0, IRIS_REACH + 0.1, 0.5 / (radius * TEXELS) + 0.02)
    weight = patch.visible
    number = np.clip(np.digitize(distance, bins), 0, len(bins))
    total = np.bincount(number.ravel(), weight.ravel(), len(bins) + 1)
    profile = np.stack(
        [
            np.bincount(number.ravel(), (weight * patch.picture[..., k]).ravel(), len(bins) + 1)
            for k in range(3)
        ],
        axis=1,
    )
    seen = total > 0.5
    if not seen[: len(bins)].any():
        return patch.picture
    centres = np.arange(len(bins) + 1)
    profile = np.stack(
        [np.interp(centres, centres[seen], profile[seen, k] / total[seen]) for k in range(3)], axis=1
    )
    profile = np.asarray(cv2.GaussianBlur(profile, (1, 5), 1.0, borderType=cv2.BORDER_REPLICATE), np.float64)
    place = distance / bins[1] + 0.5
    hidden = np.stack([np.interp(place, centres, profile[:, k]) for k in range(3)], axis=-1)
    return np.asarray(patch.picture * weight[..., None] + hidden * (1 - weight[..., None]))


def _face_columns(head: FittedHead, outline: Array) -> tuple[float, float]:
    """The columns between which the face reaches from above to below an eye: on a turned head they end right beside it."""
    face = np.zeros((head.side, head.side), np.uint8)
    cv2.fillPoly(face, [np.rint(head.landmarks[FACE_OVAL, :2]).astype(np.int32)], 1)
    low, high = np.clip(np.rint([outline[:, 1].min(), outline[:, 1].max()]), 0, head.side - 1).astype(int)
    rows = face[low : high + 1]
    return float(rows.argmax(axis=1).max()), float(head.side - rows[:, ::-1].argmax(axis=1).max())


def _sclera(
    name: str,
    outline: Array,
    columns: tuple[float, float],
    middle: Array,
    ball: float,
    patch: _Patch,
    white: Array,
) -> MeshPart:
    """A piece of the eyeball that fills the opening and reaches under the lids, and not past ``columns``; it does not
    turn."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    width = float(high[0] - low[0])
    left, right = max(low[0] - 0.2 * width, columns[0]), min(high[0] + 0.2 * width, columns[1])
    x, y = np.meshgrid(
        np.linspace(min(left, low[0]), max(right, high[0]), SCLERA_COLUMNS),
        np.linspace(low[1] - 0.4 * width, high[1] + 0.4 * width, SCLERA_ROWS),
    )
    flat = np.stack([x, y], axis=-1).reshape(-1, 2)
    positions = np.column_stack([flat, _ball_depth(flat, middle, ball)])
    deltas = np.zeros((len(ARKIT_INDEX), len(positions), 3))
    return part_on_head(
        name, positions, deltas, grid_triangles(SCLERA_ROWS, SCLERA_COLUMNS), patch.uv(positions), white
    )


def _iris(
    head: FittedHead,
    side: str,
    centre: Array,
    radius: float,
    middle: Array,
    ball: float,
    patch: _Patch,
    picture: Array,
    coverage: Array,
    opening: float,
) -> MeshPart:
    """The disc that the gaze moves, on the ball; opening: the eye's height, canvas pixels."""
    reach = np.linspace(-IRIS_REACH * radius, IRIS_REACH * radius, IRIS_CELLS)
    x, y = np.meshgrid(centre[0] + reach, centre[1] + reach)
    flat = np.stack([x, y], axis=-1).reshape(-1, 2)
    positions = np.column_stack([flat, _ball_depth(flat, middle, ball)])
    deltas = anchor(head, f"{side}_eye").deltas(positions)
    deltas[ARKIT_INDEX[f"eyeBlink{side.capitalize()}"], :, 1] += BLINK_DOWN * opening
    triangles = grid_triangles(IRIS_CELLS, IRIS_CELLS)
    alpha = np.round(255 * coverage).astype(np.uint8)
    return part_on_head(f"{side}_iris", positions, deltas, triangles, patch.uv(positions), picture, alpha)


def _ball_depth(flat: Array, middle: Array, ball: float) -> Array:
    off = ((flat - middle[:2]) ** 2).sum(axis=1)
    return np.asarray(middle[2] - np.sqrt(np.maximum(ball**2 - off, (0.35 * ball) ** 2)))
