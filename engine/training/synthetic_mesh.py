"""The fine mesh of made heads: the head model's surface subdivided once, its normals, and its unrolled picture plane."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_matrix, diags, identity, vstack
from scipy.spatial import cKDTree

from engine.avatar.head_model import load_head_model
from engine.avatar.parts import Float, Int
from kernels.rasterise import rasterise

Array = NDArray[Any]

AXIS_Z: Final = -0.1
"""The skin is unrolled from an upright axis through this depth, decimetres."""
SKIN_WIDTH, SKIN_HEIGHT = 1152, 1024
"""Texels of the unrolled skin."""
BACKWARD, BEHIND_DM = 0.5, 0.25
"""What faces away as far as that, and lies so far behind the pivot, is left out."""
ANGLE_KNOTS: Final = np.array([[-180.0, -75.0, 75.0, 180.0], [0.0, 0.1, 0.9, 1.0]])
HEIGHT_KNOTS: Final = np.array([[-2.2, -0.95, 0.85, 1.9], [0.0, 0.12, 0.9, 1.0]])
"""Degrees about the axis and decimetres along it, over shares of the picture: the face gets most of it."""


@dataclass(frozen=True, eq=False)
class FineSkin:
    """The body's surface (skin, mouth bag, sockets) once subdivided.

    from_control: [F, V], sparse, fine vertices from the head model's. triangles: int32 [T, 3].
    uv: float32 [F, 2], texels.
    mean: float32 [F, 3], the average head. bag, socket: float32 [F] in [0, 1], how far inside the lips or the lids.
    place: float32 [SKIN_HEIGHT, SKIN_WIDTH, 3], which point of the average head each texel shows.
    """

    from_control: csr_matrix
    triangles: Int
    uv: Float
    mean: Float
    bag: Float
    socket: Float
    place: Float

    def texel(self, points: Array) -> Array:
        """Texels [..., 2] of points of the average head's front, given as x, y or x, y, z."""
        points = np.asarray(points, float)
        if points.shape[-1] == 2:
            depth = _front_depth()
            column = np.clip(np.rint((points[..., 0] + 1.0) * 100).astype(int), 0, depth.shape[1] - 1)
            row = np.clip(np.rint((points[..., 1] + 1.5) * 100).astype(int), 0, depth.shape[0] - 1)
            points = np.concatenate([points, depth[row, column][..., None]], axis=-1)
        return unroll(points)


def unroll(points: Array) -> Array:
    """Texels [..., 2] of points [..., 3] of the average head: angle about an upright axis, and height."""
    x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
    radius = np.hypot(x, z - AXIS_Z)
    # Toward the crown height stands still: there the distance from the axis goes on.
    crown = np.clip((-0.7 - y) / 0.4, 0.0, 1.0) * np.maximum(0.9 - radius, 0.0)
    u = np.interp(np.degrees(np.arctan2(x, -(z - AXIS_Z))), *ANGLE_KNOTS)
    v = np.interp(y - crown, *HEIGHT_KNOTS)
    return np.stack([u * SKIN_WIDTH, v * SKIN_HEIGHT], axis=-1)


def quads_of(triangles: Int) -> Int:
    """Quads [Q, 4] of a mesh whose triangles come as the two halves (a, b, c), (a, c, d) of each."""
    one, other = triangles[::2], triangles[1::2]
    assert (one[:, 0] == other[:, 0]).all() and (one[:, 2] == other[:, 1]).all()
    return np.column_stack([one, other[:, 2]])


