"""What lies beside a person whom the photo's left or right edge cuts."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.layers import CLEAR_OF_PERSON, HINT, grown, spread, to_levels
from engine.avatar.parts import Float, Image

ENOUGH: Final = 0.004
"""Share of the canvas that must surely show background for it to be led on."""
FADE: Final = 0.07
"""So far past the photo's edge, over the side, what it shows goes over into background."""
SOFT: Final = 0.02
"""Standard deviation of the blur over the background that is led on, over the side."""


def background_beside(photo: Image, inside: NDArray[np.bool_], coverage: Float, chin: float) -> Image:
    """The canvas with background, as far as the photo shows any, in place of what its sides led on; uint8 [side, side, 3].

    inside: bool [side, side], where the canvas shows the photo. coverage: float32 [side, side] in [0, 1], the person.
    chin: its height on the canvas, pixels; shoulders, below it, go on to the canvas' edge.
    """
    side = len(photo)
    columns = np.flatnonzero(inside.any(axis=0))
    left, right = columns[0], columns[-1]
    known = inside & ~grown(coverage > HINT, CLEAR_OF_PERSON * side)
    if (left == 0 and right == side - 1) or known.mean() < ENOUGH:
        return photo
    behind = cv2.GaussianBlur(spread(photo.astype(np.float32), known), (0, 0), SOFT * side)
    place = np.arange(side)
    past = np.maximum(np.maximum(left - place, place - right), 0)
    at_edges = np.where((place < (left + right) / 2)[None], coverage[:, left, None], coverage[:, right, None])
    torso = at_edges * smooth_step((place - chin) / (FADE * side))[:, None]
    share = (1.0 - torso) * smooth_step(past / (FADE * side))[None]
    return to_levels(photo + share[:, :, None] * (behind - photo))
