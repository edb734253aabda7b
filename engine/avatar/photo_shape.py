"""The way back from the calm face to the one that the photo shows: its shape to the pixel, and its own mouth.

The neutral face of a photo with parted lips has its mouth shut, and blendshapes that were adjusted to the face do not
add up to the photo's own expression any more. What they lack is kept as one more offset, and the photo's pixels around
the mouth as a picture: the renderer brings both back as the blendshapes come near the photo's own.
"""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import resample_line
from engine.avatar.parts import FittedHead, MeshPart
from engine.render.layers import LIP_POINTS

Array = NDArray[Any]

SOLID: Final = 0.16
FADED: Final = 0.34
"""How far around the lips the photo's own mouth is solid, and where it has faded out, eye-corner distances."""


def photo_shape(head: FittedHead, parts: Sequence[MeshPart]) -> dict[str, Array]:
    """The avatar's extras that bring the photo's own face back; none where the neutral face is the photo's.

    "photo_blendshapes": float32 [52], the expression that was taken out. "photo_offset": float32 [V, 3], what all
    parts' vertices lack at it. "photo_mouth": uint32 [H, W] RGBX with coverage, the photo around its mouth;
    "photo_mouth_corner": float32 [2], its place on the canvas; "photo_mouth_triangles": int32 [T, 3], the surface that
    it lies on at that expression: skin, and a strip from lip to lip.
    """
    if not head.photo_blendshapes.any():
        return {}
    skin, cavity = (next(part for part in parts if part.name == name) for name in ("skin", "mouth_cavity"))
    start = sum(len(part.positions) for part in parts[: parts.index(cavity)])
    offset = np.zeros((sum(len(part.positions) for part in parts), 3), np.float32)
    offset[: len(skin.positions)] = _missing(head, skin, _skin_in_photo(head, skin))
    offset[start : start + 2 * LIP_POINTS] = _missing(head, cavity, _lips_in_photo(head))
    mouth, corner = _mouth_picture(head)
    return {
        "photo_blendshapes": head.photo_blendshapes,
        "photo_offset": offset,
        "photo_mouth": mouth,
        "photo_mouth_corner": corner,
        "photo_mouth_triangles": np.concatenate([_strip(start), _around(head, skin, mouth.shape, corner)]),
    }


def _missing(head: FittedHead, part: MeshPart, wanted: Array) -> Array:
    """What the first vertices of a part lack to their wanted places at the photo's blendshapes."""
    count = len(wanted)
    reached = part.positions[:count] + np.tensordot(head.photo_blendshapes, part.deltas[:, :count], 1)
    return np.asarray(wanted - reached, np.float32)


def _skin_in_photo(head: FittedHead, skin: MeshPart) -> Array:
    assert skin.source is not None
    places = np.column_stack([skin.uv, skin.positions[:, 2]])
    # Past the frame the texture is mirrored: no place to go back to.
    beyond = (skin.positions[:, :2] < 1.0).any(axis=1) | (skin.positions[:, :2] > head.side - 1.0).any(axis=1)
    places[beyond] = skin.positions[beyond] + np.tensordot(head.photo_blendshapes, skin.deltas[:, beyond], 1)
    ours = skin.source >= 0
    places[ours] = head.in_photo[skin.source[ours]]
    return places


def _lips_in_photo(head: FittedHead) -> Array:
    """The contact lines as "mouth_cavity" begins with them, [2 * LIP_POINTS, 3]."""
    lines = []
    for group in ("upper_lip_contact", "lower_lip_contact"):
        mine = head.groups[group]
        lines.append(resample_line(head.neutral[mine], LIP_POINTS) @ head.in_photo[mine])
    return np.concatenate(lines)


def _mouth_picture(head: FittedHead) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    lips = np.concatenate(
        [head.in_photo[head.groups[f"{lip}_lip_contact"], :2] for lip in ("upper", "lower")]
    )
    outline = np.rint(cv2.convexHull(lips.astype(np.float32))[:, 0] - 0.5).astype(np.int32)
    mouth = np.zeros(head.photo.shape[:2], np.uint8)
    cv2.fillPoly(mouth, [outline], 1)
    distance = cv2.distanceTransform(1 - mouth, cv2.DIST_L2, 5) / head.inter_ocular
    fade = np.clip((FADED - distance) / (FADED - SOLID), 0.0, 1.0)
    coverage = np.rint(255 * fade * fade * (3 - 2 * fade)).astype(np.uint8)
    rows, columns = (np.flatnonzero(coverage.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    picture = np.dstack([head.photo[box], coverage[box]])
    corner = np.array([columns[0], rows[0]], np.float32)
    return np.ascontiguousarray(picture).view(np.uint32)[..., 0].copy(), corner


def _strip(start: int) -> Array:
    """Triangles between the contact lines, the vertices from ``start`` on."""
    upper = start + np.arange(LIP_POINTS)
    lower = upper + LIP_POINTS
    return np.concatenate(
        [
            np.stack([upper[:-1], upper[1:], lower[:-1]], axis=1),
            np.stack([upper[1:], lower[1:], lower[:-1]], axis=1),
        ]
    ).astype(np.int32)


def _around(head: FittedHead, skin: MeshPart, shape: tuple[int, ...], corner: Array) -> Array:
    """The skin's triangles that touch the mouth's picture, without those inside the lips."""
    assert skin.source is not None
    outside = np.asarray(np.isin(skin.source, head.groups["skin"]) | (skin.source < 0))
    places = _skin_in_photo(head, skin)[:, :2] - corner
    inside: Array = np.all((places >= 0) & (places <= shape[::-1]), axis=1)
    corners = skin.triangles
    chosen = np.all(outside[corners], axis=1) & np.any(inside[corners], axis=1)
    return np.asarray(corners[chosen], np.int32)