def subdivide(quads: Int, count: int) -> tuple[csr_matrix, Int]:
    """Catmull and Clark's subdivision (1978) that keeps the given vertices (nearly) where they are.

    Returns:
        a sparse [F, count] matrix that makes the new vertices, the old ones first, and their quads [4 Q, 4].
    """
    number = len(quads)
    edges = np.sort(np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    unique, edge_of = np.unique(edges, axis=0, return_inverse=True)
    edge_of = edge_of.reshape(number, 4)
    rows = np.repeat(np.arange(number), 4)
    face = csr_matrix((np.full(4 * number, 0.25), (rows, quads.ravel())), (number, count))
    ends = csr_matrix(
        (np.full(2 * len(unique), 0.5), (np.repeat(np.arange(len(unique)), 2), unique.ravel())),
        (len(unique), count),
    )
    touch = csr_matrix((np.ones(4 * number), (edge_of.ravel(), rows)), (len(unique), number))
    faces = np.asarray(touch.sum(axis=1)).ravel()
    inner = _diagonal(faces == 2)
    edge = inner @ (0.5 * ends + 0.25 * (touch @ face)) + _diagonal(faces != 2) @ ends
    corner = csr_matrix((np.ones(4 * number), (quads.ravel(), rows)), (count, number))
    meets = csr_matrix(
        (np.ones(2 * len(unique)), (unique.ravel(), np.repeat(np.arange(len(unique)), 2))),
        (count, len(unique)),
    )
    valence = np.maximum(np.asarray(corner.sum(axis=1)).ravel(), 1.0)
    border = np.zeros(count, bool)
    border[unique[faces == 1].ravel()] = True
    lone = np.asarray(corner.sum(axis=1)).ravel() == 0
    smooth = (
        _diagonal(1 / valence**2) @ corner @ face
        + _diagonal(2 / valence**2) @ meets @ ends
        + _diagonal((valence - 3) / valence)
    )
    held = _diagonal(border | lone)
    vertex = _diagonal(~(border | lone)) @ smooth + held
    fine = _stack(vertex, edge, face)
    keep = 2 * identity(count, format="csr") - vertex  # undoes most of the shrinking
    at_edge, at_face = count + edge_of, count + len(unique) + np.arange(number)
    parts = [np.column_stack([quads[:, k], at_edge[:, k], at_face, at_edge[:, k - 1]]) for k in range(4)]
    return csr_matrix(fine @ keep), np.concatenate(parts).astype(np.int32)


def triangles_of(quads: Int) -> Int:
    """Both halves of each quad, int32 [2 Q, 3]."""
    halves = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1)
    return np.ascontiguousarray(halves.reshape(-1, 3), np.int32)


def ribbon_triangles(count: int, joints: int) -> Int:
    """Triangles of ``count`` ribbons of ``joints`` pairs of vertices each, int32 [T, 3]."""
    base = (np.arange(count)[:, None] * joints + np.arange(joints - 1)).reshape(-1) * 2
    return np.concatenate(
        [np.stack([base, base + 1, base + 3], 1), np.stack([base, base + 3, base + 2], 1)]
    ).astype(np.int32)


def normal_operator(triangles: Int, count: int) -> csr_matrix:
    """Sparse [V, T]: adds up the triangles around each vertex."""
    rows = triangles.ravel()
    columns = np.repeat(np.arange(len(triangles)), 3)
    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, len(triangles)))


def vertex_normals(vertices: Float, triangles: Int, around: csr_matrix) -> Float:
    """Unit normals float32 [V, 3], pointing out of the mesh; ``around``: of ``normal_operator``."""
    a, b, c = (vertices.take(triangles[:, k], axis=0) for k in range(3))
    p, q = b - a, c - a
    normal = np.empty_like(p)
    normal[:, 0] = p[:, 1] * q[:, 2] - p[:, 2] * q[:, 1]
    normal[:, 1] = p[:, 2] * q[:, 0] - p[:, 0] * q[:, 2]
    normal[:, 2] = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    total = around @ normal
    total /= np.maximum(np.sqrt(np.einsum("ij,ij->i", total, total)), 1e-12)[:, None]
    return np.asarray(total, np.float32)


@cache
def skin_triangles() -> Int:
    """The head model's triangles of its skin, without what lies inside lips and lids, int32 [T, 3]."""
    head = load_head_model()
    skin = np.zeros(len(head.vertices), bool)
    skin[head.groups["skin"]] = True
    return np.ascontiguousarray(head.triangles[skin[head.triangles].all(axis=1)])


@cache
def fine_skin() -> FineSkin:
    """The subdivided surface of the shipped head."""
    head = load_head_model()
    apart = np.zeros(len(head.vertices), bool)
    for name in (
        "left_eye",
        "right_eye",
        "left_lashes",
        "right_lashes",
        "upper_teeth",
        "lower_teeth",
        "tongue",
    ):
        apart[head.groups[name]] = True
    quads = quads_of(head.triangles)
    quads = quads[~apart[quads].any(axis=1)]
    matrix, fine = subdivide(quads, len(head.vertices))
    fine = fine[~_behind(matrix @ head.vertices, fine)]
    used = np.unique(fine)
    number = np.full(matrix.shape[0], -1)
    number[used] = np.arange(len(used))
    matrix, triangles = matrix[used], triangles_of(number[fine])
    mean = (matrix @ head.vertices).astype(np.float32)
    bag, socket = _insides(matrix, head)
    uv = _uv(head, mean, matrix, bag, socket)
    place = _places(mean, triangles, uv, (bag > 0) | (socket > 0))
    return FineSkin(
        from_control=csr_matrix(matrix, dtype=np.float32),
        triangles=triangles,
        uv=uv.astype(np.float32),
        mean=mean,
        bag=bag.astype(np.float32),
        socket=socket.astype(np.float32),
        place=place,
    )


