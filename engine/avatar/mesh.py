"""The skin: one continuous mesh of the fitted face and a grid over the rest of the photo.

The face is cut from the head model (inside the landmark outline), with openings at mouth and eyes, and the lips go on
a little way inward; the grid carries hair, ears, neck and torso and is joined to the face's edge.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from engine.avatar.easing import smooth_step
from engine.avatar.face_region import GRID_PX, Canvas, build_surface, face_height
from engine.avatar.follow import Following
from engine.avatar.lids import without_lashes
from engine.avatar.parts import FittedHead, Float, Image, MeshPart
from engine.conventions import ARKIT_NAMES
from kernels.rasterise import rasterise

Array = NDArray[Any]

BEYOND_PX: Final = 120.0
"""How far the grid reaches past the frame, on a 512 px canvas."""
LIP_RINGS: Final = 4
LIP_SHADE: Final = 0.8
"""Brightness of each further ring inside the lips, as a factor."""
INNER_LIP_BACK: Final = 0.1
"""How much deeper than modelled the rings lie, eye-corner distances, from no to full shade: a protruding lower lip
would let them through."""
LOWER_REACH: Final = 0.22
"""How far the lower face's movement spreads into the neck, in face heights."""
UPPER_REACH: Final = 0.08
"""The same for the brows: hair and hats stay."""
PARTED_INSET: Final = 0.012
"""On photos with parted lips the lip edge's colour is taken this far inside the lip, in eye-corner distances."""


def skin_part(head: FittedHead, texture: Image, coverage: Float | None, following: Following) -> MeshPart:
    """Build the skin.

    texture: uint8 [side, side, 3], the person's colours. coverage: float32 [side, side] in [0, 1], or None where
    the person could not be told from the background: then the whole picture bends with the head. following: how the
    picture around the face follows it.
    """
    canvas = Canvas(head.side, round(BEYOND_PX * head.side / 512))
    surface = build_surface(head, canvas)
    face, loop, grid = surface.face, surface.loop, surface.grid
    inner, inner_source, inner_shade = _rims(head)

    used = np.unique(np.concatenate([face.ravel(), inner.ravel()]))
    number = np.full(len(head.neutral), -1)
    number[used] = np.arange(len(used))
    corners = np.concatenate([number[loop], len(used) + np.arange(len(grid))])
    triangles = np.concatenate([number[face], number[inner], corners[surface.glued]])

    depth = _depth(head, canvas, grid)
    grid_positions = np.column_stack([grid, depth])
    uv = np.concatenate([_texture_places(head, inner_source)[used], grid])
    face_positions = head.neutral[used].astype(np.float64)
    face_positions[:, 2] += INNER_LIP_BACK * head.inter_ocular * (1.0 - inner_shade[used])
    positions = np.concatenate([face_positions, grid_positions])
    loose = following.loose(grid)[:, None]
    deltas = np.concatenate([head.deltas[:, used], _grid_deltas(head, loop, grid) * loose], axis=1)
    # Where the mouth was closed on a parted photo, the neck follows the jaw as it does in speech.
    moved = head.neutral - head.in_photo
    positions[len(used) :] += _spread_from(head, loop, grid, moved[None], LOWER_REACH)[0] * loose
    around = following.pose(grid)
    if coverage is None:
        around *= _within_frame(head, loop, grid)
    rigid = np.concatenate([np.ones(len(used)), around])
    breath = np.zeros(len(rigid)) if coverage is None else 1.0 - rigid
    shade = np.concatenate([inner_shade[used], np.ones(len(grid))])
    if coverage is not None:
        triangles = _on_person(triangles, uv, coverage, canvas)
    return MeshPart(
        name="skin",
        positions=positions.astype(np.float32),
        deltas=deltas.astype(np.float32),
        triangles=triangles.astype(np.int32),
        uv=_continued(uv, head.side, coverage).astype(np.float32),
        shade=shade.astype(np.float32),
        rigid=rigid.astype(np.float32),
        breath=breath.astype(np.float32),
        texture=without_lashes(head, texture),
        coverage=None if coverage is None else np.rint(255 * coverage).astype(np.uint8),
        source=np.concatenate([used, np.full(len(grid), -1)]).astype(np.int32),
    )


def _continued(places: Array, side: int, coverage: Float | None) -> Array:
    """Texture places of positions that reach past the frame: there the photo goes on as its own mirror image.

    Where nothing of the person runs into the border, the border itself goes on: hair just below it has no mirror image.
    """
    border = np.clip(places, 0.5, side - 0.5)
    mirrored = np.clip(side - np.abs(np.abs(places) - side), 0.5, side - 0.5)
    if coverage is None:
        return np.asarray(mirrored)
    x, y = np.floor(border.T).astype(int)
    return np.where((coverage[y, x] > 0.5)[:, None], mirrored, border)


