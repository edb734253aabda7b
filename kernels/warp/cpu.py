"""Warping by the compiled kernel source."""

import numpy as np
from numpy.typing import NDArray

from kernels.build import library
from kernels.check import pointer
from kernels.warp.reference import Box


def refine(frame: NDArray[np.uint32], box: Box, maps: NDArray[np.float32], out: NDArray[np.uint32]) -> None:
    """See ``kernels.warp``."""
    height, width = frame.shape
    library().refine(
        0,
        height,
        pointer(frame),
        frame.strides[0] // 4,
        height,
        width,
        *box,
        pointer(maps),
        maps.shape[1],
        pointer(out),
        out.strides[0] // 4,
    )


def warp_image(
    frame: NDArray[np.uint32], box: Box, flow: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """See ``kernels.warp``."""
    n = out.shape[1]
    library().warp_image(
        0,
        n,
        pointer(frame),
        frame.strides[0] // 4,
        *frame.shape,
        *box,
        pointer(flow),
        flow.shape[1],
        n,
        pointer(out),
    )


def warp_features(
    features: NDArray[np.float32],
    flow: NDArray[np.float32],
    occlusion: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """See ``kernels.warp``."""
    height = features.shape[0]
    library().warp_features(
        0,
        height,
        pointer(features),
        pointer(flow),
        pointer(occlusion),
        *features.shape,
        pointer(out),
    )
