"""Fixed fields of offsets on the lip region of one face: its red thinner, its edges turned outward."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.easing import smooth_step
from engine.render.layers import part_vertices

Float = NDArray[np.float32]
Array = NDArray[Any]

OUTER_EDGE: Final = {
    "upper": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    "lower": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
}
"""Landmarks along the outer edge of the lips' red, from the viewer's left to the viewer's right."""
LEAST_RED: Final = 0.2
"""Toward the corners the red counts as no lower than this share of its height in the middle."""

FADED: Final = 2.5
"""Where the skin beyond the red has stopped following, over the red's height from the contact line."""
EASE: Final = 4.0
"""Where a vertex follows the lines less than one part in so many, a field fades out, whatever the red's height."""

THINNED: Final = 0.4
"""How much of the red's height goes when it is thin, and how far its middle goes back, over that height."""
THIN_BACK: Final = 0.25
THIN_ENDS: Final = 0.16
"""Over so much of the mouth's width from the corners it comes in: there the red of both lips ends in one point."""

FLARE_EDGE: Final = {"upper": 0.022, "lower": 0.045}
"""How far an inner edge goes outward in the middle, over the mouth's width."""
FLARE_ROUND: Final = 0.8
"""Between the corners that is a sine to this power."""
FLARE_RED: Final = 0.12
"""How much taller the red gets as it turns outward."""
FLARE_NARROW: Final = 0.055
"""How far each corner comes in, over the mouth's width."""
FLARE_FORWARD: Final = 0.06
"""How far the lips come forward, likewise."""

TUCKED_HALF: Final = 0.48
TUCKED_FADE: Final = 0.36
"""Half the width of what a tuck moves and how far it fades there, over the mouth's width: the corners stay."""
TUCK_THIN: Final = 0.7
"""A tucked lip's red is so far thinned: its edge rolls in behind the teeth."""


def lip_fields(avatar: Avatar, spread: Float) -> Float:
    """Offsets of the vertices of ``avatar.extras["lip_vertex"]`` at thin 1, at flare 1 and at tuck 1, float32 [3, M, 3].

    The tuck's is only what the lower lip's red does on its way. spread: as ``LipOffsets`` has it, [M, N]: what lies
    behind the lips follows the contact lines.
    """
    face = _Face(avatar)
    thin, flare, tuck = np.zeros((3, len(face.vertex), 3))
    for side, outward in (("upper", -face.down), ("lower", face.down)):
        mine = face.side == side
        where, level, height = face.where[mine], face.level[mine], face.height[mine]
        fade = smooth_step((FADED - level) / (FADED - 1.0)) * np.minimum(EASE * face.reach[mine], 1.0)
        much = height * fade * smooth_step(np.minimum(where, 1.0 - where) / THIN_ENDS)
        thin[mine] = (-THINNED * much * np.minimum(level, 1.0))[:, None] * outward
        thin[mine, 2] = THIN_BACK * much * smooth_step((2.0 - level) / 2.0)
        if side == "lower":
            tuck[mine] = TUCK_THIN * tucked(where)[:, None] * thin[mine]
        middle = np.maximum(np.sin(np.pi * where), 0.0)
        edge = FLARE_EDGE[side] * face.width * middle**FLARE_ROUND
        outer = edge + FLARE_RED * height * np.minimum(level, 1.0)
        flare[mine] = (outer * fade)[:, None] * outward
        flare[mine] -= (FLARE_NARROW * face.width * (2.0 * where - 1.0) * face.reach[mine])[
            :, None
        ] * face.right
        flare[mine, 2] -= FLARE_FORWARD * face.width * np.sqrt(middle) * face.reach[mine]
    fields = np.stack([thin, flare, tuck])
    lines = np.concatenate([avatar.extras["lip_upper"], avatar.extras["lip_lower"]])
    on_lines = fields[:, np.searchsorted(face.vertex, lines)]
    fields[:, face.side == "inside"] = np.einsum("mn,knc->kmc", spread[face.side == "inside"], on_lines)
    return fields.astype(np.float32)


def tucked(where: Array) -> Array:
    """How far a place of the lower lip, in [0, 1] between the corners, is tucked."""
    return smooth_step((TUCKED_HALF - np.abs(where - 0.5)) / TUCKED_FADE)


class _Face:
    """Where the vertices of the lip region lie on this face's lips.

    vertex: [M]. right, down: unit vectors of the mouth in the picture, [3]; width: pixels.
    side: "upper" or "lower", the lip to whose outside a vertex belongs, else "inside". reach: how far it follows its
    contact line. where: between the corners, in [0, 1]; height: of the red there, pixels; level: distance from the
    contact line over that height, across the mouth.
    """

    def __init__(self, avatar: Avatar) -> None:
        positions = avatar.positions.astype(np.float64)
        self.vertex = avatar.extras["lip_vertex"].astype(np.intp)
        follow = avatar.extras["lip_follow"]
        lines = {side: avatar.extras[f"lip_{side}"].astype(np.intp) for side in ("upper", "lower")}
        first, last = positions[lines["upper"][[0, -1]]]
        axis = last - first
        self.width = float(np.hypot(axis[0], axis[1]))
        self.right = np.array([axis[0], axis[1], 0.0]) / self.width
        self.down = np.array([-axis[1], axis[0], 0.0]) / self.width

        def along(points: Array) -> Array:
            return np.asarray((points - first) @ self.right / self.width)

        places = positions[self.vertex]
        self.where = np.clip(along(places), 0.0, 1.0)
        self.reach = follow[:, 1:].max(axis=1)
        outside = np.isin(self.vertex, part_vertices(avatar, "skin")) & (avatar.shade[self.vertex] == 1.0)
        own_lip = np.where(follow[:, 1] >= follow[:, 2], "upper", "lower")
        self.side = np.where(outside, own_lip, "inside")
        self.height, self.level = np.ones(len(self.vertex)), np.zeros(len(self.vertex))
        for side, sign in (("upper", -1.0), ("lower", 1.0)):
            line = positions[lines[side]]
            at = np.maximum.accumulate(along(line))

            def off(points: Array, at: Array = at, line: Array = line, sign: float = sign) -> Array:
                """How far points lie outward of the contact line."""
                contact = np.interp(along(points), at, (line - first) @ self.down)
                return np.asarray(sign * ((points - first) @ self.down - contact))

            edge = _landmarks(avatar, OUTER_EDGE[side])
            red = np.maximum(off(edge), 0.0)
            mine = self.side == side
            self.height[mine] = np.interp(
                self.where[mine], np.maximum.accumulate(along(edge)), np.maximum(red, LEAST_RED * red.max())
            )
            self.level[mine] = np.maximum(off(places[mine]), 0.0) / np.maximum(self.height[mine], 1e-6)


def _landmarks(avatar: Avatar, numbers: tuple[int, ...]) -> Array:
    """Landmarks of the neutral mesh, [L, 3]."""
    vertex, weight = (avatar.extras[f"landmark_{kind}"][list(numbers)] for kind in ("vertex", "weight"))
    return np.asarray(np.einsum("lkc,lk->lc", avatar.positions[vertex].astype(np.float64), weight))
