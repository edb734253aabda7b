"""I420 by the compiled kernel source."""

import numpy as np
from numpy.typing import NDArray

from kernels.build import library
from kernels.check import pointer


def rgbx_to_i420(image: NDArray[np.uint32], out: NDArray[np.uint8]) -> None:
    """See ``kernels.colour``."""
    height, width = image.shape
    library().rgbx_to_i420(0, height // 2, pointer(image), image.strides[0] // 4, height, width, pointer(out))
