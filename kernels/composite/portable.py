"""Compositing by OpenCV and NumPy: for machines without a C++ compiler.

Within ``cases.PORTABLE_LEVELS_OFF`` of the other paths: OpenCV places texels on a 1/32 grid.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels.composite.reference import SMOOTH_TEXELS


def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
    factor: int,
) -> None:
    """See ``kernels.composite``."""
    under = _bytes(background)
    if factor == 1:
        colour = _over(planes, triangle >= 0, atlas, under)
    else:
        twice = _uint8(cv2.resize(under, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
        colour = _over(planes, triangle >= 0, atlas, twice)
        colour = _uint8(cv2.resize(colour, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        quarters = planes.reshape(3, out.shape[0], 2, out.shape[1], 2)
        smooth = (triangle >= 0).reshape(out.shape[0], 2, out.shape[1], 2).all(axis=(1, 3))
        spread = quarters[:2].max(axis=(2, 4)) - quarters[:2].min(axis=(2, 4))
        smooth &= (spread < SMOOTH_TEXELS).all(axis=0)
        mean = np.ascontiguousarray(quarters.mean(axis=(2, 4)))
        colour = np.where(smooth[..., None], _over(mean, smooth, atlas, under), colour)
    colour[..., 3] = 255
    out[:] = colour.view(np.uint32)[..., 0]


def _over(
    planes: NDArray[np.float32], drawn: NDArray[np.bool_], atlas: NDArray[np.uint32], under: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Shaded texels over ``under``: uint8 [H, W, 4], the fourth channel left as it comes."""
    u, v, shade = planes
    half = np.float32(0.5)
    texel = cv2.remap(_bytes(atlas), u - half, v - half, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    coverage = np.where(drawn, texel[..., 3], np.uint8(0))
    if shade.size and (shade.min() != 1 or shade.max() != 1):
        gain = cv2.merge([shade] * 4)
        texel = cv2.multiply(texel, gain, dtype=cv2.CV_8U)
    weight = coverage.astype(np.float32) * np.float32(1 / 255)
    return _uint8(cv2.blendLinear(texel, under, weight, 1 - weight))


def _bytes(image: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)


def _uint8(image: Any) -> NDArray[np.uint8]:
    """OpenCV's results are typed more loosely than they are."""
    return np.asarray(image, np.uint8)
