"""Compositing by OpenCV and NumPy: for machines without a C++ compiler.

Within ``cases.PORTABLE_LEVELS_OFF`` of the other paths: OpenCV places texels on a 1/32 grid.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels.composite.reference import OPAQUE


def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
    factor: int,
    opacity: int,
) -> None:
    """See ``kernels.composite``."""
    under = _bytes(background)
    if factor == 2:
        under = _uint8(cv2.resize(under, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    colour = _over(planes, triangle >= 0, _faded(atlas, opacity), under)
    if factor == 2:
        # Every sample reads the texture, those of a smooth patch too: a little softer than the definition.
        colour = _uint8(cv2.resize(colour, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    colour[..., 3] = 255
    out[:] = colour.view(np.uint32)[..., 0]


def _faded(atlas: NDArray[np.uint32], opacity: int) -> NDArray[np.uint32]:
    """The atlas with its coverage times opacity / 256."""
    if opacity == OPAQUE:
        return atlas
    coverage = np.asarray(((atlas >> 24) * opacity + 128) >> 8, np.uint32)
    return (atlas & np.uint32(0xFFFFFF)) | coverage << np.uint32(24)


def _over(
    planes: NDArray[np.float32], drawn: NDArray[np.bool_], atlas: NDArray[np.uint32], under: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Shaded texels over ``under``: uint8 [H, W, 4], the fourth channel left as it comes."""
    u, v, shade = planes
    half = np.float32(0.5)
    texel = _uint8(
        cv2.remap(_bytes(atlas), u - half, v - half, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
    colour, coverage = texel.reshape(-1, 4), texel.reshape(-1, 4)[:, 3]
    # Most of a frame is fully covered and not shaded: only the rest is worked on.
    shaded = np.flatnonzero(drawn.reshape(-1) & (shade.reshape(-1) != 1))
    if len(shaded):
        lit = colour[shaded, :3] * shade.reshape(-1)[shaded, None] + half
        colour[shaded, :3] = np.minimum(lit, 255)
    behind = under.reshape(-1, 4)
    mixed = np.flatnonzero(drawn.reshape(-1) & (coverage < 255))
    if len(mixed):
        weight = coverage[mixed, None] * np.float32(1 / 255)
        colour[mixed, :3] = colour[mixed, :3] * weight + behind[mixed, :3] * (1 - weight) + half
    return _uint8(cv2.copyTo(texel, drawn.view(np.uint8), under.copy()))


def _bytes(image: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)


def _uint8(image: Any) -> NDArray[np.uint8]:
    """OpenCV's results are typed more loosely than they are."""
    return np.asarray(image, np.uint8)
