"""The folds that a smile digs from nose to chin, made shallower for a face that does not smile any more.

They are shading in the photo, so they stay when its smile goes. Only narrow dark lines beside the mouth are lifted
toward the skin on both sides of them, in part: folds belong to a face at rest too.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.parts import FittedHead, Float, Image
from engine.conventions import ARKIT_INDEX

Array = NDArray[Any]

SOFTENED: Final = 0.6
"""Share of a fold's depth that goes with the smile."""
FULL_SMILE: Final = 0.3
"""Amount of mouthSmile, taken out of the photo's expression, from which on all of that goes."""

# Lengths in eye-corner distances.
FOLD_WIDTH: Final = 0.075
LINE_REACH: Final = 0.12
LIPS_ROOM: Final = 0.045
NOSTRIL_ROOM: Final = 0.045
GRAIN: Final = 0.008
SOFT: Final = 0.025

FOLD_LINES: Final = (
    (129, 203, 206, 216, 212, 202),
    (358, 423, 426, 436, 432, 422),
)
"""Landmarks along the folds, from the nostril's wing to beside the chin."""
NOSTRILS: Final = (98, 327, 64, 294, 129, 358, 48, 278)
LIPS: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)


def soften_folds(head: FittedHead, picture: Image) -> Image:
    """The skin's colours with shallower folds where the neutral face has lost a smile, uint8 [side, side, 3].

    picture: uint8 [side, side, 3], the person's colours. Faces whose smile stays are returned as they are.
    """
    smile = np.mean([head.photo_blendshapes[ARKIT_INDEX[f"mouthSmile{side}"]] for side in ("Left", "Right")])
    share = SOFTENED * min(float(smile) / FULL_SMILE, 1.0)
    if share <= 0.0:
        return picture
    unit = head.inter_ocular
    width = 2 * max(1, round(FOLD_WIDTH * unit)) + 1
    colours = picture.astype(np.float32)
    # A closing fills dark lines narrower than its kernel with the colours beside them.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    filled = cv2.morphologyEx(cv2.GaussianBlur(colours, (0, 0), GRAIN * unit), cv2.MORPH_CLOSE, kernel)
    depth = np.maximum(cv2.GaussianBlur(filled, (0, 0), SOFT * unit) - colours, 0.0)
    softer = colours + share * _beside_mouth(head)[..., None] * depth
    return np.asarray(np.clip(np.rint(softer), 0, 255), np.uint8)


def _beside_mouth(head: FittedHead) -> Float:
    """Where the folds run, float32 [side, side] in [0, 1]; lips and nostrils are dark for other reasons."""
    unit = head.inter_ocular
    points = np.rint(head.landmarks[:, :2]).astype(np.int32)
    near = np.zeros((head.side, head.side), np.uint8)
    for line in FOLD_LINES:
        cv2.polylines(near, [points[list(line)]], False, 1, 2 * max(1, round(LINE_REACH * unit)))
    spared = np.zeros_like(near)
    cv2.fillPoly(spared, [points[list(LIPS)]], 1)
    for nostril in NOSTRILS:
        cv2.circle(spared, points[nostril].tolist(), max(1, round(NOSTRIL_ROOM * unit)), 1, -1)
    room = 2 * max(1, round(LIPS_ROOM * unit)) + 1
    spared = np.asarray(cv2.dilate(spared, np.ones((room, room), np.uint8)), np.uint8)
    chosen = (near * (1 - spared)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(chosen, (0, 0), SOFT * unit), np.float32)
