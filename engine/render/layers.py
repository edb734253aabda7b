"""Which parts of an avatar are drawn when: the inside of mouth and eyes first, then the skin over it, then lashes.

Each layer is depth-sorted within itself and blended over the layers before it, so soft edges of teeth, irises and
lashes mix with what really lies behind them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar

MOUTH_LAYERS: Final = (("mouth_cavity",), ("tongue",), ("lower_teeth",), ("upper_teeth",), ("mouth_shadow",))
"""Drawn within the mouth opening, from the back to the front. The opening is bounded by the first vertices of
"mouth_cavity", which repeat the lips' contact lines (see ``engine.avatar.mouth``)."""

EYE_SIDES: Final = ("left", "right")
"""The person's own. Each eye has the parts "<side>_sclera", "<side>_iris" (under), "<side>_photo_lashes" and
"<side>_lashes" (over)."""

CLOTHING: Final = "clothing"
"""What the torso wears near the head: drawn over the skin, see ``engine.render.clothing``."""

SHADOW_LEVELS: Final = 64
"""Texels across the texture of "mouth_shadow", from no to full coverage."""

LIP_POINTS: Final = 33
"""Vertices along each lip's contact line at the head of "mouth_cavity": the upper line, then the lower one."""

LID_POINTS: Final = 25
"""Vertices along each lid's margin at the head of "<side>_lashes": the upper margin, then the lower one."""

SKIN_REACH: Final = 0.5
"""How far around an opening the skin may move into it, in inter-ocular distances."""

MOUTH_MARGIN: Final = 0.03
EYE_MARGIN: Final = 0.05


@dataclass(frozen=True, eq=False)
class Detail:
    """A region of the face with something behind the skin: the mouth or one eye.

    under: triangle lists int32 [T, 3] drawn before the skin, back to front. over: those drawn after it.
    skin: int32 [T, 3], the part of the skin that can come into the region.
    outline: int32 [N], the vertices whose bounding box holds all of it.
    margin: how far around the outline soft edges reach, in inter-ocular distances.
    """

    name: str
    under: tuple[NDArray[np.int32], ...]
    over: tuple[NDArray[np.int32], ...]
    skin: NDArray[np.int32]
    outline: NDArray[np.int32]
    margin: float


@dataclass(frozen=True, eq=False)
class Layers:
    """The triangles of an avatar in drawing order: ``skin`` [T, 3] is everything that is not a detail."""

    skin: NDArray[np.int32]
    details: tuple[Detail, ...]


def part_triangles(avatar: Avatar, name: str) -> NDArray[np.int32]:
    """The triangles of one part by name, int32 [T, 3]; none if the avatar has no such part."""
    if name not in avatar.part_names:
        return np.zeros((0, 3), np.int32)
    mine = avatar.triangle_part == avatar.part_names.index(name)
    return np.ascontiguousarray(avatar.triangles[mine])


def part_vertices(avatar: Avatar, name: str) -> NDArray[np.int32]:
    """The vertices that the triangles of one part use, ascending."""
    return np.unique(part_triangles(avatar, name)).astype(np.int32)


def split_layers(avatar: Avatar) -> Layers:
    """Sort the avatar's parts into drawing order; avatars without mouth or eye parts get fewer details."""
    inner = {name for layer in MOUTH_LAYERS for name in layer}
    inner |= {f"{side}_{part}" for side in EYE_SIDES for part in ("sclera", "iris", "photo_lashes", "lashes")}
    inner.add(CLOTHING)
    outer = [index for index, name in enumerate(avatar.part_names) if name not in inner]
    skin = np.ascontiguousarray(avatar.triangles[np.isin(avatar.triangle_part, outer)])
    details = []
    if len(part_triangles(avatar, "mouth_cavity")):
        under = tuple(
            np.concatenate([part_triangles(avatar, part) for part in layer]) for layer in MOUTH_LAYERS
        )
        lips = part_vertices(avatar, "mouth_cavity")[: 2 * LIP_POINTS]
        details.append(Detail("mouth", _not_empty(under), (), _near(avatar, skin, lips), lips, MOUTH_MARGIN))
    for side in EYE_SIDES:
        if len(part_triangles(avatar, f"{side}_lashes")):
            eye = tuple(part_triangles(avatar, f"{side}_{part}") for part in ("sclera", "iris"))
            over = tuple(part_triangles(avatar, f"{side}_{part}") for part in ("photo_lashes", "lashes"))
            lids = np.unique(np.concatenate([lashes.ravel() for lashes in over]))
            details.append(
                Detail(
                    f"{side}_eye",
                    _not_empty(eye),
                    _not_empty(over),
                    _near(avatar, skin, lids),
                    lids,
                    EYE_MARGIN,
                )
            )
    return Layers(skin, tuple(details))


def _near(avatar: Avatar, skin: NDArray[np.int32], outline: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangles of the skin within SKIN_REACH of an opening of the neutral face."""
    reach = SKIN_REACH * avatar.inter_ocular
    opening = avatar.positions[outline, :2]
    corners = avatar.positions[skin, :2]
    near = (corners.max(axis=1) >= opening.min(axis=0) - reach) & (
        corners.min(axis=1) <= opening.max(axis=0) + reach
    )
    return np.ascontiguousarray(skin[near.all(axis=1)])


def _not_empty(layers: tuple[NDArray[np.int32], ...]) -> tuple[NDArray[np.int32], ...]:
    return tuple(layer for layer in layers if len(layer))
