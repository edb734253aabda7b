"""The upper lids: the photo without its lashes, those lashes as a layer of their own, and a line where lids meet.

An open eye shows little of the lid that a blink brings down, and most of that is lashes: left on the skin they would
be stretched up the closed lid. So they are taken off it, lie over it where the photo has them, and turn down with the
lid's margin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import part_on_head, resample_line
from engine.avatar.easing import smooth_step
from engine.avatar.layers import to_levels
from engine.avatar.parts import FittedHead, Image, MeshPart
from engine.avatar.teeth import grid_triangles
from engine.conventions import ARKIT_INDEX
from engine.render.layers import EYE_SIDES, LID_POINTS

Array = NDArray[np.float64]

# Lengths in eye widths.
ROOT: Final = 0.07
"""Up to here above the margin all that the photo shows is lashes and their shadow."""
ROOT_FADE: Final = 0.1
RIM: Final = 0.03
"""Nearer to the margin than this, what is brighter than the lid is the white of the eye."""
REACH: Final = 0.26
"""Single lashes reach as far; a lid's crease does too, and stays on the skin."""
STROKE: Final = 0.14
"""Dark strokes narrower than this along the margin are lashes."""
CORNER: Final = 0.18
"""Near the corners lashes stay on the skin: nothing there is stretched much."""
EVEN: Final = 0.07
"""So far lid skin is evened out along the margin: an edge across it would be stretched to a bar."""
LID_SAMPLE: Final = (0.1, 0.26)
"""Where above the margin the photo shows lid skin."""
LOWER_SAMPLE: Final = (0.15, 0.4)
"""Where below the lower one it shows the skin under the eye."""
GLARE: Final = 1.1
"""What is brighter than so many times the median beside the eye is a reflection on glasses."""
UNDER_EYE_SHARE: Final = 0.3
TINT: Final = 0.6
"""How far a lid has the hue of the skin under the eye: behind glasses rims, their glare and shadow turn it grey."""
SHADE: Final = 0.18
SHADE_REACH: Final = 0.1
"""A lid curves away toward its margin: so much darker it is there, and so far up."""
LINE: Final = 0.045
"""Height of the lash line of a shut eye."""

DARK: Final = 0.6
"""Rims, brows and fringes are darker than this share of the lid's skin."""

LUMA: Final = np.array([0.299, 0.587, 0.114])

LASH_ROWS: Final = (0.0, 0.035, 0.08, 0.16, REACH)
TURN: Final = 1.5
"""When the lids meet, what stood above the margin has come down by as many times its height."""
SMALLEST_OPENING: Final = 0.3
"""Near the corners lashes turn as if the eye were this share of its height open there."""


def without_lashes(head: FittedHead, picture: Image) -> Image:
    """A picture made from the photo, with the upper lashes taken off the lids; both uint8 [side, side, 3]."""
    picture = picture.copy()
    for side in EYE_SIDES:
        band = _Band.of(head, side)
        mine = picture[band.rows, band.columns]
        np.copyto(mine, band.skin, where=(band.skin != band.picture).any(axis=2, keepdims=True))
    return picture


def lid_parts(head: FittedHead, side: str) -> list[MeshPart]:
    """The parts drawn over the skin of one eye: "<side>_photo_lashes" and "<side>_lashes".

    The first 2 * LID_POINTS vertices of the latter are the lids' margins, upper then lower.
    """
    margins = _margins(head, side)
    band = _Band.of(head, side)
    return [
        _photo_lashes(f"{side}_photo_lashes", margins, band),
        _line(f"{side}_lashes", side, margins, band),
    ]


