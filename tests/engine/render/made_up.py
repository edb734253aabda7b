"""Small avatars made of arithmetic, for tests of the renderer."""

from dataclasses import replace

import numpy as np

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX
from engine.render.layers import LIP_POINTS
from engine.render.neural.guide import LIP_EDGES

SIDE = 96


def picture(seed: int = 0) -> np.ndarray:
    """A smooth random RGBX picture with full coverage."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    phases = rng.uniform(0, 6, 6)
    channels = [128 + 100 * np.sin(x / 11 + phases[k]) * np.cos(y / 9 + phases[k + 3]) for k in range(3)]
    packed = sum(np.round(c).astype(np.uint32) << np.uint32(8 * k) for k, c in enumerate(channels))
    return np.asarray(packed, np.uint32) | np.uint32(0xFF000000)


def sheet_avatar(**changes: object) -> Avatar:
    """A sheet over the whole canvas that shows ``picture()`` as it is; jawOpen moves its lower half down 5 px."""
    cells = 12
    line = np.linspace(-6, SIDE + 6, cells + 1, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    positions = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1)
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + cells + 1], axis=1),
            np.stack([corner + 1, corner + cells + 2, corner + cells + 1], axis=1),
        ]
    )
    moved = np.flatnonzero(positions[:, 1] > SIDE / 2).astype(np.int32)
    start = np.zeros(53, np.int32)
    start[ARKIT_INDEX["jawOpen"] + 1 :] = len(moved)
    values = {
        "side": SIDE,
        "positions": positions,
        "delta_start": start,
        "delta_vertex": moved,
        "delta_value": np.tile(np.array([0, 5, 0], np.float32), (len(moved), 1)),
        "triangles": np.ascontiguousarray(triangles, np.int32),
        "triangle_part": np.zeros(len(triangles), np.uint8),
        "part_names": ("skin",),
        "uv": np.ascontiguousarray(positions[:, :2]),
        "shade": np.ones(len(positions), np.float32),
        "rigid": np.ones(len(positions), np.float32),
        "breath": np.zeros(len(positions), np.float32),
        "atlas": picture(),
        "background": np.full((SIDE, SIDE), 0xFF00FF00, np.uint32),
        "pivot": np.array([SIDE / 2, SIDE / 2, 30], np.float32),
        "head_width": 50.0,
        "inter_ocular": 30.0,
        "landmarks": np.zeros((478, 3), np.float32),
        "style": np.zeros(4, np.float32),
    }
    return Avatar(**(values | changes))


def mouth_avatar(opening_px: float) -> Avatar:
    """The sheet with a slit of the given height, 40 px wide, and a red cavity behind it."""
    skin = sheet_avatar()
    x = np.linspace(28, 68, LIP_POINTS, dtype=np.float32)
    upper = np.stack([x, np.full_like(x, 48 - opening_px / 2), np.full_like(x, 1)], axis=1)
    lower = upper + np.array([0, opening_px, 0], np.float32)
    # Skin: everything above the slit's upper edge, everything below its lower edge, and the sides.
    far = np.array(
        [
            [-6, -6, 0],
            [102, -6, 0],
            [-6, 102, 0],
            [102, 102, 0],
            [-6, 48, 0],
            [28, 48, 0],
            [68, 48, 0],
            [102, 48, 0],
        ],
        np.float32,
    )
    edge_up, edge_low = upper * (1, 1, 0), lower * (1, 1, 0)
    n = LIP_POINTS
    positions = np.concatenate([far, edge_up, edge_low, upper, lower]).astype(np.float32)
    up, low = 8 + np.arange(n), 8 + n + np.arange(n)
    triangles = [[0, 1, up[0]], [0, up[0], 4], [4, up[0], 5], [1, 7, up[-1]], [7, 6, up[-1]]]
    triangles += [[2, 3, low[0]], [2, low[0], 4], [4, low[0], 5], [3, 7, low[-1]], [7, 6, low[-1]]]
    triangles += [[1, up[k], up[k + 1]] for k in range(n - 1)] + [
        [3, low[k], low[k + 1]] for k in range(n - 1)
    ]
    ring_up, ring_low = 8 + 2 * n + np.arange(n), 8 + 3 * n + np.arange(n)
    cavity = []
    for k in range(n - 1):
        cavity += [[ring_up[k], ring_up[k + 1], ring_low[k]], [ring_up[k + 1], ring_low[k + 1], ring_low[k]]]
    atlas = np.concatenate([skin.atlas, np.full((8, SIDE), 0xFF0000FF, np.uint32)])
    uv = np.concatenate(
        [positions[: 8 + 2 * n, :2], np.tile(np.array([20, SIDE + 4], np.float32), (2 * n, 1))]
    )
    count = len(positions)
    return sheet_avatar(
        positions=positions,
        triangles=np.array(triangles + cavity, np.int32),
        triangle_part=np.repeat([0, 1], [len(triangles), len(cavity)]).astype(np.uint8),
        part_names=("skin", "mouth_cavity"),
        uv=uv.astype(np.float32),
        shade=np.ones(count, np.float32),
        rigid=np.ones(count, np.float32),
        breath=np.zeros(count, np.float32),
        atlas=atlas,
        delta_start=np.zeros(53, np.int32),
        delta_vertex=np.zeros(0, np.int32),
        delta_value=np.zeros((0, 3), np.float32),
    )


def landmarked_avatar(opening_px: float) -> Avatar:
    """``mouth_avatar`` with landmarks on vertices of its skin: the lips' along the slit, the others anywhere."""
    plain = mouth_avatar(opening_px)
    skin = 8 + 2 * LIP_POINTS  # vertices, the slit's edges last
    vertex = np.random.default_rng(1).integers(0, skin, 478, np.int32)
    for k, edge in enumerate(LIP_EDGES):
        vertex[list(edge)] = 8 + (k % 2) * LIP_POINTS + np.arange(len(edge)) * 3
    corners = np.repeat(vertex[:, None], 3, axis=1)
    weight = np.tile(np.array([1, 0, 0], np.float32), (478, 1))
    return replace(
        plain,
        landmarks=plain.positions[vertex],
        extras={**plain.extras, "landmark_vertex": corners, "landmark_weight": weight},
    )
