"""What is there to win for networks that refine what is drawn? Frames that are told something of the true picture give a
scale: who sees the motion alone cannot know so much of every frame."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

TOLD_SIGMA: Final = 4.0
"""Standard deviation, in pixels of the picture, of the blur through which the true colours are told."""
MOVED_SIGMA: Final = 3.0
"""Likewise of the smoothing of the true motion, which keeps it from painting with single pixels."""
FURTHEST: Final = 6.0
"""Pixels that a place may be moved by."""

Image = NDArray[np.uint8]


def told_pictures(drawn: Image, truth: Image) -> dict[str, Image]:
    """What is drawn, uint8 [H, W, 3] RGB, told of the true picture of the same shape.

    "_moved": every place is where it truly is, by dense optical flow (Kroeger et al. 2016). "_told": its colours are the
    true ones but for what a blur takes away. "_both": the one after the other.
    """
    moved = _moved(drawn, truth)
    return {"_moved": moved, "_told": _told(drawn, truth), "_both": _told(moved, truth)}


def _moved(drawn: Image, truth: Image) -> Image:
    flows = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (truth, drawn)]
    flow = np.zeros((*drawn.shape[:2], 2), np.float32)
    cv2.GaussianBlur(flows.calc(grey[0], grey[1], flow), (0, 0), MOVED_SIGMA, dst=flow)
    rows, columns = np.indices(drawn.shape[:2], np.float32)
    x, y = np.clip(flow, -FURTHEST, FURTHEST).transpose(2, 0, 1)
    return np.asarray(
        cv2.remap(drawn, columns + x, rows + y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _told(drawn: Image, truth: Image) -> Image:
    lacking = cv2.GaussianBlur(truth.astype(np.float32) - drawn, (0, 0), TOLD_SIGMA)
    return np.asarray(np.clip(np.rint(drawn + lacking), 0, 255), np.uint8)