@dataclass(frozen=True, eq=False)
class _Band:
    """The piece of the photo around one upper lid.

    rows, columns: where it lies in the photo. picture: uint8 [H, W, 3], what the photo shows of lid and lashes.
    skin: the same without lashes. lash: float64 [3], the lashes' colour.
    """

    rows: slice
    columns: slice
    picture: Image
    skin: Image
    lash: Array

    @classmethod
    def of(cls, head: FittedHead, side: str) -> "_Band":
        upper, lower = (
            head.in_photo[head.groups[f"{side}_{lid}_lid"], :2].astype(np.float64)
            for lid in ("upper", "lower")
        )
        width = float(np.linalg.norm(upper[-1] - upper[0]))
        right = (upper[-1] - upper[0]) / width
        down = np.array([-right[1], right[0]])
        outline = np.concatenate([upper, lower])
        low = np.clip(np.floor(outline.min(axis=0) - 0.6 * width), 0, head.side - 1).astype(int)
        high = np.clip(np.ceil(outline.max(axis=0) + 0.6 * width), low + 1, head.side).astype(int)
        rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
        picture = head.photo[rows, columns]
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        place = np.stack([x, y], axis=-1) - upper[0]
        along = place @ right / width
        edge = np.interp(along, (upper - upper[0]) @ right / width, (upper - upper[0]) @ down / width)
        above = edge - place @ down / width

        # Strokes across the margin vanish in a closing along it.
        size = max(3, round(STROKE * width) | 1)
        closed = cv2.morphologyEx(picture, cv2.MORPH_CLOSE, np.ones((1, size), np.uint8)).astype(np.float64)
        closed = np.asarray(
            cv2.GaussianBlur(closed, (0, 0), 0.5 * STROKE * width, sigmaY=0.02 * width), np.float64
        )
        lid = _lid_colour(closed, upper - low, lower - low, width, down)(along)
        own = smooth_step(np.minimum(along, 1.0 - along) / CORNER) * smooth_step(above / 0.02 + 1.0)
        own = own * (1.0 - _beyond(picture, above, lid, width))
        strands = own * smooth_step((REACH - above) / (0.5 * REACH))
        root = own * smooth_step((ROOT + ROOT_FADE - above) / ROOT_FADE)
        combed = picture + strands[..., None] * (closed - picture)
        lid = lid * (1.0 - SHADE * smooth_step(1.0 - above / SHADE_REACH))[..., None]
        skin = combed + root[..., None] * (lid - combed)
        # What a blink stretches has no upright edges, up to the corners.
        even = smooth_step(np.minimum(along, 1.0 - along) / 0.04) * smooth_step(above / 0.02 + 1.0)
        even *= smooth_step((ROOT + ROOT_FADE - above) / ROOT_FADE) * (
            1.0 - _beyond(picture, above, lid, width)
        )
        skin += even[..., None] * (cv2.GaussianBlur(skin, (0, 0), EVEN * width, sigmaY=0.01 * width) - skin)
        luma = picture @ LUMA
        near = (np.abs(above) < ROOT) & (np.abs(along - 0.5) < 0.5)
        dark = near & (luma <= np.quantile(luma[near], 0.1)) if near.any() else np.ones_like(near)
        shown = np.where((above < RIM)[..., None], np.minimum(picture, skin), picture)
        return cls(rows, columns, to_levels(shown), to_levels(skin), picture[dark].mean(axis=0))


def _beyond(picture: Image, above: Array, lid: Array, width: float) -> Array:
    """1 where dark things reach into the band that also lie above it: brows, fringes and the rims of glasses."""
    dark = (picture @ LUMA < DARK * (lid @ LUMA)) & (above > 0.5 * ROOT)
    _, number = cv2.connectedComponents(dark.astype(np.uint8))
    outside = np.unique(number[dark & (above > REACH)])
    size = 2 * max(1, round(0.03 * width)) + 1
    found = cv2.dilate((np.isin(number, outside) & dark).astype(np.uint8), np.ones((size, size), np.uint8))
    return np.asarray(cv2.GaussianBlur(found.astype(np.float64), (0, 0), 0.02 * width))