def _rims(head: FittedHead) -> tuple[Array, Array, Array]:
    """Triangles inside the lips; for each vertex where it takes its colour (a vertex), and its shade.

    Rings inside mirror the rings outside: the lip goes on inward as it does outward, but darker. Lids get none:
    their edge is thinner than a pixel and would only draw a line around the eye.
    """
    source, shade = np.arange(len(head.neutral)), np.ones(len(head.neutral))
    edge = np.concatenate([head.groups[name] for name in ("upper_lip_contact", "lower_lip_contact")])
    inward = _rings(head.triangles, edge, head.groups["mouth_bag"], LIP_RINGS)
    outward = _rings(head.triangles, edge, head.groups["skin"], LIP_RINGS)
    for ring in range(1, LIP_RINGS + 1):
        inner, outer = np.flatnonzero(inward == ring), np.flatnonzero(outward == ring)
        _, nearest = cKDTree(head.neutral[outer]).query(head.neutral[inner])
        source[inner], shade[inner] = outer[nearest], LIP_SHADE**ring
    strip = head.triangles[(inward >= 0)[head.triangles].all(axis=1)]
    return strip[(inward[strip] > 0).any(axis=1)], source, shade


def _rings(triangles: Array, start: Array, allowed: Array, rings: int) -> Array:
    """Distance in edges from ``start`` through ``allowed`` vertices, up to ``rings``; -1 elsewhere."""
    distance = np.full(int(triangles.max()) + 1, -1)
    distance[start] = 0
    open_to = np.zeros(len(distance), bool)
    open_to[allowed] = True
    for ring in range(1, rings + 1):
        touched = np.unique(triangles[(distance[triangles] == ring - 1).any(axis=1)])
        distance[touched[open_to[touched] & (distance[touched] < 0)]] = ring
    return distance


def _texture_places(head: FittedHead, source: Array) -> Array:
    """Where each head vertex lies in the photo, [V, 2] pixels."""
    places = head.in_photo[:, :2].astype(np.float64)
    if "parted_lips" in head.flags:
        upper, lower = (head.groups[name] for name in ("upper_lip_contact", "lower_lip_contact"))
        apart = head.deltas[ARKIT_NAMES.index("jawOpen")][lower[1:-1], :2].mean(axis=0)
        down = apart / np.linalg.norm(apart)
        places[upper[1:-1]] -= PARTED_INSET * head.inter_ocular * down
        places[lower[1:-1]] += PARTED_INSET * head.inter_ocular * down
    return np.asarray(places[source])


def _depth(head: FittedHead, canvas: Canvas, grid: Array) -> Array:
    """Depth of the grid: the fitted head's, carried on outward and smoothed."""
    scale = 128 / canvas.shape[0]
    found = np.empty((1, 128, 128), np.float32)
    triangle = np.empty((128, 128), np.int32)
    rasterise(
        head.in_photo,
        head.skin_triangles,
        np.ascontiguousarray(head.in_photo[:, 2:]),
        found,
        triangle,
        np.empty((128, 128), np.int64),
        origin=(-canvas.pad, -canvas.pad),
        scale=scale,
    )
    _, nearest = distance_transform_edt(triangle < 0, return_indices=True)
    depth = cv2.GaussianBlur(found[0][tuple(nearest)], (0, 0), 2.0)
    x, y = ((grid + canvas.pad) * scale - 0.5).astype(np.float32).T
    return np.asarray(cv2.remap(depth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel())


def _grid_deltas(head: FittedHead, loop: Array, grid: Array) -> Array:
    """What the grid does for each blendshape: what the face's edge does, fading outward."""
    brows = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(("brow", "eye"))]
    deltas = _spread_from(head, loop, grid, head.deltas, LOWER_REACH)
    deltas[brows] = _spread_from(head, loop, grid, head.deltas[brows], UPPER_REACH)
    return deltas


def _spread_from(head: FittedHead, loop: Array, grid: Array, moved: Array, reach: float) -> Array:
    """Carry movements of head vertices ([K, V, 3]) to the grid: a mean over the nearest of the loop, fading."""
    distance, nearest = cKDTree(head.in_photo[loop, :2]).query(grid, 6)
    weight = 1.0 / np.maximum(distance, 1.0) ** 2
    weight *= np.exp(-((distance[:, :1] / (reach * face_height(head.landmarks))) ** 2)) / weight.sum(
        axis=1, keepdims=True
    )
    near = moved[:, loop]
    return np.asarray(sum(near[:, nearest[:, k]] * weight[:, k, None] for k in range(6)))


def _within_frame(head: FittedHead, loop: Array, grid: Array) -> Array:
    """Where the background bends with the head: 1 near the face, 0 along the frame's border."""
    near = 0.25 * face_height(head.landmarks)
    outside = np.maximum(cKDTree(head.in_photo[loop, :2]).query(grid)[0] - near, 0.0)
    border = np.maximum(np.minimum(grid, head.side - grid).min(axis=1), 0.0)
    return smooth_step(border / np.maximum(border + outside, 1e-6))


def _on_person(triangles: Array, uv: Array, coverage: Float, canvas: Canvas) -> Array:
    """Leave out the triangles that show nothing of the person."""
    reach = 2 * round(GRID_PX * canvas.side / 512) + 1
    near = cv2.dilate((coverage > 0.02).astype(np.uint8), np.ones((reach, reach), np.uint8))
    x, y = np.clip(np.floor(uv.T).astype(int), 0, canvas.side - 1)
    return np.asarray(triangles[(near[y, x] > 0)[triangles].any(axis=1)])
