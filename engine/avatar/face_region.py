"""Cuts the face out of the fitted head and joins it to a grid over the rest of the photo."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from engine.avatar.matte import FACE_OVAL
from engine.avatar.parts import FittedHead
from engine.errors import PhotoError

Array = NDArray[Any]

OVAL_SHARE: Final = 0.95
"""The face reaches to this share of the landmark outline."""
RIM_SHARE: Final = 0.75
"""Beyond this share only surface that faces the viewer is taken."""
FACING: Final = 0.25
OPENINGS: Final = (
    "upper_lip_contact", "lower_lip_contact", "left_upper_lid", "left_lower_lid", "right_upper_lid", "right_lower_lid",
)  # fmt: skip
OPENING_RINGS: Final = 8
"""So far around mouth and eyes, in edges, all surface that can be seen is taken: on a turned head they lie near the
outline or past it."""
GRID_PX: Final = 12.0
"""Spacing of the photo grid on a 512 px canvas."""
ROUNDS: Final = 12

FOREHEAD: Final = 10
CHIN: Final = 152


def face_height(landmarks: Array) -> float:
    """From the top of the forehead to the chin; landmarks: [478, 2 or 3]."""
    return float(np.linalg.norm(landmarks[CHIN, :2] - landmarks[FOREHEAD, :2]))


def pixel_centres(side: float, count: int | None = None) -> NDArray[np.float64]:
    """Centres of a canvas' pixels, or of ``count`` larger ones a row, canvas pixels [count, count, 2]."""
    count = round(side) if count is None else count
    places = (np.arange(count) + 0.5) * side / count
    return np.stack(np.meshgrid(places, places), axis=2)


def upright(landmarks: Array, points: Array) -> tuple[Array, Array]:
    """How far points [..., 2] lie below the chin and to the right of it along the face, in face heights."""
    chin, forehead = landmarks[CHIN, :2].astype(float), landmarks[FOREHEAD, :2].astype(float)
    height = float(np.linalg.norm(chin - forehead))
    down = (chin - forehead) / height
    return (points - chin) @ down / height, (points - chin) @ np.array([down[1], -down[0]]) / height


@dataclass(frozen=True, eq=False)
class Canvas:
    """The canvas with ``pad`` pixels more on each side, to draw masks of positions that reach past the frame."""

    side: int
    pad: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.side + 2 * self.pad, self.side + 2 * self.pad

    def polygon(self, points: Array) -> Array:
        """Mask of a polygon, uint8."""
        mask = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(points[:, :2] + self.pad - 0.5).astype(np.int32)], 1)
        return mask

    def at(self, image: Array, points: Array) -> Array:
        """Values of a padded-canvas image at positions, clamped to its edge."""
        x, y = np.clip(np.floor(points[:, :2].T + self.pad).astype(int), 0, self.shape[0] - 1)
        return np.asarray(image[y, x])


@dataclass(frozen=True, eq=False)
class Surface:
    """The face and the grid around it.

    face: int [T, 3], head vertices. loop: int [N], head vertices along the face's outer edge. grid: float64 [G, 2],
    canvas positions. glued: int [S, 3], triangles over ``loop`` (numbers 0 to N - 1) and ``grid`` (from N on).
    """

    face: Array
    loop: Array
    grid: Array
    glued: Array


def build_surface(head: FittedHead, canvas: Canvas) -> Surface:
    """Choose the face's triangles and glue the grid to their edge.

    Raises:
        PhotoError: mouth or eyes run past the edge of what the photo shows.
    """
    face = _face_triangles(head, canvas)
    for _ in range(ROUNDS):
        loop = _outer_loop(face, head)
        grid, glued, torn = _grid(head, canvas, loop)
        if not len(torn):
            break
        # Where the edge folds back over itself in the picture, nothing can be glued to it: take it away.
        face = _whole(face, np.asarray(~np.isin(face, torn).any(axis=1)))
    edges = _opening_edges(head)
    if not np.isin(edges, face).all() or np.isin(edges, loop).any():
        raise PhotoError(
            "expected a photo that shows mouth and both eyes whole, got a head turned so far that their far corners are "
            "hidden: use one that looks into the camera"
        )
    return Surface(face, loop, grid, glued)


def _face_triangles(head: FittedHead, canvas: Canvas) -> Array:
    """The head model's triangles that make up the face, in one piece without holes but mouth and eyes."""
    skin = head.skin_triangles
    oval = head.landmarks[FACE_OVAL, :2]
    centre = oval.mean(axis=0)
    inside = [
        canvas.at(canvas.polygon(centre + share * (oval - centre)), head.in_photo)[skin].all(axis=1)
        for share in (OVAL_SHARE, RIM_SHARE)
    ]
    a, b, c = (head.in_photo[skin[:, k]].astype(float) for k in range(3))
    normal = np.cross(b - a, c - a)
    toward = -normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-9)
    chosen = inside[0] & (inside[1] | (toward > FACING)) | (_near_openings(head, skin) & (toward > 0.0))
    pieces = _pieces(skin, chosen)
    chosen &= pieces == np.bincount(pieces[chosen]).argmax()
    pieces = _pieces(skin, ~chosen)
    outer = pieces == np.bincount(pieces[~chosen]).argmax()
    return _whole(skin, ~outer)


