"""A little of what a turning head does to the light on it: sides that turn toward the light get brighter.

The photo's own light stays in its pixels. How it falls is read from them once, as brightness that is linear in the
normal of an egg around the head; a pose changes each point by a part of what its turned normal makes of that.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.matte import FACE_OVAL
from engine.avatar.parts import LUMA
from engine.render.drive_numbers import HEAD_LIGHT_MOST
from engine.render.layers import part_vertices

Float = NDArray[np.float32]

HALF_WIDTH: Final = 0.6  # of the egg, head widths
HALF_HEIGHT: Final = 0.85  # in distances from forehead to chin
STEEPEST: Final = 0.92
"""Sine of the angle at which the egg's normals stop turning away: beyond the outline there is hair, not head."""
STRENGTH: Final = 0.6
USUAL: Final = np.array([0.0, -0.1, -0.25])
"""Light from the front and a little above: what is assumed where the photo does not say."""
STIFFNESS: Final = 0.05
"""How much that counts; it keeps the estimate from making much of brows and lips."""
SMALL: Final = 48  # px, side of the picture that the light is read from
FOREHEAD, CHIN = 10, 152


class HeadLight:
    """How bright each vertex of an avatar is for a pose, 1 as in the photo."""

    def __init__(self, avatar: Avatar) -> None:
        face = avatar.landmarks[FACE_OVAL, :2]
        height = float(np.linalg.norm(avatar.landmarks[CHIN, :2] - avatar.landmarks[FOREHEAD, :2]))
        radii = np.array([HALF_WIDTH * avatar.head_width, HALF_HEIGHT * height])
        side = (avatar.positions[:, :2] - face.mean(axis=0)) / np.maximum(radii, 1.0)
        size = np.linalg.norm(side, axis=1, keepdims=True)
        side *= np.minimum(1.0, STEEPEST / np.maximum(size, 1e-6))
        self.normals = np.column_stack([side, -np.sqrt(1.0 - (side**2).sum(axis=1))]).astype(np.float32)
        ambient, self.direction = _read(avatar, self.normals)
        still = np.maximum(ambient + self.normals @ self.direction, 0.4)
        self.weight = (STRENGTH * avatar.rigid / still).astype(np.float32)

    def turned(self, rotation: Float) -> Float:
        """How the light changes along the head's own axes when the head is turned, float32 [3]."""
        return np.asarray((rotation - np.eye(3, dtype=np.float32)).T @ self.direction, np.float32)

    def at(self, rotation: Float) -> Float:
        """Brightness of all vertices, float32 [V], when the head is turned by ``rotation`` [3, 3]."""
        change = (self.normals @ self.turned(rotation)) * self.weight
        return np.asarray(1.0 + np.clip(change, -HEAD_LIGHT_MOST, HEAD_LIGHT_MOST), np.float32)


def _read(avatar: Avatar, normals: Float) -> tuple[float, Float]:
    """The photo's brightness on the face, over its mean, as ambient + normal @ direction."""
    skin = part_vertices(avatar, "skin")
    oval = avatar.landmarks[FACE_OVAL, :2].astype(np.float32)
    mask = np.zeros((avatar.side, avatar.side), np.uint8)
    cv2.fillPoly(mask, [np.rint(oval).astype(np.int32)], 1)
    column, row = np.clip(np.floor(avatar.uv[skin].T).astype(int), 0, avatar.side - 1)
    skin = skin[mask[row, column] > 0]
    if len(skin) < 12:
        return 1.0, np.zeros(3, np.float32)
    photo = np.ascontiguousarray(avatar.atlas[: avatar.side, : avatar.side]).view(np.uint8)
    photo = photo.reshape(avatar.side, avatar.side, 4)[..., :3]
    small = cv2.resize(photo, (SMALL, SMALL), interpolation=cv2.INTER_AREA) @ LUMA
    place = (avatar.uv[skin] * (SMALL / avatar.side) - 0.5).astype(np.float32)
    luma = cv2.remap(small.astype(np.float32), place[:, 0], place[:, 1], cv2.INTER_LINEAR).ravel()
    # Vertices crowd around eyes and mouth: each cell of the picture counts once.
    cell = np.floor(place).astype(int) @ (SMALL, 1)
    _, number, count = np.unique(cell, return_inverse=True, return_counts=True)
    weight = 1.0 / count[number]
    basis = np.column_stack([np.ones(len(skin)), normals[skin]])
    level = luma / max(float((weight * luma).sum() / weight.sum()), 1.0)
    stiff = np.array([0.0, 1.0, 1.0, 1.0]) * STIFFNESS * weight.sum()
    normal = (basis * weight[:, None]).T @ basis + np.diag(stiff)
    fitted = np.linalg.solve(normal, basis.T @ (weight * level) + stiff * np.append(0.0, USUAL))
    return float(fitted[0]), fitted[1:].astype(np.float32)
