"""Compositing by the compiled kernel source."""

import numpy as np
from numpy.typing import NDArray

from kernels.build import library
from kernels.check import pointer


def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
    factor: int,
    opacity: int,
) -> None:
    """See ``kernels.composite``."""
    height, width = out.shape
    library().composite(
        0,
        height,
        pointer(planes),
        pointer(triangle),
        pointer(atlas),
        atlas.shape[0],
        atlas.shape[1],
        pointer(background),
        background.strides[0] // 4,
        height,
        width,
        factor,
        opacity,
        pointer(out),
        out.strides[0] // 4,
    )
