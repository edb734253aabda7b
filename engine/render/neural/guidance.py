"""What the motion network is told of a frame: where in the photo each place of the face comes from, and the lips.

Everything is told on a coarse square grid over the face, the same for all frames of one avatar, beside the same of the
photo itself: projected textures of the reference and of the driven mesh, and Gaussian maps of the lips' landmarks,
those of the photo subtracted (Sun et al., arXiv 2312.01841). Here for one avatar on a CPU; ``engine.render.neural.guide``
says how it is told.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.matte import FACE_OVAL
from engine.errors import InputError
from engine.render.geometric import GeometricRenderer
from engine.render.layers import part_triangles
from engine.render.neural.guide import (
    LID_EDGES,
    LIP_EDGES,
    Guide,
    Portrait,
    edges_of,
    gaussians,
    grid_centres,
    grid_window,
    on_canvas,
    projected,
    tell,
)
from engine.render.neural.sizes import GRID
from kernels.rasterise import rasterise

Float = NDArray[np.float32]

VIEW: Final = 1.4
"""Side of the square that the networks see, over the longer side of the face's landmarks."""

OVAL_SHARE: Final = 0.95
OVAL_SOFT: Final = 5
"""What the networks may change ends at the face's outline, shrunk by the first, over the second, cells. Hair, collars and
what comes to light beside the head differ too much from person to person to be learned from made people."""


@dataclass(frozen=True)
class FaceView:
    """The square around the face that the networks see, in pixels of a frame: corner, and length of its sides."""

    x: int
    y: int
    side: int

    @classmethod
    def of(cls, avatar: Avatar, size: int) -> "FaceView":
        """The same part of every frame of ``size``; it lies within the frame."""
        points = avatar.landmarks[:, :2] * (size / avatar.side)
        low, high = points.min(axis=0), points.max(axis=0)
        side = min(round(VIEW * float((high - low).max())), size)
        x, y = np.clip(np.rint((low + high - side) / 2).astype(int), 0, size - side).tolist()
        return cls(x, y, side)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)


class Guidance:
    """Tells of the frames of one avatar at one size.

    view: what the networks see of a frame. portrait: what is known of the avatar and its photo. reference: the photo's
    own code, float32 [CODE_CHANNELS, GRID, GRID]. skin: the triangles that are told of, int32 [T, 3]. attributes:
    float32 [V, 5], (u, v) and the place on the neutral head (x, y, z from the pivot, in head widths). corner, scale:
    how ``rasterise`` shows positions on the grid.
    """

    def __init__(self, renderer: GeometricRenderer) -> None:
        """renderer: whose frames they are.

        Raises:
            InputError: the avatar is from before landmarks were kept.
        """
        avatar = renderer.avatar
        if "landmark_vertex" not in avatar.extras:
            raise InputError("expected an avatar that knows its landmarks: make it again from its photo")
        self.view = FaceView.of(avatar, renderer.size)
        self.skin = part_triangles(avatar, avatar.part_names[0])
        neutral = (avatar.positions - avatar.pivot) / np.float32(avatar.head_width)
        self.attributes = np.ascontiguousarray(np.column_stack([avatar.uv, neutral]), np.float32)
        self._planes = np.empty((self.attributes.shape[1], GRID, GRID), np.float32)
        self._triangle = np.empty((GRID, GRID), np.int32)
        self._keys = np.empty((GRID, GRID), np.int64)
        cell = np.float32(self.view.side / GRID / renderer.scale)
        corner = np.array([self.view.x, self.view.y], np.float32) / np.float32(renderer.scale)
        self.corner, self.scale = (float(corner[0]), float(corner[1])), 1.0 / float(cell)
        in_photo = renderer.driver.drive(renderer.photo_motion())
        self.portrait = _portrait(avatar, corner, cell, in_photo)
        self._project(in_photo)
        self.reference: Float = projected(self.portrait, self._planes, self._triangle, np)

    def guide(self, positions: Float) -> Guide:
        """Tell of a frame from where its vertices are, float32 [V, 3], canvas pixels."""
        self._project(positions)
        return tell(self.portrait, self._planes, self._triangle, positions, np)

    def _project(self, positions: Float) -> None:
        """Draw the skin on the grid."""
        mesh = positions, self.skin, self.attributes
        rasterise(*mesh, self._planes, self._triangle, self._keys, self.corner, self.scale)


def _portrait(avatar: Avatar, corner: Float, cell: np.float32, in_photo: Float) -> Portrait:
    """in_photo: where the photo has the vertices, float32 [V, 3]."""
    centres = grid_centres()
    place = np.stack(np.meshgrid(centres, centres)) * cell + corner[:, None, None]
    landmarks = np.array([*sum(LIP_EDGES, ()), *LID_EDGES])
    covered = avatar.atlas[: avatar.side, : avatar.side] >> 24 > 127
    weight = avatar.extras["landmark_weight"][landmarks].astype(np.float32)
    nothing = np.zeros(0, np.float32)
    made = Portrait(
        corner=corner,
        cell=np.full((1, 1, 1), cell, np.float32),
        place=place,
        covered=np.ascontiguousarray(covered).reshape(-1),
        face=_face(avatar, float(cell)).reshape(-1),
        canvas_side=avatar.side,
        person=nothing,
        vertex=avatar.extras["landmark_vertex"][landmarks].astype(np.int64),
        weight=weight,
        edges=nothing,
        lips=nothing,
        centres=centres,
        window=grid_window(),
    )
    edges = edges_of(made, in_photo, np)
    return replace(
        made, person=on_canvas(made, made.covered, place, np), edges=edges, lips=gaussians(made, edges, np)
    )


def _face(avatar: Avatar, cell: float) -> Float:
    """1 within the outline of the photo's face, falling to 0 at it, float32 [side, side]; cell: canvas pixels."""
    oval = avatar.landmarks[FACE_OVAL, :2]
    middle = oval.mean(axis=0)
    mask = np.zeros((avatar.side, avatar.side), np.float32)
    cv2.fillPoly(mask, [np.rint(middle + OVAL_SHARE * (oval - middle)).astype(np.int32)], 1.0)
    soft = max(round(OVAL_SOFT * cell), 1)
    return np.asarray(cv2.blur(mask, (soft, soft)), np.float32)
