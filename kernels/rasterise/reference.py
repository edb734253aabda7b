"""The definition of rasterising, one triangle after the other in NumPy; slow and plain.

Convention: as in ``kernels.rasterise``. Every float operation is a single float32 operation in the order written,
so that a compiled kernel without fused multiply-add gives the same bits.
"""

import numpy as np
from numpy.typing import NDArray

SUBPIXEL = 256
LIMIT_PX = np.float32(16384)
EMPTY = (1 << 63) - 1
"""The key of a grid cell on which nothing is drawn, in the paths that keep keys."""


def snap(
    positions: NDArray[np.float32], origin: tuple[float, float], scale: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Grid positions in whole 1/256 cells, int64 [V, 2], and which vertices are usable."""
    with np.errstate(invalid="ignore", over="ignore"):
        grid = (positions[:, :2] - np.asarray(origin, np.float32)) * np.float32(scale)
        valid = (np.abs(grid) < LIMIT_PX).all(axis=1) & (np.abs(positions[:, 2]) < np.float32(1e30))
    grid = np.where(valid[:, None], grid, np.float32(0))
    whole = ((grid + LIMIT_PX) * np.float32(SUBPIXEL) + np.float32(0.5)).astype(np.int64)
    return whole - int(LIMIT_PX) * SUBPIXEL, valid


def rasterise(
    positions: NDArray[np.float32],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.float32],
    out_attributes: NDArray[np.float32],
    out_triangle: NDArray[np.int32],
    origin: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
) -> None:
    """See ``kernels.rasterise``."""
    height, width = out_triangle.shape
    snapped, valid = snap(positions, origin, scale)
    nearest = np.full((height, width), np.inf, np.float32)
    out_attributes[:] = 0
    out_triangle[:] = -1
    for number, corners in enumerate(triangles.tolist()):
        if not valid[corners].all():
            continue
        (ax, ay), (bx, by), (cx, cy) = snapped[corners].tolist()
        a, b, c = corners
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        if area < 0:
            b, c, bx, by, cx, cy, area = c, b, cx, cy, bx, by, -area
        columns = np.arange(max(min(ax, bx, cx) // SUBPIXEL, 0), min(max(ax, bx, cx) // SUBPIXEL + 1, width))
        rows = np.arange(max(min(ay, by, cy) // SUBPIXEL, 0), min(max(ay, by, cy) // SUBPIXEL + 1, height))
        if not len(columns) or not len(rows):
            continue
        px, py = columns[None] * SUBPIXEL + SUBPIXEL // 2, rows[:, None] * SUBPIXEL + SUBPIXEL // 2
        inside = np.ones((len(rows), len(columns)), bool)
        edges = []
        for x0, y0, x1, y1 in ((bx, by, cx, cy), (cx, cy, ax, ay), (ax, ay, bx, by)):
            value = (x1 - x0) * (py - y0) - (y1 - y0) * (px - x0)
            top_left = y1 < y0 or (y1 == y0 and x1 > x0)
            inside &= (value >= 0) if top_left else (value > 0)
            edges.append(value.astype(np.float32))
        inverse_area = np.float32(1) / np.float32(area)
        za, zb, zc = positions[a, 2], positions[b, 2], positions[c, 2]
        z = za + (edges[1] * ((zb - za) * inverse_area) + edges[2] * ((zc - za) * inverse_area))
        box = np.ix_(rows, columns)
        drawn = inside & (z < nearest[box])
        nearest[box] = np.where(drawn, z, nearest[box])
        out_triangle[box] = np.where(drawn, number, out_triangle[box])
        dx, dy = px.astype(np.float32) - np.float32(ax), py.astype(np.float32) - np.float32(ay)
        b_right, b_down = np.float32(cy - ay) * inverse_area, np.float32(ax - cx) * inverse_area
        c_right, c_down = np.float32(ay - by) * inverse_area, np.float32(bx - ax) * inverse_area
        for k, plane in enumerate(out_attributes):
            value = attributes[a, k]
            to_b, to_c = attributes[b, k] - value, attributes[c, k] - value
            across, down = b_right * to_b + c_right * to_c, b_down * to_b + c_down * to_c
            plane[box] = np.where(drawn, value + (across * dx + down * dy), plane[box])
