"""Rasterising in NumPy, whole arrays at a time: for machines without a C++ compiler.

Each triangle is cut into rows, each row's first and last covered pixel follow from the edge functions by whole-number
division, and all covered pixels of all triangles compete for the frame by depth key. Bit-equal to the other paths.
"""

import numpy as np
from numpy.typing import NDArray

from kernels.rasterise.reference import SUBPIXEL, snap

EMPTY = np.iinfo(np.int64).max
HALF = SUBPIXEL // 2


def rasterise(
    positions: NDArray[np.float32],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.float32],
    out_attributes: NDArray[np.float32],
    out_triangle: NDArray[np.int32],
    keys: NDArray[np.int64],
    origin: tuple[float, float],
    scale: float,
) -> None:
    """See ``kernels.rasterise``."""
    height, width = out_triangle.shape
    snapped, valid = snap(positions, origin, scale)
    number, corners, x, y = _visible(snapped, valid, triangles, height, width)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    inverse_area = np.float32(1) / area.astype(np.float32)

    # One entry per triangle and row.
    top = np.maximum((y.min(axis=0) + HALF - 1) // SUBPIXEL, 0)
    bottom = np.minimum((y.max(axis=0) - HALF) // SUBPIXEL, height - 1)
    owner, row = _ranges(top, bottom)
    first, last = np.zeros(len(row), np.int64), np.full(len(row), width - 1)
    start = []  # edge functions at the centre of column 0
    steps = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        dx, dy = x[j] - x[i], y[j] - y[i]
        top_left = (dy < 0) | ((dy == 0) & (dx > 0))
        value = (dx * (HALF - y[i]) - dy * (HALF - x[i]))[owner] + (dx * SUBPIXEL)[owner] * row
        step = (-dy * SUBPIXEL)[owner]
        slack = value - ~top_left[owner]
        rising, falling, level = step > 0, step < 0, step == 0
        safe = np.where(level, 1, step)
        first = np.where(rising, np.maximum(first, -(slack // safe)), first)
        last = np.where(falling, np.minimum(last, slack // -safe), last)
        last = np.where(level & (slack < 0), -1, last)
        start.append(value)
        steps.append(step)

    # One entry per covered pixel.
    span, column = _ranges(first, last)
    triangle = owner[span]
    z = positions[:, 2][corners]
    slope_b, slope_c = (z[1] - z[0]) * inverse_area, (z[2] - z[0]) * inverse_area
    eb = (start[1][span] + steps[1][span] * column).astype(np.float32)
    ec = (start[2][span] + steps[2][span] * column).astype(np.float32)
    depth = z[0][triangle] + (eb * slope_b[triangle] + ec * slope_c[triangle])
    bits = depth.view(np.int32)
    ordered = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    keys.fill(EMPTY)
    np.minimum.at(keys.reshape(-1), row[span] * width + column, (ordered << 32) | triangle)

    drawn = np.flatnonzero(keys != EMPTY)
    triangle = keys.reshape(-1)[drawn] & 0xFFFFFFFF
    out_triangle.fill(-1)
    out_triangle.reshape(-1)[drawn] = number[triangle]
    dx = ((drawn % width) * SUBPIXEL + HALF).astype(np.float32) - x[0].astype(np.float32)[triangle]
    dy = ((drawn // width) * SUBPIXEL + HALF).astype(np.float32) - y[0].astype(np.float32)[triangle]
    b_right, b_down = (
        (y[2] - y[0]).astype(np.float32) * inverse_area,
        (x[0] - x[2]).astype(np.float32) * inverse_area,
    )
    c_right, c_down = (
        (y[0] - y[1]).astype(np.float32) * inverse_area,
        (x[1] - x[0]).astype(np.float32) * inverse_area,
    )
    out_attributes.fill(0)
    for channel, plane in zip(attributes.T, out_attributes, strict=True):
        value = channel[corners]
        to_b, to_c = value[1] - value[0], value[2] - value[0]
        across, down = b_right * to_b + c_right * to_c, b_down * to_b + c_down * to_c
        plane.reshape(-1)[drawn] = value[0][triangle] + (across[triangle] * dx + down[triangle] * dy)


def _visible(
    snapped: NDArray[np.int64],
    valid: NDArray[np.bool_],
    triangles: NDArray[np.int32],
    height: int,
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Triangles that may touch the grid: their numbers [N], corners [3, N] in positive order, x and y [3, N]."""
    corners = triangles.T
    x, y = snapped[:, 0][corners], snapped[:, 1][corners]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    seen = valid[corners].all(axis=0) & (area != 0)
    seen &= (x.max(axis=0) >= HALF) & (x.min(axis=0) <= (width - 1) * SUBPIXEL + HALF)
    seen &= (y.max(axis=0) >= HALF) & (y.min(axis=0) <= (height - 1) * SUBPIXEL + HALF)
    number = np.flatnonzero(seen)
    corners, x, y = corners[:, number], x[:, number], y[:, number]
    turned = area[number] < 0
    for item in (corners, x, y):
        item[1, turned], item[2, turned] = item[2, turned], item[1, turned]
    return number, corners, x, y


def _ranges(first: NDArray[np.int64], last: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All whole numbers of the ranges [first, last], one after the other, and the range each is from."""
    lengths = np.maximum(last - first + 1, 0)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) - begins[owner] + first[owner]
