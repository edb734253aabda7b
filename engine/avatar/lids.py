"""The upper lids: the photo without its lashes, those lashes as a layer of their own, and a line where lids meet.

Left on the skin, lashes would be stretched up the closed lid. So they are taken off it (``lid_skin``), lie over it where the
photo has them, and turn down with the lid's margin.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import part_on_head, resample_line
from engine.avatar.easing import smooth_step
from engine.avatar.lid_skin import BESIDE, REACH, LidBand
from engine.avatar.parts import FittedHead, Image, MeshPart
from engine.avatar.teeth import grid_triangles
from engine.conventions import ARKIT_INDEX
from engine.render.layers import EYE_SIDES, LID_POINTS

Array = NDArray[np.float64]

# Lengths in eye widths.
LINE: Final = (0.2, 0.14)
"""How far the shade of a shut eye's lash line reaches above and below where the lids meet."""
LINE_SHARE: Final = (0.3, 0.55)
"""How much of the lids it takes there, above and below: the lid curves away under its lashes, which hang over the lower one."""
EDGE: Final = 0.03
EDGE_SHARE: Final = 0.55
"""Half the width of the line itself, and how much it takes."""
LASH_ROWS: Final = (-0.03, 0.0, 0.035, 0.08, 0.16, REACH)
"""Heights above the margin of what lies over the lid."""
HANG: Final = 0.5
"""When the lids meet, a lash hangs below the margin by this share of its height."""
LONGEST: Final = 0.045
"""No farther than this, though: what stands higher is more crease than lash, and is folded away."""
LINE_TEXELS: Final = 35
"""Of the shade's texture, from its upper to its lower end."""
BESIDE_COLUMNS: Final = 3
"""Columns of vertices past each corner."""
TURNING: Final = 0.12
"""So far past the corners lashes turn less and less."""


def without_lashes(head: FittedHead, picture: Image) -> Image:
    """A picture made from the photo, with the upper lashes taken off the lids; both uint8 [side, side, 3]."""
    picture = picture.copy()
    for side in EYE_SIDES:
        band = LidBand.of(head, side)
        mine = picture[band.rows, band.columns]
        np.copyto(mine, band.skin, where=(band.skin != band.picture).any(axis=2, keepdims=True))
    return picture


def lid_parts(head: FittedHead, side: str) -> list[MeshPart]:
    """The parts drawn over the skin of one eye: "<side>_photo_lashes" and "<side>_lashes".

    The first 2 * LID_POINTS vertices of the latter are the lids' margins, upper then lower.
    """
    margins = _margins(head, side)
    band = LidBand.of(head, side)
    return [
        _photo_lashes(f"{side}_photo_lashes", side, margins, band),
        _line(f"{side}_lashes", side, margins, band),
    ]


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


def _photo_lashes(name: str, side: str, margins: _Margins, band: LidBand) -> MeshPart:
    """What the photo shows over the clean lid, hung on the upper margin."""
    skin, picture = band.skin.astype(np.float64), band.picture.astype(np.float64)
    off = skin - picture
    dark = np.maximum(skin - 0.8 * band.lash, 8.0)
    needed = np.maximum(off / np.maximum(skin, 1.0), -off / np.maximum(255.0 - skin, 1.0)).max(axis=2)
    alpha = np.clip(np.maximum((off / dark).mean(axis=2), needed), 0.0, 1.0)
    own = (picture - (1 - alpha[..., None]) * skin) / np.maximum(alpha, 1e-3)[..., None]
    texture = np.where(alpha[..., None] > 0.05, own, 0.8 * band.lash)

    past = BESIDE_COLUMNS
    number = np.arange(-past, LID_POINTS + past)
    inside = np.clip(number, 0, LID_POINTS - 1)
    # The margin is led on past its ends, where it moves less and less: -1 to 0 before the first, 0 to 1 after the last.
    beside = (number - inside) / past
    right = np.array([margins.down[1], -margins.down[0], 0.0])
    off = 1.2 * BESIDE * margins.width * beside[:, None] * right
    upper, in_photo = margins.upper[inside] + off, margins.in_photo[inside] + off[:, :2]
    move = margins.upper_move[:, inside] * (1.0 - np.abs(beside))[:, None]
    along = inside / (LID_POINTS - 1) + 1.2 * BESIDE * beside
    come_down = (move @ margins.down).max(axis=1)
    come_down = np.clip(
        come_down / max(come_down[ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]], 1e-6), 0.0, 1.0
    )
    turned = come_down[:, None] * smooth_step((0.5 + TURNING - np.abs(along - 0.5)) / TURNING)
    height = np.array(LASH_ROWS) * margins.width
    fall = height + np.minimum(HANG * height, LONGEST * margins.width)
    positions = np.concatenate([upper - h * margins.down for h in height])
    deltas = np.concatenate([move + f * turned[..., None] * margins.down for f in fall], axis=1)
    places = np.concatenate([in_photo - h * margins.down[:2] for h in height])
    uv = places - (band.columns.start, band.rows.start)
    triangles = grid_triangles(len(LASH_ROWS), len(along))
    return part_on_head(
        name, positions, deltas, triangles, uv, texture, np.rint(255 * alpha).astype(np.uint8)
    )


def _line(name: str, side: str, margins: _Margins, band: LidBand) -> MeshPart:
    """A dark line along the upper lid's margin, and shade around it, that appear as the lid comes down."""
    taper = np.sin(np.pi * np.linspace(0.03, 0.97, LID_POINTS))
    # Two more rows follow the upper margin: nothing at rest, LINE when shut.
    blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
    above, below = margins.upper_move.copy(), margins.upper_move.copy()
    above[blink] -= (LINE[0] * margins.width * taper)[:, None] * margins.down
    below[blink] += (LINE[1] * margins.width * taper)[:, None] * margins.down
    positions = np.concatenate([margins.upper, margins.lower, margins.upper, margins.upper])
    deltas = np.concatenate([margins.upper_move, margins.lower_move, above, below], axis=1)

    number = np.arange(4 * LID_POINTS).reshape(4, LID_POINTS)
    surface = number[[2, 0, 3]].reshape(-1)[grid_triangles(3, LID_POINTS)]
    # The lower margin belongs to the part (see ``lid_parts``) but shows nothing: its triangles have no area.
    still = np.stack([number[1, :-1], number[1, 1:], number[1, 1:]], axis=1)
    along = np.tile(np.linspace(1, 23, LID_POINTS), 4)
    margin = 0.5 + (LINE_TEXELS - 1) * LINE[0] / sum(LINE)
    across = np.repeat([margin, margin, 0.5, LINE_TEXELS - 0.5], LID_POINTS)
    rows = np.arange(LINE_TEXELS)[:, None] / (LINE_TEXELS - 1)
    far = rows * sum(LINE) - LINE[0]
    share = np.where(
        far < 0,
        LINE_SHARE[0] * smooth_step(1 + far / LINE[0]),
        LINE_SHARE[1] * smooth_step(1 - far / LINE[1]),
    )
    profile = np.maximum(EDGE_SHARE * np.exp(-((far / EDGE) ** 2)), share)
    ends = np.sin(np.pi * (np.arange(24) + 0.5) / 24)[None]
    coverage = np.round(255 * profile * ends).astype(np.uint8)
    uv = np.stack([along, across], axis=1)
    texture = np.tile(0.9 * band.lash, (LINE_TEXELS, 24, 1))
    return part_on_head(name, positions, deltas, np.concatenate([surface, still]), uv, texture, coverage)
