"""Packed pictures: RGBX in uint32, R in the lowest byte, coverage (255 opaque) in the highest."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def rgb_of(packed: NDArray[np.uint32]) -> Image:
    """The colours of a packed picture [H, W] whose rows follow each other, uint8 [H, W, 3] RGB; a view."""
    return packed.view(np.uint8).reshape(*packed.shape, 4)[..., :3]


def packed_rgb(rgb: Image, coverage: Image | None = None) -> NDArray[np.uint32]:
    """A packed picture [H, W] of uint8 [H, W, 3] RGB, opaque unless its coverage, uint8 [H, W], is given."""
    full = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    full[..., :3] = rgb
    if coverage is not None:
        full[..., 3] = coverage
    return full.view(np.uint32)[..., 0]
