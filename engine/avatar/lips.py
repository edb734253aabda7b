"""The skin's picture of a photo whose lips are apart, as its shut mouth needs it.

What such a photo shows between and beside the lips lies on the skin too: the mesh's corners are never exactly the
mouth's, and a shut mouth would carry the dark gaps beside the teeth about as two smudges. They are painted over from
around; where the lips meet a line of shadow is drawn, which the photo cannot have.
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.folds import soften_folds
from engine.avatar.layers import spread
from engine.avatar.parts import LUMA, FittedHead, Image

Array = NDArray[Any]

# All lengths in eye-corner distances.
OPENING_EDGE: Final = 0.012
"""Pixels nearer to the opening than this mix with what shows in it."""
CORNER_REACH: Final = 0.12
"""How far around a corner of the mouth dark pixels belong to the opening."""
CORNER_CORE: Final = 0.085
"""No colour to paint with is taken from within this distance of a corner."""
SHADOW_FROM, SHADOW_TO = 0.92, 0.6
"""Brightness over that of the surroundings, from which a pixel is taken for a gap, and where it surely is one."""
CORNER_SHADE: Final = np.array([0.9, 0.82, 0.82], np.float32)
"""Colour that is left of what is painted over a gap: corners of shut mouths lie in a little shadow."""

SEAM_SHADE: Final = np.array([0.78, 0.62, 0.62], np.float32)
SEAM_REACH: Final = 0.022
"""Colour that is left where shut lips meet, and how far beside that it has faded."""


def shut_lips_picture(head: FittedHead, picture: Image) -> Image:
    """The skin's colours with the opening of the lips painted over and softer smile folds, uint8 [side, side, 3].

    picture: uint8 [side, side, 3], the person's colours. A photo with its lips together is returned as it is.
    """
    if "parted_lips" not in head.flags:
        return picture
    unit = head.inter_ocular
    lines = [head.in_photo[head.groups[f"{lip}_lip_contact"], :2] for lip in ("upper", "lower")]
    opening = np.zeros(picture.shape[:2], np.uint8)
    outline = np.concatenate([lines[0], lines[1][::-1]]) - 0.5
    cv2.fillPoly(opening, [np.round(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    outside = cv2.distanceTransform(1 - opening, cv2.DIST_L2, 5) / unit

    rows, columns = np.indices(opening.shape, np.float32) + 0.5
    from_corner = np.full(opening.shape, np.inf, np.float32)
    for corner in (lines[0][0], lines[0][-1]):
        from_corner = np.minimum(from_corner, np.hypot(columns - corner[0], rows - corner[1]) / unit)

    colours = soften_folds(head, picture).astype(np.float32)
    known = (outside > 2 * OPENING_EDGE) & (from_corner > CORNER_CORE)
    around: Array = cv2.GaussianBlur(spread(colours, known), (0, 0), 0.02 * unit)
    luma = LUMA.astype(np.float32)
    brightness = cv2.GaussianBlur(colours @ luma, (0, 0), 0.006 * unit) / np.maximum(around @ luma, 1.0)
    gap = smooth_step((SHADOW_FROM - brightness) / (SHADOW_FROM - SHADOW_TO))
    gap *= smooth_step((CORNER_REACH - from_corner) / (CORNER_REACH - 0.5 * CORNER_CORE))
    hidden = np.maximum(gap, smooth_step((2 * OPENING_EDGE - outside) / (2 * OPENING_EDGE)))
    painted = colours + hidden[..., None] * (CORNER_SHADE * around - colours)
    seam = smooth_step(1.0 - outside / SEAM_REACH) * (0.3 + 0.7 * smooth_step(from_corner / CORNER_REACH))
    painted *= 1.0 - seam[..., None] * (1.0 - SEAM_SHADE)
    return np.asarray(np.clip(np.rint(painted), 0, 255), np.uint8)
