"""Hangs new vertices on the fitted head: placed like a group of its vertices, moved like them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.avatar.head_model import load_head_model
from engine.avatar.parts import FittedHead, Float, Image, Int, MeshPart

Array = NDArray[np.float64]

_RIDGE = 1e-3  # of the spread of the group: keeps flat groups' affine motions bounded


@dataclass(frozen=True, eq=False)
class Anchor:
    """A similarity from the head model's frame to the canvas, fitted to one group of vertices.

    canvas = scale * (model @ rotation.T) + shift. The group's blendshape motions are affine in the place.
    """

    rotation: Array
    scale: float
    shift: Array
    _centre: Array
    _motion: Array  # [52, 4, 3]

    def place(self, model: Array) -> Array:
        """Canvas positions of model positions, [V, 3]."""
        return np.asarray(self.scale * model @ self.rotation.T + self.shift)

    def deltas(self, placed: Array) -> Float:
        """Blendshape deltas of placed vertices, float32 [52, V, 3]."""
        local = np.column_stack([(placed - self._centre) / self.scale, np.ones(len(placed))])
        return np.asarray(np.einsum("vk,bkc->bvc", local, self._motion), np.float32)


def anchor(head: FittedHead, group: str, vertices: Float | None = None) -> Anchor:
    """The anchor of a group of the head model; ``vertices`` [V, 3] instead of the neutral ones places it there."""
    mine: Int = head.groups[group]
    model = load_head_model().vertices[mine].astype(np.float64)
    target = (head.neutral if vertices is None else vertices)[mine].astype(np.float64)
    from_centre, to_centre = model.mean(axis=0), target.mean(axis=0)
    left, sizes, right = np.linalg.svd((target - to_centre).T @ (model - from_centre))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left @ np.diag(signs) @ right
    scale = float((sizes * signs).sum() / ((model - from_centre) ** 2).sum())
    shift = to_centre - scale * rotation @ from_centre

    neutral = head.neutral[mine].astype(np.float64)
    centre = neutral.mean(axis=0)
    local = np.column_stack([(neutral - centre) / scale, np.ones(len(mine))])
    spread = float((local[:, :3] ** 2).sum())
    normal = local.T @ local + np.diag([_RIDGE * spread] * 3 + [0.0])
    motion = np.linalg.solve(normal, local.T @ head.deltas[:, mine].astype(np.float64))
    return Anchor(rotation, scale, shift, centre, motion)


def resample_line(points: NDArray[np.floating], count: int) -> Array:
    """Weights [count, N] that place ``count`` points evenly by length along a line of N points [N, 3]."""
    steps = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 1e-6))])
    where = np.linspace(0.0, length[-1], count)
    index = np.clip(np.searchsorted(length, where, side="right") - 1, 0, len(points) - 2)
    share = (where - length[index]) / (length[index + 1] - length[index])
    weights = np.zeros((count, len(points)))
    weights[np.arange(count), index] = 1 - share
    weights[np.arange(count), index + 1] = share
    return weights


def part_on_head(
    name: str,
    positions: Array,
    deltas: NDArray[np.floating],
    triangles: NDArray[np.integer],
    uv: Array,
    texture: NDArray[np.floating],
    coverage: NDArray[np.uint8] | None = None,
) -> MeshPart:
    """A part in the photo's own light that follows the head's pose; arrays as in ``MeshPart``, texture in levels."""
    count = len(positions)
    levels: Image = np.clip(np.rint(texture), 0, 255).astype(np.uint8)
    return MeshPart(
        name=name,
        positions=np.ascontiguousarray(positions, np.float32),
        deltas=np.ascontiguousarray(deltas, np.float32),
        triangles=np.ascontiguousarray(triangles, np.int32),
        uv=np.ascontiguousarray(uv, np.float32),
        shade=np.ones(count, np.float32),
        rigid=np.ones(count, np.float32),
        breath=np.zeros(count, np.float32),
        texture=levels,
        coverage=coverage,
    )
