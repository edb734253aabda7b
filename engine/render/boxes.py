"""Where in the frame the openings of a face lie, and how finely they are drawn."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.frame import BOX


@dataclass(frozen=True, eq=False)
class Outline:
    """Vertices int32 [N] whose bounding box, with a margin in frame pixels, holds a part of the face.

    fine: whether it may be drawn twice as fine as the frame.
    """

    vertices: NDArray[np.int32]
    margin_px: float
    fine: bool = True


class Boxes:
    """The boxes of one face in frames of ``size`` pixels: the whole frame, then one around each outline.

    scale: frame pixels of one canvas pixel.
    """

    def __init__(self, outlines: tuple[Outline, ...], size: int, scale: float) -> None:
        self._outlines, self._size, self._scale = outlines, size, np.float32(scale)
        self._boxes = np.zeros((1 + len(outlines), BOX), np.int32)
        self._boxes[0] = 0, 0, size, size, 1

    def at(self, positions: NDArray[np.float32], supersample: bool) -> NDArray[np.int32]:
        """Boxes for driven positions [V, 3], int32 [1 + N, 5] as in ``kernels.frame``; overwritten by the next call.

        A box that would be finer than the buffers are large is drawn as finely as the frame.
        """
        for box, outline in zip(self._boxes[1:], self._outlines, strict=True):
            points = positions[outline.vertices, :2] * self._scale
            low = (points.min(axis=0) - outline.margin_px).tolist()
            high = (points.max(axis=0) + outline.margin_px).tolist()
            box[2] = 0
            if all(map(math.isfinite, (*low, *high))):
                x0, y0 = (min(max(math.floor(least), 0), self._size) for least in low)
                x1, y1 = (min(max(math.ceil(most), 0), self._size) for most in high)
                fine = supersample and outline.fine and 4 * (x1 - x0) * (y1 - y0) <= self._size**2
                box[:] = x0, y0, x1 - x0 if y1 > y0 else 0, y1 - y0, 2 if fine else 1
        return self._boxes
