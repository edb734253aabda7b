"""What the motion network is told of a frame, once its skin is rasterised on the grid; and what of its answer is drawn.

Written once for NumPy arrays of one frame on a CPU and for torch tensors of a batch on a GPU: ``xp`` is the module
``numpy`` or ``torch``, and needs nothing that they do not both have. In shapes, ... is nothing or the batch's rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.render.neural.sizes import GRID, IMAGE, LIPS

Array = Any
"""float32 where nothing else is said."""

LIP_EDGES: Final = (
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
"""Landmarks along the outer edge of the upper and of the lower lip, and along their inner edges: as many of each."""

LID_EDGES: Final = (159, 145, 386, 374)
"""The middles of the lids."""

LIP_WIDTH: Final = 1.2
"""Standard deviation of the Gaussians around the lips' landmarks, cells."""

STILL: Final = 0.25
"""Places that moved by so much against the photo, in cells, are mostly free to change."""

EDGE: Final = 6
"""Cells along the view's border over which what the networks change fades out."""

FREE: Final = 1 / 512
"""Frames in which no place is freer than this to change stay as they are."""


@dataclass(frozen=True, eq=False)
class Guide:
    """One frame, told on the grid.

    Convention: float32 [..., C, GRID, GRID]. code: CODE_CHANNELS. shift: [2], from each place to where the photo has it,
    cells (x, y); 0 where the skin is open. opening: [1], 1 where mouth and eyes are open. lips: [LIPS], one Gaussian map
    for each of ``LIP_EDGES``. gate: [1] in [0, 1], how far the frame may differ from the geometric one.
    """

    code: Array
    shift: Array
    opening: Array
    lips: Array
    gate: Array


@dataclass(frozen=True, eq=False)
class Portrait:
    """What telling of an avatar's frames needs to know of it and of its photo.

    Convention: canvas pixels. corner [..., 2] of the view; cell [..., 1, 1, 1], length of its cells' sides; place
    [..., 2, GRID, GRID], their centres. covered: bool [..., side * side], whether a pixel of the canvas shows the person;
    face: [..., side * side], 1 within the outline of the face; canvas_side: an integer. person: bool [..., 1, GRID,
    GRID], ``covered`` of the cells. vertex int64, weight [..., N, 3]: landmarks of ``LIP_EDGES`` and ``LID_EDGES`` as
    sums of vertices. edges [..., N, 2]: where the photo has them, cells; lips: their maps. centres [GRID]: of the cells,
    in cells. window [1, GRID, GRID]: 0 at the view's border.
    """

    corner: Array
    cell: Array
    place: Array
    covered: Array
    face: Array
    canvas_side: int
    person: Array
    vertex: Array
    weight: Array
    edges: Array
    lips: Array
    centres: Array
    window: Array


def grid_centres() -> NDArray[np.float32]:
    """``Portrait.centres``, the same for all."""
    return np.arange(GRID, dtype=np.float32) + np.float32(0.5)


def grid_window() -> NDArray[np.float32]:
    """``Portrait.window``, the same for all: 1 inside the view, falling smoothly to 0 at its border."""
    near = np.minimum(np.arange(GRID) + 0.5, GRID - 0.5 - np.arange(GRID)) / EDGE
    ramp = smooth_step(np.minimum(near, 1.0))
    return np.asarray(np.minimum.outer(ramp, ramp)[None], np.float32)


def tell(portrait: Portrait, planes: Array, triangle: Array, positions: Array, xp: Any) -> Guide:
    """Tell of a frame.

    planes [..., 5, GRID, GRID], triangle int32 [..., GRID, GRID]: the skin on the grid, with (u, v) and the code's place on
    the head as its attributes. positions [..., V, 3]: where all vertices are, canvas pixels.
    """
    code, source = projected(portrait, planes, triangle, xp), planes[..., :2, :, :]
    shown = code[..., 3:, :, :]
    shift = (source - portrait.place) / portrait.cell * shown
    opening = xp.asarray((triangle < 0)[..., None, :, :] & portrait.person, dtype=xp.float32)
    edges = edges_of(portrait, positions, xp)
    moved = xp.amax(xp.abs(edges - portrait.edges), axis=(-2, -1), keepdims=True)[..., None]
    away = xp.maximum(xp.hypot(shift[..., :1, :, :], shift[..., 1:, :, :]), opening * moved)
    free = 1.0 - xp.exp(-xp.square(away / STILL))
    free = free * on_canvas(portrait, portrait.face, xp.where(shown > 0.0, source, portrait.place), xp)
    gate = _blurred(free, xp) * portrait.window
    return Guide(code, shift, opening, gaussians(portrait, edges, xp) - portrait.lips, gate)


