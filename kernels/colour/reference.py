"""The definition of RGBX to I420 in NumPy, from the matrix of ITU-R BT.601 in floating point.

Convention: as in ``kernels.colour``. Compiled paths use whole numbers and may round a tie the other way.
"""

import numpy as np
from numpy.typing import NDArray

RED, BLUE = 0.299, 0.114
GREEN = 1 - RED - BLUE


def rgbx_to_i420(image: NDArray[np.uint32], out: NDArray[np.uint8]) -> None:
    """See ``kernels.colour``."""
    height, width = image.shape
    red, green, blue = (((image >> shift) & 255) / 255 for shift in (0, 8, 16))
    luma = RED * red + GREEN * green + BLUE * blue
    planes = [16 + 219 * luma]
    for colour, weight in ((blue, BLUE), (red, RED)):
        difference = (colour - luma) / (2 * (1 - weight))
        planes.append(128 + 224 * difference.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))
    out.reshape(-1)[:] = np.concatenate([np.floor(p + 0.5).astype(np.uint8).reshape(-1) for p in planes])
