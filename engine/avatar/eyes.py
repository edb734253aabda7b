"""The eyes behind the lids: the white, an iris that turns, and a lash line for closed lids.

What the photo shows stays as it is: the white is the photo's own with the iris filled in, the iris is the photo's
own with what the lids hide completed by its radial profile. All of it lies behind the skin, except the lash line.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import anchor, resample_line
from engine.avatar.parts import FittedHead, MeshPart
from engine.avatar.teeth import grid_triangles
from engine.conventions import ARKIT_INDEX
from engine.render.layers import EYE_SIDES, LID_POINTS

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
LASH_LENGTH: Final = 0.07  # of the eye's width
LASH_GAP: Final = 0.035  # of the eye's width
LID_GROWTH: Final = 1.2  # of how far the margin comes down
LID_SAMPLE: Final = (0.1, 0.26)  # where above the margin the photo shows lid skin, of the eye's width
LOWER_SAMPLE: Final = (0.15, 0.4)  # where below the lower one it shows the skin under the eye
UNDER_EYE_SHARE: Final = 0.3
LID_ROWS: Final = 6
SCLERA_ROWS: Final = 13
SCLERA_COLUMNS: Final = 21
IRIS_CELLS: Final = 9


def build_eyes(head: FittedHead) -> list[MeshPart]:
    """The parts of both eyes: "<side>_sclera", "<side>_iris", "<side>_lid", "<side>_lashes".

    The lashes' first 2 * LID_POINTS vertices are the lids' margins, upper then lower.
    """
    return [part for side in EYE_SIDES for part in _eye(head, side)]


@dataclass(frozen=True, eq=False)
class _Patch:
    """The square of the canvas around one eye, magnified: where its pixels are and what they show.

    corner: float64 [2], canvas pixels. picture: float64 [H, W, 3]. x, y: canvas coordinates of its pixel centres.
    visible: float64 [H, W], 1 where the photo shows the eyeball, 0 where lid or lashes cover it.
    """

    corner: Array
    picture: Array
    x: Array
    y: Array
    visible: Array

    def uv(self, positions: Array) -> Array:
        """Texture coordinates of canvas positions."""
        return (positions[:, :2] - self.corner) * TEXELS


def _eye(head: FittedHead, side: str) -> list[MeshPart]:
    upper, lower = (
        head.in_photo[head.groups[f"{side}_{lid}_lid"], :2].astype(np.float64) for lid in ("upper", "lower")
    )
    outline = np.concatenate([upper, lower[::-1]])
    patch = _patch(head, outline)
    centre, radius = _iris_circle(head, side)
    eyeball = head.neutral[head.groups[f"{side}_eye"]].astype(np.float64)
    middle, ball = eyeball.mean(axis=0), 0.5 * float(np.ptp(eyeball[:, :2], axis=0).max())

    distance = np.hypot(patch.x - centre[0], patch.y - centre[1]) / radius
    white = _fill(patch.picture, patch.visible * (distance > IRIS_REACH * 0.94), radius * TEXELS)
    iris = _completed_iris(patch, distance, radius)
    coverage = 1 - _smooth((distance - IRIS_SOLID) / (IRIS_REACH - 0.04 - IRIS_SOLID))
    margins = _margins(head, side)
    return [
        _sclera(f"{side}_sclera", outline, middle, ball, patch, white),
        _iris(head, side, centre, radius, middle, ball, patch, iris, coverage),
        _lid(f"{side}_lid", head, margins),
        _lashes(f"{side}_lashes", side, margins, patch),
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
    visible = _smooth((inside.astype(np.float64) - erode) / TEXELS + 0.5)
    return _Patch(corner, picture.astype(np.float64), x, y, visible)


def _iris_circle(head: FittedHead, side: str) -> tuple[Array, float]:
    first = IRIS_LANDMARKS[side]
    points = head.landmarks[first : first + 5, :2].astype(np.float64)
    return points[0], float(np.linalg.norm(points[1:] - points[0], axis=1).mean())


def _fill(picture: Array, known: Array, reach: float) -> Array:
    """The picture with unknown pixels taken from known ones nearby, the nearest scale that has any counting most."""
    filled = np.zeros_like(picture)
    rest = np.ones(known.shape)
    for sigma in (0.15 * reach, 0.4 * reach, reach, 2.5 * reach, 8 * reach):
        weight = _blurred(known, sigma)
        mean = _blurred(picture * known[..., None], sigma) / np.maximum(weight, 1e-9)[..., None]
        share = rest * _smooth(weight / 0.25)
        filled += share[..., None] * mean
        rest -= share
    typical = (picture * known[..., None]).sum(axis=(0, 1)) / max(known.sum(), 1e-9)
    filled += rest[..., None] * typical
    return np.asarray(picture * known[..., None] + filled * (1 - known[..., None]))


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


def _sclera(name: str, outline: Array, middle: Array, ball: float, patch: _Patch, white: Array) -> MeshPart:
    """A piece of the eyeball that fills the opening and reaches under the lids; it does not turn."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    width = float(high[0] - low[0])
    x, y = np.meshgrid(
        np.linspace(low[0] - 0.2 * width, high[0] + 0.2 * width, SCLERA_COLUMNS),
        np.linspace(low[1] - 0.4 * width, high[1] + 0.4 * width, SCLERA_ROWS),
    )
    flat = np.stack([x, y], axis=-1).reshape(-1, 2)
    positions = np.column_stack([flat, _ball_depth(flat, middle, ball)])
    deltas = np.zeros((len(ARKIT_INDEX), len(positions), 3))
    return _part(
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
) -> MeshPart:
    """The disc that the gaze moves, on the ball."""
    reach = np.linspace(-IRIS_REACH * radius, IRIS_REACH * radius, IRIS_CELLS)
    x, y = np.meshgrid(centre[0] + reach, centre[1] + reach)
    flat = np.stack([x, y], axis=-1).reshape(-1, 2)
    positions = np.column_stack([flat, _ball_depth(flat, middle, ball)])
    deltas = anchor(head, f"{side}_eye").deltas(positions)
    triangles = grid_triangles(IRIS_CELLS, IRIS_CELLS)
    alpha = np.round(255 * coverage).astype(np.uint8)
    return _part(f"{side}_iris", positions, deltas, triangles, patch.uv(positions), picture, alpha)