def projected(portrait: Portrait, planes: Array, triangle: Array, xp: Any) -> Array:
    """The code of each cell [..., CODE_CHANNELS, GRID, GRID]."""
    person = on_canvas(portrait, portrait.covered, planes[..., :2, :, :], xp)
    seen = xp.asarray((triangle >= 0)[..., None, :, :] & person, dtype=xp.float32)
    return xp.concatenate([planes[..., 2:, :, :] * seen, seen], axis=-3)


def on_canvas(portrait: Portrait, picture: Array, place: Array, xp: Any) -> Array:
    """What a picture [..., side * side] of the canvas holds at places [..., 2, GRID, GRID]: [..., 1, GRID, GRID]."""
    side, rows = portrait.canvas_side, place.shape[:-3]
    u, v = (xp.asarray(xp.clip(place[..., k, :, :], 0, side - 1), dtype=xp.int64) for k in (0, 1))
    return _picked(picture[..., None], (v * side + u).reshape(*rows, -1), xp).reshape(*rows, 1, GRID, GRID)


def edges_of(portrait: Portrait, positions: Array, xp: Any) -> Array:
    """Landmarks of lips and lids in cells, [..., N, 2]."""
    vertex = portrait.vertex
    corners = _picked(positions[..., :2], vertex.reshape(*vertex.shape[:-2], -1), xp)
    points = (corners.reshape(*vertex.shape, 2) * portrait.weight[..., None]).sum(axis=-2)
    return (points - portrait.corner[..., None, :]) / portrait.cell[..., 0]


def gaussians(portrait: Portrait, edges: Array, xp: Any) -> Array:
    """One map for each of ``LIP_EDGES``, the landmarks' Gaussians added, [..., LIPS, GRID, GRID]."""
    lips = edges[..., : -len(LID_EDGES), :]
    away = portrait.centres - lips.reshape(*lips.shape[:-2], LIPS, -1, 2, 1)
    near = xp.exp(-0.5 * xp.square(away / LIP_WIDTH))
    across, down = near[..., 0, :], near[..., 1, :]
    return down.swapaxes(-1, -2) @ across


def refining(
    flow: Array, residual: Array, gate: Array, enlarged: Callable[[Array], Array], out: Array, xp: Any
) -> None:
    """What ``kernels.warp.refine`` draws into a frame, into ``out`` [..., 5, IMAGE, IMAGE].

    flow [..., 2, GRID, GRID]: cells, the gate in it. residual [..., 3, IMAGE, IMAGE] in units of pictures. gate
    [..., 1, GRID, GRID]. enlarged: bilinearly from GRID to IMAGE.
    """
    xp.multiply(enlarged(flow), IMAGE / GRID, out=out[..., :2, :, :])
    xp.multiply(residual, 255.0 * enlarged(gate), out=out[..., 2:, :, :])


def _picked(rows: Array, index: Array, xp: Any) -> Array:
    """Rows [..., R, C] by number [..., N]: [..., N, C]."""
    picked = xp.take_along_axis if hasattr(xp, "take_along_axis") else xp.take_along_dim
    return picked(rows, index[..., None], -2)


def _blurred(x: Array, xp: Any) -> Array:
    """The mean of three by three cells, mirrored at the border."""
    x = xp.concatenate([x[..., 1:2, :], x, x[..., -2:-1, :]], axis=-2)
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    x = xp.concatenate([x[..., 1:2], x, x[..., -2:-1]], axis=-1)
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 9.0
