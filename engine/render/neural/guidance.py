"""What the motion network is told of a frame: where in the photo each place of the face comes from, and the lips.

Everything is told on a coarse square grid over the face, the same for all frames of one avatar, beside the same of the
photo itself: projected textures of the reference and of the driven mesh, and Gaussian maps of the lips' landmarks,
those of the photo subtracted (Sun et al., arXiv 2312.01841).
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.easing import smooth_step
from engine.avatar.matte import FACE_OVAL
from engine.errors import InputError
from engine.render.geometric import GeometricRenderer
from engine.render.layers import part_triangles
from engine.render.neural.sizes import GRID
from kernels.rasterise import rasterise

Float = NDArray[np.float32]

VIEW: Final = 1.4
"""Side of the square that the networks see, over the longer side of the face's landmarks."""

LIP_EDGES: Final = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
"""Landmarks along the outer edge of the upper and of the lower lip, and along their inner edges."""

LID_EDGES: Final = (159, 145, 386, 374)
"""The middles of the lids."""

LIP_WIDTH: Final = 1.2
"""Standard deviation of the Gaussians around the lips' landmarks, cells."""

STILL: Final = 0.25
"""Places that moved by so much against the photo, in cells, are mostly free to change."""

OVAL_SHARE: Final = 0.95
OVAL_SOFT: Final = 5
"""What the networks may change ends at the face's outline, shrunk by the first, over the second, cells. Hair, collars and
what comes to light beside the head differ too much from person to person to be learned from made people."""

EDGE: Final = 6
"""Cells along the view's border over which what the networks change fades out."""


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


@dataclass(frozen=True, eq=False)
class Guide:
    """One frame, told on the grid.

    Convention: float32 [C, GRID, GRID]. code: CODE_CHANNELS. shift: [2], from each place to where the photo has it, cells
    (x, y); 0 where the skin is open. opening: [1], 1 where mouth and eyes are open. lips: [LIPS], one Gaussian map for each
    of ``LIP_EDGES``. gate: [1] in [0, 1], how far the frame may differ from the geometric one.
    """

    code: Float
    shift: Float
    opening: Float
    lips: Float
    gate: Float


class Guidance:
    """Tells of the frames of one avatar at one size.

    reference: the photo's own code, float32 [CODE_CHANNELS, GRID, GRID].
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
        self._cell = np.float32(self.view.side / GRID / renderer.scale)  # canvas pixels
        self._corner = np.array([self.view.x, self.view.y], np.float32) / np.float32(renderer.scale)
        centres = np.arange(GRID, dtype=np.float32) + np.float32(0.5)
        self._place = np.stack(np.meshgrid(centres, centres)) * self._cell + self._corner[:, None, None]
        self._skin = part_triangles(avatar, avatar.part_names[0])
        neutral = (avatar.positions - avatar.pivot) / np.float32(avatar.head_width)
        self._attributes = np.ascontiguousarray(np.column_stack([avatar.uv, neutral]), np.float32)
        self._covered = avatar.atlas[: avatar.side, : avatar.side] >> 24 > 127
        self._face = _face(avatar, float(self._cell))
        self._planes = np.empty((self._attributes.shape[1], GRID, GRID), np.float32)
        self._triangle = np.empty((GRID, GRID), np.int32)
        self._keys = np.empty((GRID, GRID), np.int64)
        landmarks = np.array([*sum(LIP_EDGES, ()), *LID_EDGES])
        self._vertex = avatar.extras["landmark_vertex"][landmarks]
        self._weight = avatar.extras["landmark_weight"][landmarks][..., None].astype(np.float32)
        in_photo = renderer.driver.drive(renderer.photo_motion())
        self._edges_before = self._edges_of(in_photo)
        self._lips_before = _gaussians(self._edges_before)
        self.reference, _ = self._project(in_photo)
        self._person = self._covered_at(self._place)

    def guide(self, positions: Float) -> Guide:
        """Tell of a frame from where its vertices are, float32 [V, 3], canvas pixels."""
        code, source = self._project(positions)
        shift = ((source - self._place) / self._cell * code[3]).astype(np.float32)
        opening = ((self._triangle < 0) & self._person).astype(np.float32)
        edges = self._edges_of(positions)
        moved = np.float32(np.abs(edges - self._edges_before).max())
        away = np.maximum(np.hypot(*shift), opening * moved)
        free = 1.0 - np.exp(-np.square(away / np.float32(STILL)))
        free *= _read(self._face, np.where(code[3] > 0.0, source, self._place))
        gate = cv2.blur(free, (3, 3))[None] * WINDOW
        return Guide(code, shift, opening[None], _gaussians(edges) - self._lips_before, gate)

    def _project(self, positions: Float) -> tuple[Float, Float]:
        """The code of each cell [CODE_CHANNELS, GRID, GRID], and where the photo has it [2, GRID, GRID]."""
        rasterise(
            positions,
            self._skin,
            self._attributes,
            self._planes,
            self._triangle,
            self._keys,
            (float(self._corner[0]), float(self._corner[1])),
            1.0 / float(self._cell),
        )
        source = self._planes[:2]
        shown = (self._triangle >= 0) & self._covered_at(source)
        return np.concatenate([self._planes[2:] * shown, shown[None].astype(np.float32)]), source

    def _covered_at(self, place: Float) -> NDArray[np.bool_]:
        """Whether places of the photo, [2, GRID, GRID] canvas pixels, show the person."""
        return _read(self._covered, place)

    def _edges_of(self, positions: Float) -> Float:
        """Landmarks of lips and lids in cells, float32 [N, 2]."""
        points = (positions[self._vertex, :2] * self._weight).sum(axis=1)
        return np.asarray((points - self._corner) / self._cell, np.float32)


def _read(picture: NDArray[Any], place: Float) -> NDArray[Any]:
    """What a picture [side, side] holds at places [2, GRID, GRID], its pixels."""
    u, v = np.clip(place, 0, len(picture) - 1).astype(np.intp)
    return np.asarray(picture[v, u])


def _face(avatar: Avatar, cell: float) -> Float:
    """1 within the outline of the photo's face, falling to 0 at it, float32 [side, side]; cell: canvas pixels."""
    oval = avatar.landmarks[FACE_OVAL, :2]
    middle = oval.mean(axis=0)
    mask = np.zeros((avatar.side, avatar.side), np.float32)
    cv2.fillPoly(mask, [np.rint(middle + OVAL_SHARE * (oval - middle)).astype(np.int32)], 1.0)
    soft = max(round(OVAL_SOFT * cell), 1)
    return np.asarray(cv2.blur(mask, (soft, soft)), np.float32)


def _window() -> Float:
    """1 inside the view, falling smoothly to 0 at its border, float32 [1, GRID, GRID]."""
    near = np.minimum(np.arange(GRID) + 0.5, GRID - 0.5 - np.arange(GRID)) / EDGE
    ramp = smooth_step(np.minimum(near, 1.0))
    return np.asarray(np.minimum.outer(ramp, ramp)[None], np.float32)


WINDOW: Final = _window()


def _gaussians(edges: Float) -> Float:
    """One map for each of ``LIP_EDGES``, the landmarks' Gaussians added, float32 [LIPS, GRID, GRID]."""
    cells = np.arange(GRID, dtype=np.float32) + 0.5
    maps, first = [], 0
    for edge in LIP_EDGES:
        points = edges[first : first + len(edge)]
        first += len(edge)
        across, down = (np.exp(-0.5 * np.square((cells - points[:, k, None]) / LIP_WIDTH)) for k in (0, 1))
        maps.append(down.T @ across)
    return np.stack(maps).astype(np.float32)
