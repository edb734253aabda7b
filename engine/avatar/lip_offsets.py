"""What the lips of one face do beyond its blendshapes: an offset basis on the lip region, in canvas pixels.

Thin and flare are fixed fields of offsets. Seal, tuck and skew depend on where the lips are: they measure how far the
contact lines are from each other or from the teeth and move the lines; the skin and the inside of the mouth follow.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.lip_fields import lip_fields, tucked
from engine.avatar.neutral import UPPER_LIP_SHARE, overclose_px
from engine.avatar.teeth import COLUMNS
from engine.render.drive_numbers import NO_TEETH, SEALED_NONE, SEALED_WHOLE, SKEW_SHIFT, TUCK_COVER
from engine.render.layers import part_vertices

Float = NDArray[np.float32]
Array = NDArray[Any]

TUCK_LIFT: Final = 0.018
"""How far the upper lip rises off the teeth in a tuck, eye-corner distances."""

SKEW_OPENING: Final = 0.6
"""How much larger and smaller the opening gets near the corners; less toward the middle."""


class LipOffsets:
    """The basis of one avatar; positions are float32 [V, 3], canvas pixels, before the head turns.

    The contact lines are one list of N vertices, the upper line and then the lower one, each from corner to corner.
    Which places of the two face each other is taken from the neutral face once: nothing is searched in a frame.

    avatar: one that has the extras of ``engine.avatar.lip_follow``.
    """

    def __init__(self, avatar: Avatar) -> None:
        upper, lower = (avatar.extras[f"lip_{side}"].astype(np.intp) for side in ("upper", "lower"))
        self.vertex = avatar.extras["lip_vertex"].astype(np.intp)
        self.spread = _spread(avatar.extras["lip_follow"].astype(np.float64), self.vertex, upper, lower)
        self.fields = lip_fields(avatar, self.spread).reshape(3, -1)
        self.lines, self.cut = np.concatenate([upper, lower]), len(upper)
        self.place = np.searchsorted(self.vertex, self.lines)
        self.unit = avatar.inter_ocular

        neutral = avatar.positions[self.lines].astype(np.float64)
        where = _along(neutral, neutral, self.cut)
        self.apart = _apart(where, self.cut).astype(np.float32)
        self.calm_depth = self.apart @ avatar.positions[self.lines, 2]
        own_share = np.where(np.arange(len(where)) < self.cut, UPPER_LIP_SHARE, UPPER_LIP_SHARE - 1.0)
        self.closer = own_share[:, None].astype(np.float32)
        parted = "parted_lips" in avatar.report.get("flags", ())
        round_end = np.sqrt(np.maximum(np.sin(np.pi * where), 0.0))
        self.overlap = (overclose_px(parted, avatar.inter_ocular) * round_end).astype(np.float32)
        self.skewed = (-SKEW_OPENING * own_share * (2.0 * where - 1.0)).astype(np.float32)
        self.middle = tucked(where).astype(np.float32)[:, None]
        self.lift = self.middle[: self.cut] * np.float32(TUCK_LIFT * self.unit)
        self.teeth = part_vertices(avatar, "upper_teeth")[:COLUMNS].astype(np.intp)
        if len(self.teeth):
            along = _along(avatar.positions[self.teeth].astype(np.float64), neutral, self.cut)
            self.on_teeth = _hats(where[self.cut :], along).astype(np.float32)

    def add(self, positions: Float, offsets: Float) -> None:
        """Move the lips of ``positions`` in place by float32 [5], as in ``Motion.lip_offsets``."""
        seal, tuck, thin, flare, skew = offsets.tolist()
        points = positions[self.lines]
        fixed = None
        if thin or flare or tuck:
            fixed = (np.array([thin, flare, tuck], np.float32) @ self.fields).reshape(-1, 3)
            points += fixed[self.place]
        right, down = self._axes(points)
        shift = np.zeros_like(points)
        gap = np.maximum(self.apart @ (points @ down), 0.0)
        if fixed is None and not seal and not gap.any():
            return  # a shut mouth has no side
        if skew:
            shift += (skew * self.skewed * gap)[:, None] * down
            shift += (skew * SKEW_SHIFT * gap.max()) * right
        if tuck:
            shift += self._tuck(points + shift, positions, down, tuck)
        if seal:
            seal *= self._reached(float(gap.max()))
            shift += seal * self._closing(points + shift, down)
            if seal == 1.0:  # what the interpolation between vertices left
                shift += self._closing(points + shift, down)
        total = self.spread @ shift
        if fixed is not None:
            total += fixed
        total += positions.take(self.vertex, axis=0)
        positions[self.vertex] = total

    def _axes(self, points: Float) -> tuple[Float, Float]:
        """Unit vectors to the right along the mouth and down across it in the picture, float32 [3]."""
        x, y, _ = (points[self.cut - 1] - points[0]).tolist()
        width = max(math.hypot(x, y), 1e-6)
        return np.array([x, y, 0.0], np.float32) / width, np.array([-y, x, 0.0], np.float32) / width

    def _tuck(self, points: Float, positions: Float, down: Float, tuck: float) -> Float:
        """How far the lines' vertices go for the lower lip to touch the upper teeth's edge, [N, 3]."""
        lip, upper = points[self.cut :], points[self.cut :] - self.apart[self.cut :] @ points
        if len(self.teeth):
            tooth = self.on_teeth @ positions[self.teeth]
        else:
            tooth = upper + np.float32(NO_TEETH[0] * self.unit) * down
            tooth[:, 2] += NO_TEETH[1] * self.unit
        tooth -= np.float32(TUCK_COVER * self.unit) * down
        middle = self.middle[self.cut :]
        way = upper - lip + middle * (tooth - upper)  # toward the corners it meets the upper lip
        height = way @ down
        height[[0, -1]] = 0.0
        share = tuck * self._reached(-float(height.min()))
        shift = np.empty_like(points)
        shift[: self.cut] = -tuck * self.lift * down
        shift[self.cut :] = share * height[:, None] * down
        shift[self.cut :, 2] = share * middle[:, 0] * np.maximum(tooth[:, 2] - lip[:, 2], 0.0)
        return shift

    def _closing(self, points: Float, down: Float) -> Float:
        """How far the lines' vertices go to meet and overlap, [N, 3]; in depth as they lie on the calm face."""
        apart = self.apart @ points
        way = np.maximum(apart @ down + self.overlap, 0.0)[:, None] * down
        way[:, 2] = apart[:, 2] - self.calm_depth
        return np.asarray(self.closer * way)

    def _reached(self, gap: float) -> float:
        """Share of a gap, [0, 1], that lips alone close."""
        far = (gap / self.unit - SEALED_WHOLE) / (SEALED_NONE - SEALED_WHOLE)
        far = min(max(far, 0.0), 1.0)
        return 1.0 - far * far * (3.0 - 2.0 * far)


