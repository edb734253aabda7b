"""Rasterising by the compiled kernel source."""

import numpy as np
from numpy.typing import NDArray

from kernels.build import library
from kernels.check import pointer
from kernels.rasterise.reference import EMPTY


def rasterise(
    positions: NDArray[np.float32],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.float32],
    out_attributes: NDArray[np.float32],
    out_triangle: NDArray[np.int32],
    keys: NDArray[np.int64],
    origin: tuple[float, float],
    scale: float,
) -> None:
    """See ``kernels.rasterise``."""
    kernels = library()
    height, width = out_triangle.shape
    channels = attributes.shape[1]
    snapped = np.empty((len(positions), 2), np.int32)
    setup = np.empty((len(triangles), 2 + 3 * channels), np.float32)
    keys.fill(EMPTY)
    kernels.rasterise_snap(
        0,
        len(positions),
        pointer(positions),
        origin[0],
        origin[1],
        scale,
        pointer(snapped),
    )
    kernels.rasterise_depth(
        0,
        len(triangles),
        pointer(snapped),
        pointer(positions),
        pointer(triangles),
        pointer(attributes),
        channels,
        height,
        width,
        pointer(setup),
        pointer(keys),
    )
    kernels.rasterise_resolve(
        0,
        height,
        pointer(keys),
        pointer(setup),
        channels,
        height,
        width,
        pointer(out_attributes),
        pointer(out_triangle),
    )
