"""The definition of warping in NumPy.

Convention: as in ``kernels.warp``. Positions are float32, each operation rounded on its own; images are then read at
whole 1/256 pixels in whole numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int]
"""x, y of the upper left pixel and side, in pixels of an image."""

FADE_SHARE = np.float32(1 / 16)
MOST_SAMPLES = 8
HALF, ONE, STEPS = np.float32(0.5), np.float32(1), np.float32(256)


def refine(
    frame: NDArray[np.uint32],
    box: Box,
    maps: NDArray[np.float32],
    out: NDArray[np.uint32],
) -> None:
    """See ``kernels.warp``."""
    left, top, side = box
    height, width = frame.shape
    n = maps.shape[1]
    out[:] = frame
    rows = np.arange(max(top, 0), min(top + side, height))
    columns = np.arange(max(left, 0), min(left + side, width))
    if not (len(rows) and len(columns)):
        return
    step, move = np.float32(n) / np.float32(side), np.float32(side) / np.float32(n) * STEPS
    weight = fade(rows - top, side)[:, None]
    across, down = _between(columns - left, step, n), _between(rows - top, step, n)
    faded = _resampled(maps, across, fade(columns - left, side), down)
    with np.errstate(invalid="ignore", over="ignore"):
        flow, residual = faded[:2] * (weight * move), faded[2:] * weight
        u = (columns * 256).astype(np.float32) + _number_or_0(flow[0])
        v = (rows * 256).astype(np.float32)[:, None] + _number_or_0(flow[1])
    more = np.clip(_number_or_0(residual), -255, 255) * np.float32(65536)
    value = np.clip((_sampled(frame, u, v) + more.astype(np.int64) + 32768) >> 16, 0, 255).astype(np.uint32)
    inside = np.ix_(rows, columns)
    out[inside] = frame[inside] & np.uint32(0xFF000000) | value[0] | value[1] << 8 | value[2] << 16


def warp_image(
    frame: NDArray[np.uint32],
    box: Box,
    flow: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """See ``kernels.warp``."""
    left, top, side = box
    n, flow_n = out.shape[1], flow.shape[1]
    samples = samples_along(side, n)
    step = np.float32(side) / np.float32(n * samples)
    place = _between(np.arange(n), np.float32(flow_n) / np.float32(n), flow_n)
    with np.errstate(invalid="ignore", over="ignore"):
        move = np.float32(side) / np.float32(flow_n) * STEPS
        u, v = _number_or_0(_resampled(flow, place, np.ones(n, np.float32), place) * move)
        fine = _centres(np.arange(n * samples), step)
        x, y = (fine + np.float32(left)) * STEPS, (fine + np.float32(top)) * STEPS
        total = np.zeros((3, n, n), np.int64)
        for b in range(samples):
            for a in range(samples):
                total += _sampled(frame, x[None, a::samples] + u, y[b::samples, None] + v)
    out[:] = total.astype(np.float32) * (ONE / np.float32(255 * 65536 * samples**2))


def warp_features(
    features: NDArray[np.float32],
    flow: NDArray[np.float32],
    occlusion: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """See ``kernels.warp``."""
    height, width, _ = features.shape
    u, v = _number_or_0(flow)
    across = _placed(np.arange(width, dtype=np.float32) + u, width)
    down = _placed(np.arange(height, dtype=np.float32)[:, None] + v, height)
    lower, upper = down.part * occlusion, (ONE - down.part) * occlusion
    weights = (
        upper * (ONE - across.part),
        upper * across.part,
        lower * (ONE - across.part),
        lower * across.part,
    )
    w00, w01, w10, w11 = (w[..., None] for w in weights)
    with np.errstate(invalid="ignore", over="ignore"):
        above = features[down.low, across.low] * w00 + features[down.low, across.high] * w01
        below = features[down.high, across.low] * w10 + features[down.high, across.high] * w11
        out[:] = above + below


def fade(pixels: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    """How much of the maps remains at these pixels of a box, along one axis."""
    from_edge = np.minimum(pixels, side - 1 - pixels).astype(np.float32) + HALF
    t = np.minimum(from_edge * (ONE / (FADE_SHARE * np.float32(side))), ONE)
    return np.asarray(t * t * (np.float32(3) - np.float32(2) * t), np.float32)


@dataclass(frozen=True)
class Between:
    """Between which elements of an axis each position lies, and how far on."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    part: NDArray[np.float32]


def samples_along(side: int, n: int) -> int:
    """Samples along each axis of one of n elements over ``side`` pixels."""
    return min(max((2 * side + n) // (2 * n), 1), MOST_SAMPLES)


def _centres(elements: NDArray[np.int64], step: np.float32) -> NDArray[np.float32]:
    """Centres of ``elements`` on an axis whose own are ``step`` times as many."""
    return (elements.astype(np.float32) + HALF) * step - HALF


def _between(elements: NDArray[np.int64], step: np.float32, count: int) -> Between:
    return _placed(_centres(elements, step), count)


def _placed(at: NDArray[np.float32], count: int) -> Between:
    at = np.clip(at, 0, np.float32(count - 1))
    low = at.astype(np.int64)
    return Between(low, np.minimum(low + 1, count - 1), at - low.astype(np.float32))


def _resampled(
    maps: NDArray[np.float32], across: Between, column_weight: NDArray[np.float32], down: Between
) -> NDArray[np.float32]:
    """Along the columns, times their weight, and then along the rows."""
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = maps[..., across.low], maps[..., across.high]
        columns = (low + (high - low) * across.part) * column_weight
        low, high = columns[:, down.low], columns[:, down.high]
        return low + (high - low) * down.part[:, None]


def _sampled(frame: NDArray[np.uint32], u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.int64]:
    """R, G, B in 1/65536 levels at u, v in 1/256 pixels from the first pixel's centre: int64 [3, ...]."""
    height, width = frame.shape
    iu = (np.clip(u, 0, np.float32((width - 1) * 256)) + HALF).astype(np.int64)
    iv = (np.clip(v, 0, np.float32((height - 1) * 256)) + HALF).astype(np.int64)
    x0, y0, fu, fv = iu >> 8, iv >> 8, iu & 255, iv & 255
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    channels = np.stack([(frame >> shift) & 255 for shift in (0, 8, 16)]).astype(np.int64)
    upper = channels[:, y0, x0] * (256 - fu) + channels[:, y0, x1] * fu
    lower = channels[:, y1, x0] * (256 - fu) + channels[:, y1, x1] * fu
    return np.asarray(upper * (256 - fv) + lower * fv, np.int64)


def _number_or_0(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isnan(values), np.float32(0), values)