def _behind(points: Array, quads: Int) -> Array:
    """Which quads of the average head no picture shows: those that face backward on its outside."""
    one, other = points[quads[:, 2]] - points[quads[:, 0]], points[quads[:, 3]] - points[quads[:, 1]]
    normal = np.cross(one, other)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    middle = points[quads].mean(axis=1)
    return np.asarray((normal[:, 2] > BACKWARD) & (middle[:, 2] > BEHIND_DM))


def rings(triangles: Int, start: Array, allowed: Array, count: int, most: int) -> Array:
    """Distance in edges from ``start`` through ``allowed`` vertices, at most ``most``; -1 elsewhere; [count]."""
    distance = np.full(count, -1)
    distance[start] = 0
    open_to = np.zeros(count, bool)
    open_to[allowed] = True
    for ring in range(1, most + 1):
        touched = np.unique(triangles[(distance[triangles] == ring - 1).any(axis=1)])
        distance[touched[open_to[touched] & (distance[touched] < 0)]] = ring
    return distance


def _insides(matrix: csr_matrix, head: Any) -> tuple[Array, Array]:
    """How far inside the lips and inside the lids each fine vertex lies."""
    count = len(head.vertices)
    lips = np.concatenate([head.groups[f"{s}_lip_contact"] for s in ("upper", "lower")])
    deep = rings(head.triangles, lips, head.groups["mouth_bag"], count, 6).astype(float)
    bag = np.where(deep > 0, deep / 6, 0.0)
    bag[np.setdiff1d(head.groups["mouth_bag"], np.flatnonzero(deep >= 0))] = 1.0
    socket = np.zeros(count)
    for side in ("left", "right"):
        socket[head.groups[f"{side}_socket"]] = 1.0
        socket[np.concatenate([head.groups[f"{side}_{s}_lid"] for s in ("upper", "lower")])] = 0.0
    return np.clip(matrix @ bag, 0, 1), np.clip(matrix @ socket, 0, 1)


def _uv(head: Any, mean: Array, matrix: csr_matrix, bag: Array, socket: Array) -> Array:
    """Texels of the fine vertices; what lies inside lips and lids takes the place of the nearest contact point."""
    uv = unroll(mean)
    lips = np.concatenate([head.groups[f"{s}_lip_contact"] for s in ("upper", "lower")])
    lids = np.concatenate(
        [head.groups[f"{a}_{b}_lid"] for a in ("left", "right") for b in ("upper", "lower")]
    )
    for inside, line in ((bag > 1e-3, lips), (socket > 1e-3, lids)):
        _, nearest = cKDTree(head.vertices[line]).query(mean[inside])
        uv[inside] = unroll(head.vertices[line])[nearest]
    return uv


def _places(mean: Float, triangles: Int, uv: Array, inside: Array) -> Float:
    """What each texel shows of the average head; empty texels take the nearest drawn one."""
    shown = triangles[~inside[triangles].any(axis=1)]
    spread = np.ptp(uv[shown, 0], axis=1)
    shown = np.ascontiguousarray(shown[spread < 0.3 * SKIN_WIDTH])  # not those across the seam behind
    radius = np.hypot(mean[:, 0], mean[:, 2] - AXIS_Z)
    flat = np.column_stack([uv, -radius]).astype(np.float32)
    planes = np.empty((3, SKIN_HEIGHT, SKIN_WIDTH), np.float32)
    found = np.empty((SKIN_HEIGHT, SKIN_WIDTH), np.int32)
    rasterise(flat, shown, mean, planes, found, np.empty(found.shape, np.int64))
    _, nearest = distance_transform_edt(found < 0, return_indices=True)
    return np.ascontiguousarray(np.moveaxis(planes[:, nearest[0], nearest[1]], 0, -1))


@cache
def _front_depth() -> Array:
    """Depth of the average head's front on a grid of hundredths of a decimetre, x from -1 and y from -1.5."""
    head = load_head_model()
    shape = (320, 201)
    depth, found = np.empty((1, *shape), np.float32), np.empty(shape, np.int32)
    rasterise(
        head.vertices, skin_triangles(), np.ascontiguousarray(head.vertices[:, 2:]), depth, found,
        np.empty(shape, np.int64), origin=(-1.005, -1.505), scale=100.0,
    )  # fmt: skip
    _, nearest = distance_transform_edt(found < 0, return_indices=True)
    return np.asarray(depth[0][tuple(nearest)])


def _diagonal(values: Array) -> csr_matrix:
    return csr_matrix(diags(np.asarray(values, float)))


def _stack(*blocks: csr_matrix) -> csr_matrix:
    return csr_matrix(vstack(blocks))
