"""Composite: rasterised texture coordinates, an atlas and a background to a frame.

Convention:
    planes: float32 [3, H * factor, W * factor]: u, v in atlas texels ((0.5, 0.5) is the first texel's centre) and
        shade, which multiplies the colour. triangle: int32 [H * factor, W * factor], below 0 where nothing is drawn.
    atlas: uint32 [Ha, Wa] RGBX, coverage in the highest byte (255 opaque); read bilinearly, clamped at its border.
    background, out: uint32 [H, W] RGBX, whose rows may lie apart (a box of a larger frame), and which may be the
        same array. ``out`` is opaque.
    factor: 1, or 2 when planes are twice as fine as ``out``; samples of one smooth patch are averaged before the
        texture is read, those across an edge after it.
    opacity: of 256, multiplies the atlas' coverage.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.build import backend as default_backend
from kernels.check import check_array, check_image
from kernels.composite.reference import OPAQUE


def composite(
    planes: NDArray[np.float32],
    triangle: NDArray[np.int32],
    atlas: NDArray[np.uint32],
    background: NDArray[np.uint32],
    out: NDArray[np.uint32],
    factor: Literal[1, 2] = 1,
    backend: Backend | None = None,
    *,
    opacity: int = OPAQUE,
) -> None:
    """Draw the textured planes over ``background`` into ``out``; the Convention is the module's.

    Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape, or the factor is not 1 or 2, or the opacity is beyond its range.
    """
    if factor not in (1, 2):
        raise ValueError(f"expected factor 1 or 2, got {factor}")
    if not 0 <= opacity <= OPAQUE:
        raise ValueError(f"expected an opacity from 0 to {OPAQUE}, got {opacity}")
    if backend == "cuda":
        from kernels.composite import cuda

        cuda.composite(planes, triangle, atlas, background, out, factor, opacity)
        return
    height, width = out.shape
    check_image("out", out, (height, width))
    check_image("background", background, (height, width))
    check_array("planes", planes, np.float32, (3, height * factor, width * factor))
    check_array("triangle", triangle, np.int32, (height * factor, width * factor))
    check_array("atlas", atlas, np.uint32, (None, None))
    if (backend or default_backend()) == "cpu":
        from kernels.composite import cpu as chosen
    else:
        from kernels.composite import portable as chosen  # type: ignore[no-redef]
    chosen.composite(planes, triangle, atlas, background, out, factor, opacity)
