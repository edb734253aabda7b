"""CPBD: the cumulative probability of blur detection (Narvekar and Karam 2011), a measure of sharpness without a
reference: the part of a picture's edges whose blur is too small to be seen."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 64
EDGE_SHARE: Final = 0.002
"""Blocks with fewer edge pixels have no edge."""
SHAPE: Final = 3.6
CONTRAST: Final = 50
JUST_NOTICED: Final = (5.0, 3.0)
"""Widths of an edge, in pixels, whose blur is just noticed in a block of at most CONTRAST levels, and of more."""
NOT_NOTICED: Final = 0.63
"""Edges whose blur is detected with at most this probability count as sharp."""

Double = NDArray[np.float64]


def cpbd(picture: NDArray[np.uint8]) -> float:
    """Sharpness of uint8 [H, W, 3] RGB, in [0, 1], 1 where no edge is blurred or there is none."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(cv2.GaussianBlur(grey, (0, 0), 1.0), 50, 120) > 0
    widths = _widths(grey.astype(np.float64), edges)
    detected: list[Double] = []
    for y in range(0, grey.shape[0], BLOCK):
        for x in range(0, grey.shape[1], BLOCK):
            block = np.s_[y : y + BLOCK, x : x + BLOCK]
            if edges[block].sum() <= EDGE_SHARE * grey[block].size:
                continue
            noticed = JUST_NOTICED[int(np.ptp(grey[block]) > CONTRAST)]
            mine = widths[block]
            detected.append(1.0 - np.exp(-((mine[mine > 0] / noticed) ** SHAPE)))
    found = np.concatenate(detected) if detected else np.zeros(0)
    return float((found <= NOT_NOTICED).mean()) if len(found) else 1.0


def _widths(grey: Double, edges: NDArray[np.bool_]) -> Double:
    """How many pixels each upright edge takes from its darkest to its brightest, along its row; 0 elsewhere."""
    slope = np.sign(np.diff(grey, axis=1))
    rising = np.sign(cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=3))
    steep = np.abs(cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=3)) >= np.abs(
        cv2.Sobel(grey, cv2.CV_64F, 0, 1, ksize=3)
    )
    widths = np.zeros_like(grey)
    for y, x in zip(*np.nonzero(edges & steep & (rising != 0)), strict=True):
        left, right, way = x, x, rising[y, x]
        while left > 0 and slope[y, left - 1] == way:
            left -= 1
        while right < slope.shape[1] and slope[y, right] == way:
            right += 1
        widths[y, x] = right - left
    return widths