def _ball_depth(flat: Array, middle: Array, ball: float) -> Array:
    off = ((flat - middle[:2]) ** 2).sum(axis=1)
    return np.asarray(middle[2] - np.sqrt(np.maximum(ball**2 - off, (0.35 * ball) ** 2)))


@dataclass(frozen=True, eq=False)
class _Margins:
    """The lids' edges of the neutral face at LID_POINTS places each, and how blendshapes move them.

    upper, lower: float64 [LID_POINTS, 3]. upper_move, lower_move: [52, LID_POINTS, 3]. down: [3], unit vector
    across the eye in the picture. width: of the eye, canvas pixels.
    """

    upper: Array
    lower: Array
    upper_move: Array
    lower_move: Array
    down: Array
    width: float


def _margins(head: FittedHead, side: str) -> _Margins:
    lines, moves = [], []
    for lid in ("upper", "lower"):
        mine = head.groups[f"{side}_{lid}_lid"]
        weights = resample_line(head.neutral[mine], LID_POINTS)
        lines.append(weights @ head.neutral[mine])
        moves.append(np.einsum("pv,bvc->bpc", weights, head.deltas[:, mine]))
    across = lines[0][-1] - lines[0][0]
    width = float(np.hypot(across[0], across[1]))
    return _Margins(
        lines[0], lines[1], moves[0], moves[1], np.array([-across[1], across[0], 0.0]) / width, width
    )


def _lid(name: str, head: FittedHead, margins: _Margins) -> MeshPart:
    """Smooth lid skin that grows up from the upper margin by as much as the margin comes down.

    The photo shows hardly any of an open eye's lid: without this its lashes would be stretched over a closed one.
    """
    lowered = np.maximum(margins.upper_move @ margins.down, 0.0)
    share = np.linspace(0.0, 1.0, LID_ROWS)
    # The photo's own lash line stays visible below.
    start = margins.upper - LASH_GAP * margins.width * margins.down
    positions = np.tile(start, (LID_ROWS, 1))
    deltas = np.concatenate(
        [margins.upper_move - LID_GROWTH * t * lowered[..., None] * margins.down for t in share], axis=1
    )
    size = 32
    along, up = (np.arange(size) + 0.5) / size, ((np.arange(size) + 0.5) / size)[:, None]
    colour = _lid_colour(head, margins, size)
    texture = colour * (0.8 + 0.2 * _smooth(up / 0.35) - 0.06 * _smooth((up - 0.5) / 0.5))[..., None]
    coverage = _smooth((1 - up) / 0.6) * _smooth(np.minimum(along, 1 - along) / 0.22)
    u, v = np.meshgrid(np.linspace(0.5, size - 0.5, LID_POINTS), 0.5 + (size - 1) * share)
    return _part(
        name,
        positions,
        deltas,
        grid_triangles(LID_ROWS, LID_POINTS),
        np.stack([u, v], axis=-1).reshape(-1, 2),
        texture,
        np.round(255 * coverage).astype(np.uint8),
    )


def _lid_colour(head: FittedHead, margins: _Margins, count: int) -> Array:
    """Skin of the lid, from the viewer's left to right, smoothed: float64 [1, count, 3].

    Mostly what lies just above the lashes; that is often in the brow's shadow, so some of the skin under the eye.
    """
    above = _skin_beside(head, margins, -1, LID_SAMPLE, count)
    below = _skin_beside(head, margins, 1, LOWER_SAMPLE, count)
    return np.asarray((1 - UNDER_EYE_SHARE) * above + UNDER_EYE_SHARE * below)