def _near_openings(head: FittedHead, skin: Array) -> Array:
    """Whether each triangle lies within OPENING_RINGS of mouth or eyes."""
    near = np.zeros(len(head.neutral), bool)
    near[_opening_edges(head)] = True
    for _ in range(OPENING_RINGS):
        near[skin[near[skin].any(axis=1)]] = True
    return np.asarray(near[skin].all(axis=1))


def _opening_edges(head: FittedHead) -> Array:
    """Vertices along the lips' and lids' edges."""
    return np.concatenate([head.groups[name] for name in OPENINGS])


def _whole(triangles: Array, chosen: Array) -> Array:
    """The largest piece of the chosen triangles whose edge passes each vertex only once."""
    pieces = _pieces(triangles, chosen)
    chosen = chosen & (pieces == np.bincount(pieces[chosen]).argmax())
    while len(pinched := _pinched(triangles[chosen])):
        chosen = chosen & ~np.isin(triangles, pinched).any(axis=1)
        pieces = _pieces(triangles, chosen)
        chosen = chosen & (pieces == np.bincount(pieces[chosen]).argmax())
    return np.asarray(triangles[chosen])


def _pieces(triangles: Array, chosen: Array) -> Array:
    """Number of the edge-connected piece of each chosen triangle; 0 for the others."""
    owner: dict[tuple[int, int], int] = {}
    parent = np.arange(len(triangles))

    def root(t: int) -> int:
        while parent[t] != t:
            parent[t] = parent[parent[t]]
            t = int(parent[t])
        return t

    for t in np.flatnonzero(chosen).tolist():
        corners = triangles[t].tolist()
        for k in range(3):
            edge = (min(corners[k], corners[k - 1]), max(corners[k], corners[k - 1]))
            if edge in owner:
                parent[root(t)] = root(owner[edge])
            owner[edge] = t
    roots = np.array([root(t) for t in range(len(triangles))])
    _, pieces = np.unique(roots, return_inverse=True)
    return np.asarray(np.where(chosen, pieces + 1, 0))


def _boundary(triangles: Array) -> Array:
    """Directed edges [N, 2] that belong to one triangle only."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, index, count = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(edges[index[count == 1]])


def _pinched(triangles: Array) -> Array:
    """Vertices that the boundary passes more than once."""
    vertices, count = np.unique(_boundary(triangles)[:, 0], return_counts=True)
    return np.asarray(vertices[count > 1])


def _outer_loop(face: Array, head: FittedHead) -> Array:
    """Vertices of the face's outer edge in order."""
    following = dict(_boundary(face).tolist())
    loops = []
    while following:
        start, here = following.popitem()
        loop = [start]
        while here != start:
            loop.append(here)
            here = following.pop(here)
        loops.append(loop)
    return np.array(max(loops, key=lambda loop: np.ptp(head.in_photo[loop, 0])))


def _grid(head: FittedHead, canvas: Canvas, loop: Array) -> tuple[Array, Array, Array]:
    """Grid points outside the face; triangles between its loop (first) and them; vertices where they do not join."""
    edge = head.in_photo[loop, :2].astype(np.float64)
    spacing = GRID_PX * head.side / 512
    inside = np.linspace(0.0, head.side, round(head.side / spacing) + 1)
    beyond = np.linspace(0.0, canvas.pad, round(canvas.pad / spacing) + 1)[1:]
    steps = np.concatenate([-beyond[::-1], inside, head.side + beyond])
    points = np.stack(np.meshgrid(steps, steps), axis=2).reshape(-1, 2)
    face = canvas.polygon(edge)
    points = points[canvas.at(face, points) == 0]
    points = points[cKDTree(edge).query(points)[0] > 0.6 * spacing]
    ends = np.stack([np.arange(len(edge)), np.roll(np.arange(len(edge)), -1)], axis=1)
    middle, half = edge[ends].mean(axis=1), np.linalg.norm(edge[ends[:, 0]] - edge[ends[:, 1]], axis=1) / 2
    while True:
        mesh = Delaunay(np.concatenate([edge, points])).simplices
        sides = np.sort(np.concatenate([mesh[:, [0, 1]], mesh[:, [1, 2]], mesh[:, [2, 0]]]), axis=1)
        present = set(map(tuple, sides[sides.max(axis=1) < len(edge)].tolist()))
        lost = [i for i, pair in enumerate(np.sort(ends, axis=1).tolist()) if tuple(pair) not in present]
        near = cKDTree(points).query_ball_point(middle[lost], half[lost] * 1.05) if lost else []
        blocking = sorted({p for some in near for p in some})
        if not blocking:
            break
        points = np.delete(points, blocking, axis=0)
    centres = np.concatenate([edge, points])[mesh].mean(axis=1)
    outline = edge.astype(np.float32)
    within = np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), False) > 0 for x, y in centres])
    return points, np.asarray(mesh[~within]), loop[np.unique(ends[lost])]