def _lid_colour(
    closed: Array, upper: Array, lower: Array, width: float, down: Array
) -> Callable[[Array], Array]:
    """Colour of the lid's skin by place along the eye."""
    count = 32
    share = np.linspace(0.0, 1.0, count)
    lines = []
    for line, reach in ((upper, (-LID_SAMPLE[0], -LID_SAMPLE[1])), (lower, LOWER_SAMPLE)):
        margin = resample_line(line, count) @ line
        distance = np.linspace(*reach, 12)[:, None, None] * width
        places = (margin[None] + distance * down).astype(np.float32) - np.float32(0.5)
        seen = cv2.remap(
            closed.astype(np.float32),
            places[..., 0],
            places[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float64)
        # The brighter of what lies there is skin; lashes, brows and frames of glasses are dark.
        order = np.argsort(seen @ LUMA, axis=0)
        bright = np.take_along_axis(seen, order[4:9, :, None], axis=0).mean(axis=0)[None]
        luma = bright @ LUMA
        bright *= np.minimum(1.0, GLARE * np.median(luma) / np.maximum(luma, 1.0))[..., None]
        lines.append(cv2.GaussianBlur(bright, (0, 0), count / 7, borderType=cv2.BORDER_REPLICATE)[0])
    colour = (1 - UNDER_EYE_SHARE) * lines[0] + UNDER_EYE_SHARE * lines[1]
    hue = lines[1] / np.maximum(lines[1] @ LUMA, 1.0)[:, None]
    colour += TINT * (hue * (colour @ LUMA)[:, None] - colour)

    def at(along: Array) -> Array:
        return np.stack([np.interp(along, share, colour[:, k]) for k in range(3)], axis=-1)

    return at


@dataclass(frozen=True, eq=False)
class _Margins:
    """The lids' edges of the neutral face at LID_POINTS places each, and how blendshapes move them.

    upper, lower: float64 [LID_POINTS, 3]; in_photo: [LID_POINTS, 2], the upper one as the photo has it.
    upper_move, lower_move: [52, LID_POINTS, 3]. down: [3], unit vector across the eye in the picture. width: of the
    eye, canvas pixels.
    """

    upper: Array
    lower: Array
    in_photo: Array
    upper_move: Array
    lower_move: Array
    down: Array
    width: float


def _margins(head: FittedHead, side: str) -> _Margins:
    lines, moves, photo = [], [], []
    for lid in ("upper", "lower"):
        mine = head.groups[f"{side}_{lid}_lid"]
        weights = resample_line(head.neutral[mine], LID_POINTS)
        lines.append(weights @ head.neutral[mine])
        photo.append(weights @ head.in_photo[mine, :2])
        moves.append(np.einsum("pv,bvc->bpc", weights, head.deltas[:, mine]))
    across = lines[0][-1] - lines[0][0]
    width = float(np.hypot(across[0], across[1]))
    down = np.array([-across[1], across[0], 0.0]) / width
    return _Margins(lines[0], lines[1], photo[0], moves[0], moves[1], down, width)


def _photo_lashes(name: str, margins: _Margins, band: _Band) -> MeshPart:
    """What the photo shows over the clean lid, hung on the upper margin."""
    skin, picture = band.skin.astype(np.float64), band.picture.astype(np.float64)
    off = skin - picture
    dark = np.maximum(skin - 0.8 * band.lash, 8.0)
    needed = np.maximum(off / np.maximum(skin, 1.0), -off / np.maximum(255.0 - skin, 1.0)).max(axis=2)
    alpha = np.clip(np.maximum((off / dark).mean(axis=2), needed), 0.0, 1.0)
    own = (picture - (1 - alpha[..., None]) * skin) / np.maximum(alpha, 1e-3)[..., None]
    texture = np.where(alpha[..., None] > 0.05, own, 0.8 * band.lash)

    opening = np.maximum((margins.lower - margins.upper) @ margins.down, 0.0)
    opening = np.maximum(opening, max(SMALLEST_OPENING * float(opening.max()), 1e-3 * margins.width))
    turned = TURN * np.maximum(margins.upper_move @ margins.down, 0.0) / opening
    height = np.array(LASH_ROWS) * margins.width
    positions = np.concatenate([margins.upper - h * margins.down for h in height])
    deltas = np.concatenate(
        [margins.upper_move + h * turned[..., None] * margins.down for h in height], axis=1
    )
    places = np.concatenate([margins.in_photo - h * margins.down[:2] for h in height])
    uv = places - (band.columns.start, band.rows.start)
    triangles = grid_triangles(len(LASH_ROWS), LID_POINTS)
    return part_on_head(
        name, positions, deltas, triangles, uv, texture, np.rint(255 * alpha).astype(np.uint8)
    )


def _line(name: str, side: str, margins: _Margins, band: _Band) -> MeshPart:
    """A dark line along the upper lid's margin that appears as the lid comes down."""
    taper = np.sin(np.pi * np.linspace(0.03, 0.97, LID_POINTS))
    # Two more rows hang from the upper margin: nothing at rest, LINE when shut.
    blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
    above, below = margins.upper_move.copy(), margins.upper_move.copy()
    above[blink] -= (0.25 * LINE * margins.width * taper)[:, None] * margins.down
    below[blink] += (LINE * margins.width * taper)[:, None] * margins.down
    positions = np.concatenate([margins.upper, margins.lower, margins.upper, margins.upper])
    deltas = np.concatenate([margins.upper_move, margins.lower_move, above, below], axis=1)

    number = np.arange(4 * LID_POINTS).reshape(4, LID_POINTS)
    surface = number[[2, 0, 3]].reshape(-1)[grid_triangles(3, LID_POINTS)]
    # The lower margin belongs to the part (see ``lid_parts``) but shows nothing: its triangles have no area.
    still = np.stack([number[1, :-1], number[1, 1:], number[1, 1:]], axis=1)
    along = np.tile(np.linspace(1, 23, LID_POINTS), 4)
    across = np.repeat([8.0, 8.0, 2.0, 22.0], LID_POINTS)
    rows = (np.arange(24) + 0.5)[:, None]
    profile = np.where(rows < 8, smooth_step((rows - 2) / 5), 1 - smooth_step((rows - 10) / 10))
    ends = np.sin(np.pi * (np.arange(24) + 0.5) / 24)[None]
    coverage = np.round(200 * profile * ends).astype(np.uint8)
    uv = np.stack([along, across], axis=1)
    texture = np.tile(0.9 * band.lash, (24, 24, 1))
    return part_on_head(name, positions, deltas, np.concatenate([surface, still]), uv, texture, coverage)
