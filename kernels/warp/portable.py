"""Warping by OpenCV and NumPy: for machines without a C++ compiler.

Within ``cases.PORTABLE_LEVELS_OFF`` and ``cases.PORTABLE_SHARE_OFF`` of the other paths where values change smoothly:
OpenCV may read on a 1/32 grid.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels.warp.reference import Box, fade, samples_along

MOST_CHANNELS: Final = 128
"""Of an image in OpenCV 5 (512 before)."""

HALF: Final = np.float32(0.5)


def refine(frame: NDArray[np.uint32], box: Box, maps: NDArray[np.float32], out: NDArray[np.uint32]) -> None:
    """See ``kernels.warp``."""
    left, top, side = box
    height, width = frame.shape
    out[:] = frame
    y0, y1 = max(top, 0), min(top + side, height)
    x0, x1 = max(left, 0), min(left + side, width)
    if y0 >= y1 or x0 >= x1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    along = fade(np.arange(side), side)
    weight = np.outer(along, along)[inside]
    u, v, *residual = (_numbers(_resized(plane, side)[inside], weight) for plane in maps)
    moved = _read(_bytes(frame), np.arange(x0, x1), np.arange(y0, y1), (u, v), side / maps.shape[1])
    result = np.empty((y1 - y0, x1 - x0, 4), np.uint8)
    for channel, more in enumerate(residual):
        result[..., channel] = np.clip(moved[..., channel] + np.clip(more, -255, 255) + HALF, 0, 255)
    result[..., 3] = frame[y0:y1, x0:x1] >> 24
    out[y0:y1, x0:x1] = result.view(np.uint32)[..., 0]


def warp_image(
    frame: NDArray[np.uint32], box: Box, flow: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """See ``kernels.warp``."""
    left, top, side = box
    n = out.shape[1]
    samples = samples_along(side, n)
    fine = (np.arange(n * samples) + 0.5) * (side / (n * samples)) - 0.5
    by = [_numbers(_resized(plane, n), 1).repeat(samples, 0).repeat(samples, 1) for plane in flow]
    moved = _read(_bytes(frame), fine + left, fine + top, (by[0], by[1]), side / flow.shape[1])
    mean = cv2.resize(moved.astype(np.float32), (n, n), interpolation=cv2.INTER_AREA)
    out[:] = np.asarray(mean)[..., :3].transpose(2, 0, 1) * np.float32(1 / 255)


def warp_features(
    features: NDArray[np.float32],
    flow: NDArray[np.float32],
    occlusion: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """See ``kernels.warp``."""
    height, width, channels = features.shape
    by = _numbers(flow[0], 1), _numbers(flow[1], 1)
    for first in range(0, channels, MOST_CHANNELS):
        some = np.s_[..., first : first + MOST_CHANNELS]
        moved = _read(np.ascontiguousarray(features[some]), np.arange(width), np.arange(height), by, 1)
        np.multiply(moved, occlusion[..., None], out=out[some])


def _read(
    image: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    by: tuple[NDArray[np.float32], NDArray[np.float32]],
    scale: float,
) -> NDArray[Any]:
    """``image`` [H, W, C] at columns x and rows y displaced by flow [h, w] times ``scale``: [h, w, C]."""
    height, width = image.shape[:2]
    with np.errstate(over="ignore"):
        u = np.clip(x.astype(np.float32) + by[0] * np.float32(scale), 0, width - 1)
        v = np.clip(y.astype(np.float32)[:, None] + by[1] * np.float32(scale), 0, height - 1)
    return np.asarray(cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)).reshape(
        *u.shape, -1
    )


def _numbers(plane: NDArray[np.float32], weight: Any) -> NDArray[np.float32]:
    """``plane`` times ``weight``, 0 where that is not a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.nan_to_num(plane * weight), np.float32)


def _resized(plane: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def _bytes(image: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)
