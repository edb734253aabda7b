"""The photo as two layers: the person's colours with their coverage, and the background behind the person."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.parts import Float, Image

FILL_SIDE: Final = 256
"""The background is filled in at this size; it is only seen out of the corner of the eye."""
CLEAR_OF_PERSON: Final = 0.02
"""Background is taken no nearer to the person than this, over the side: hair and shadow reach that far."""
INPAINT_REACH: Final = 0.06
"""So far behind the person's edge (over the side) structure is continued; farther in it is only blurred."""
SURE: Final = 0.95
"""Coverage from which a pixel shows the person alone."""
COLOUR_SLACK: Final = 60.0
"""How far an edge pixel's colour may lie from its neighbours inside the person, levels of 255."""


def background_plate(photo: Image, coverage: Float) -> Image:
    """The photo without the person, uint8 [side, side, 3].

    coverage: float32 [side, side] in [0, 1]. Away from the person the plate is the photo itself.
    """
    side = len(photo)
    person = _grown(coverage > 0.02, CLEAR_OF_PERSON * side)
    size = (FILL_SIDE, FILL_SIDE)
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(person.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.0
    smooth = _spread(small.astype(np.float32), ~hole)
    continued = cv2.inpaint(small, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA).astype(np.float32)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    inner = np.clip(depth / (INPAINT_REACH * FILL_SIDE) - 0.3, 0.0, 1.0)[:, :, None]
    filled = continued + inner * (smooth - continued)
    large = cv2.resize(filled, (side, side), interpolation=cv2.INTER_CUBIC)
    share = cv2.GaussianBlur(person.astype(np.float32), (0, 0), 0.25 * CLEAR_OF_PERSON * side)[:, :, None]
    share = np.clip(2.0 * share, 0.0, 1.0)
    return _to_levels(photo + share * (large - photo))


def foreground(photo: Image, coverage: Float, background: Image) -> Image:
    """The person's own colours, uint8 [side, side, 3].

    Blended by the coverage over the background they give the photo again; outside the person they go on with the
    colours of its edge, so that no old background clings to it when it moves.
    """
    alpha = coverage[:, :, None]
    extended = _spread(photo.astype(np.float32), coverage >= SURE)
    own = (photo - (1.0 - alpha) * background) / np.maximum(alpha, 0.05)
    own = np.clip(own, extended - COLOUR_SLACK, extended + COLOUR_SLACK)
    return _to_levels(np.where(alpha >= SURE, photo, np.where(alpha > 0.05, own, extended)))


def _grown(mask: NDArray[np.bool_], reach_px: float) -> NDArray[np.bool_]:
    size = 2 * max(1, round(reach_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _spread(image: Float, known: NDArray[np.bool_]) -> Float:
    """Fill what is not known from ever coarser averages of what is (pull-push)."""
    weight = known.astype(np.float32)
    levels = [(image * weight[:, :, None], weight)]
    while min(levels[-1][1].shape) > 2:
        total, weight = levels[-1]
        size = (max(1, weight.shape[1] // 2), max(1, weight.shape[0] // 2))
        levels.append(
            (
                np.asarray(cv2.resize(total, size, interpolation=cv2.INTER_AREA), np.float32),
                np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32),
            )
        )
    total, weight = levels.pop()
    filled = total / np.maximum(weight, 1e-6)[:, :, None]
    for total, weight in reversed(levels):
        coarse = cv2.resize(filled, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        certain = np.minimum(weight, 1.0)[:, :, None]
        filled = certain * total / np.maximum(weight, 1e-6)[:, :, None] + (1.0 - certain) * coarse
    return np.asarray(filled, np.float32)


def _to_levels(image: NDArray[Any]) -> Image:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