def _along(points: Array, lines: Array, cut: int) -> Array:
    """Where points lie between the corners of the mouth, [N]: rising within each line."""
    axis = (lines[cut - 1] - lines[0])[:2]
    where = (points - lines[0])[:, :2] @ axis / (axis @ axis)
    if len(points) != len(lines):
        return np.maximum.accumulate(where)
    return np.concatenate([np.maximum.accumulate(part) for part in (where[:cut], where[cut:])])


def _hats(places: Array, at: Array) -> Array:
    """Weights [P, N] that interpolate between values at N rising places."""
    return np.stack([np.interp(places, at, hat) for hat in np.eye(len(at))], axis=1)


def _apart(where: Array, cut: int) -> Array:
    """What of the lines' vertices gives lower minus upper line at each of them, [N, N]; 0 at the shared corners."""
    upper, lower = where[:cut], where[cut:]
    weights = np.block(
        [[-np.eye(len(upper)), _hats(upper, lower)], [-_hats(lower, upper), np.eye(len(lower))]]
    )
    weights[[0, cut - 1, cut, -1]] = 0.0
    return np.asarray(weights)


def _spread(follow: Array, vertex: Array, upper: Array, lower: Array) -> Float:
    """How far each vertex that follows the lines, [M], goes with each of their vertices, float32 [M, N]."""
    along, columns = follow[:, 0], []
    for line, reach in ((upper, follow[:, 1]), (lower, follow[:, 2])):
        mine = np.searchsorted(vertex, line)
        share = _hats(along, along[mine])
        share[mine] = np.eye(len(line))
        columns.append(reach[:, None] * share)
    return np.concatenate(columns, axis=1).astype(np.float32)
