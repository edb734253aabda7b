"""Rasterising in NumPy, whole arrays at a time: for machines without a C++ compiler.

Each triangle is cut into rows; each row's first and last covered pixel follow from the edge functions by division.
Only where several triangles cover a pixel is depth looked at. Bit-equal to the other paths.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.rasterise.reference import EMPTY, SUBPIXEL, snap

HALF = SUBPIXEL // 2
EDGES = ((1, 2), (2, 0), (0, 1))

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Whole = NDArray[np.int64]


def rasterise(
    positions: Float,
    triangles: NDArray[np.int32],
    attributes: Float,
    out_attributes: Float,
    out_triangle: NDArray[np.int32],
    keys: Whole,
    origin: tuple[float, float],
    scale: float,
) -> None:
    """See ``kernels.rasterise``."""
    height, width = out_triangle.shape
    shown = _visible(positions, triangles, origin, scale, height, width)
    row, owner, first, last = _rows(shown, height, width)

    # All covered pixels of all triangles, one after the other.
    lengths = np.maximum(last - first + 1, 0)
    begins = np.cumsum(lengths) - lengths
    pixel = np.repeat(row * width + first - begins, lengths) + np.arange(lengths.sum())
    fragment = np.repeat(owner, lengths)
    winner = out_triangle.reshape(-1)
    winner.fill(-1)
    winner[pixel] = fragment
    hits = np.bincount(pixel, minlength=height * width)
    contested = np.flatnonzero(hits[pixel] > 1)
    if len(contested):
        _decide_by_depth(shown, pixel[contested], fragment[contested], width, keys, winner)

    drawn = np.flatnonzero(winner >= 0)
    chosen = winner[drawn]
    winner[drawn] = shown.number[chosen]
    x, y = shown.x.astype(np.float32), shown.y.astype(np.float32)
    dx = ((drawn % width) * SUBPIXEL + HALF).astype(np.float32) - x[0].take(chosen)
    dy = ((drawn // width) * SUBPIXEL + HALF).astype(np.float32) - y[0].take(chosen)
    b_right, c_right = _span(shown.y, 0, 2) * shown.inverse_area, _span(shown.y, 1, 0) * shown.inverse_area
    b_down, c_down = _span(shown.x, 2, 0) * shown.inverse_area, _span(shown.x, 0, 1) * shown.inverse_area
    out_attributes.fill(0)
    for channel, plane in zip(attributes.T, out_attributes, strict=True):
        value = channel[shown.corners]
        to_b, to_c = value[1] - value[0], value[2] - value[0]
        across, down = b_right * to_b + c_right * to_c, b_down * to_b + c_down * to_c
        slope = across.take(chosen) * dx + down.take(chosen) * dy
        plane.reshape(-1)[drawn] = value[0].take(chosen) + slope


@dataclass(frozen=True, eq=False)
class _Shown:
    """Triangles that may touch the grid: numbers [N]; corners (vertices), x, y (1/256 cells), z [3, N], positive order."""

    number: Whole
    corners: NDArray[np.int32]
    x: Double
    y: Double
    z: Float
    inverse_area: Float


def _span(values: Double, start: int, end: int) -> Float:
    return np.asarray(values[end] - values[start], np.float32)


def _visible(
    positions: Float,
    triangles: NDArray[np.int32],
    origin: tuple[float, float],
    scale: float,
    height: int,
    width: int,
) -> _Shown:
    corners = np.ascontiguousarray(triangles.T)
    places = positions.take(corners.reshape(-1), axis=0)
    snapped, valid = snap(places, origin, scale)
    # Whole numbers below 2**53 are exact in float64, which divides far faster than int64.
    x, y = (snapped[:, k].astype(np.float64).reshape(3, -1) for k in (0, 1))
    valid = valid.reshape(3, -1)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    seen = valid[0] & valid[1] & valid[2] & (area != 0)
    for values, cells in ((x, width), (y, height)):
        low, high = _least(values), -_least(-values)
        seen &= (high >= HALF) & (low <= (cells - 1) * SUBPIXEL + HALF)
    number = np.flatnonzero(seen)
    z = places[:, 2].reshape(3, -1)
    corners, x, y, z, area = corners[:, number], x[:, number], y[:, number], z[:, number], area[number]
    turned = np.flatnonzero(area < 0)
    for three in (corners, x, y, z):
        _turn(three, turned)
    return _Shown(number, corners, x, y, z, np.float32(1) / np.abs(area).astype(np.float32))


def _turn(three: NDArray[Any], which: Whole) -> None:
    """Swap the second and third corner of some triangles, in place."""
    three[1, which], three[2, which] = three[2, which], three[1, which]


def _least(three: Double) -> Double:
    return np.asarray(np.minimum(np.minimum(three[0], three[1]), three[2]))


def _rows(shown: _Shown, height: int, width: int) -> tuple[Whole, Whole, Whole, Whole]:
    """For each row of each triangle: the row, the triangle (place in ``shown``), its first and last covered column."""
    x, y = shown.x, shown.y
    top = np.maximum(np.ceil((_least(y) - HALF) / SUBPIXEL), 0).astype(np.int64)
    bottom = np.minimum(np.floor((-_least(-y) - HALF) / SUBPIXEL), height - 1).astype(np.int64)
    lengths = np.maximum(bottom - top + 1, 0)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    row = np.arange(len(owner)) + np.repeat(top - (np.cumsum(lengths) - lengths), lengths)
    low, high = np.zeros(len(row)), np.full(len(row), width - 1.0)
    for i, j in EDGES:
        dx, dy = x[j] - x[i], y[j] - y[i]
        top_left = (dy < 0) | ((dy == 0) & (dx > 0))
        # The edge function is start + row * down + column * step; what is covered has it >= 0, or > 0.
        start = dx * (HALF - y[i]) - dy * (HALF - x[i]) - ~top_left
        step = np.where(dy == 0, 1.0, -dy * SUBPIXEL)
        slack = start.take(owner) + (dx * SUBPIXEL).take(owner) * row
        bound = -slack / step.take(owner)
        rising, level = (dy < 0).take(owner), (dy == 0).take(owner)
        np.maximum(low, np.ceil(bound), out=low, where=rising)
        np.minimum(high, np.floor(bound), out=high, where=~(rising | level))
        high[level & (slack < 0)] = -1
    return row, owner, low.astype(np.int64), high.astype(np.int64)


def _decide_by_depth(
    shown: _Shown, pixel: Whole, fragment: Whole, width: int, keys: Whole, winner: NDArray[np.int32]
) -> None:
    """Set ``winner`` of contested pixels to the nearest triangle, the lower number where depths are equal."""
    px, py = (pixel % width) * SUBPIXEL + float(HALF), (pixel // width) * SUBPIXEL + float(HALF)
    x, y, z = shown.x[:, fragment], shown.y[:, fragment], shown.z[:, fragment]
    edge = [
        ((x[j] - x[i]) * (py - y[i]) - (y[j] - y[i]) * (px - x[i])).astype(np.float32) for i, j in EDGES[1:]
    ]
    inverse_area = shown.inverse_area[fragment]
    depth = z[0] + (edge[0] * ((z[1] - z[0]) * inverse_area) + edge[1] * ((z[2] - z[0]) * inverse_area))
    bits = depth.view(np.int32)
    ordered = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    flat = keys.reshape(-1)
    flat[pixel] = EMPTY
    np.minimum.at(flat, pixel, (ordered << 32) | fragment)
    winner[pixel] = flat[pixel] & 0xFFFFFFFF