def _skin_beside(
    head: FittedHead, margins: _Margins, side: int, reach: tuple[float, float], count: int
) -> Array:
    """Colour of the skin above (side -1) or below (+1) the eye, float64 [1, count, 3].

    reach: nearest and farthest distance from the margin, of the eye's width.
    """
    line = (margins.upper if side < 0 else margins.lower)[
        np.round(np.linspace(0, LID_POINTS - 1, count)).astype(int), :2
    ]
    distance = np.linspace(*reach, 12)[:, None, None] * margins.width
    places = (line[None] + side * distance * margins.down[:2]).astype(np.float32)
    seen = cv2.remap(
        head.photo,
        places[..., 0] - 0.5,
        places[..., 1] - 0.5,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float64)
    # The brighter of what lies there is skin; lashes, brows and frames of glasses are dark.
    order = np.argsort(seen @ (0.299, 0.587, 0.114), axis=0)
    bright = np.take_along_axis(seen, order[4:9, :, None], axis=0).mean(axis=0)[None]
    return np.asarray(
        cv2.GaussianBlur(bright, (0, 0), count / 7, borderType=cv2.BORDER_REPLICATE), np.float64
    )


def _lashes(name: str, side: str, margins: _Margins, patch: _Patch) -> MeshPart:
    """A dark line along the upper lid's margin that appears as the lid comes down."""
    taper = np.sin(np.pi * np.linspace(0.04, 0.96, LID_POINTS)) ** 0.5
    # Two more rows hang from the upper margin: nothing at rest, LASH_LENGTH when shut.
    blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
    above, below = margins.upper_move.copy(), margins.upper_move.copy()
    above[blink] -= (0.25 * LASH_LENGTH * margins.width * taper)[:, None] * margins.down
    below[blink] += (LASH_LENGTH * margins.width * taper)[:, None] * margins.down
    positions = np.concatenate([margins.upper, margins.lower, margins.upper, margins.upper])
    deltas = np.concatenate([margins.upper_move, margins.lower_move, above, below], axis=1)

    number = np.arange(4 * LID_POINTS).reshape(4, LID_POINTS)
    surface = number[[2, 0, 3]].reshape(-1)[grid_triangles(3, LID_POINTS)]
    # The lower margin belongs to the part (see ``build_eyes``) but shows nothing: its triangles have no area.
    still = np.stack([number[1, :-1], number[1, 1:], number[1, 1:]], axis=1)
    along = np.tile(np.linspace(1, 23, LID_POINTS), 4)
    across = np.repeat([8.0, 8.0, 2.0, 22.0], LID_POINTS)
    rows = (np.arange(24) + 0.5)[:, None]
    profile = np.where(rows < 8, _smooth((rows - 2) / 5), 1 - _smooth((rows - 10) / 10))
    ends = np.sin(np.pi * (np.arange(24) + 0.5) / 24)[None] ** 0.4
    coverage = np.round(215 * profile * ends).astype(np.uint8)
    return _part(
        name,
        positions,
        deltas,
        np.concatenate([surface, still]),
        np.stack([along, across], axis=1),
        np.tile(_lash_colour(patch), (24, 24, 1)),
        coverage,
    )


def _lash_colour(patch: _Patch) -> Array:
    """The darkest pixels around the eye."""
    luma = patch.picture @ (0.299, 0.587, 0.114)
    near = cv2.dilate(patch.visible, np.ones((3 * TEXELS, 3 * TEXELS))) > 0.5
    dark = near & (luma <= np.quantile(luma[near], 0.06))
    return np.asarray(patch.picture[dark].mean(axis=0) * 0.9)


def _part(
    name: str,
    positions: Array,
    deltas: NDArray[np.floating],
    triangles: NDArray[np.integer],
    uv: Array,
    texture: Array,
    coverage: NDArray[np.uint8] | None = None,
) -> MeshPart:
    count = len(positions)
    return MeshPart(
        name=name,
        positions=np.ascontiguousarray(positions, np.float32),
        deltas=np.ascontiguousarray(deltas, np.float32),
        triangles=np.ascontiguousarray(triangles, np.int32),
        uv=np.ascontiguousarray(uv, np.float32),
        shade=np.ones(count, np.float32),
        rigid=np.ones(count, np.float32),
        breath=np.zeros(count, np.float32),
        texture=np.clip(np.round(texture), 0, 255).astype(np.uint8),
        coverage=coverage,
    )


def _smooth(t: NDArray[Any]) -> Array:
    """0 to 1 as t goes from 0 to 1, without a corner."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))
