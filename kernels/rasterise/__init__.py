"""Rasterise: triangles to per-pixel interpolated attributes, nearest surface first.

Convention:
    positions: float32 [V, 3]; x right, y down in pixels of the source plane, z away from the viewer.
    triangles: int32 [T, 3], vertex numbers; either winding is drawn.
    attributes: float32 [V, A], interpolated linearly over the screen.
    origin, scale: the grid shows source position p at grid position (p - origin) * scale; a grid cell's centre is
        at (column + 0.5, row + 0.5). A box of a frame is redrawn twice as fine with its corner and scale 2.
    out_attributes: float32 [A, H, W]; 0 where nothing is drawn. out_triangle: int32 [H, W]; -1 there.
    keys: int64 [H, W], scratch that the caller keeps so that no frame allocates it.
    Triangles with a vertex that is not finite or further out than 16384 grid cells are left out. At equal depth
    the lower triangle number wins.
"""

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.build import backend as default_backend
from kernels.check import check_array


def rasterise(
    positions: NDArray[np.float32],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.float32],
    out_attributes: NDArray[np.float32],
    out_triangle: NDArray[np.int32],
    keys: NDArray[np.int64],
    origin: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    backend: Backend | None = None,
) -> None:
    """Draw ``triangles`` into ``out_attributes`` and ``out_triangle``; the Convention is the module's.

    Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape.
    """
    if backend == "cuda":
        from kernels.rasterise import cuda

        cuda.rasterise(positions, triangles, attributes, out_attributes, out_triangle, keys, origin, scale)
        return
    check_array("positions", positions, np.float32, (None, 3))
    check_array("triangles", triangles, np.int32, (None, 3))
    check_array("attributes", attributes, np.float32, (len(positions), None))
    height, width = out_triangle.shape
    check_array("out_triangle", out_triangle, np.int32, (height, width))
    check_array("out_attributes", out_attributes, np.float32, (attributes.shape[1], height, width))
    check_array("keys", keys, np.int64, (height, width))
    if (backend or default_backend()) == "cpu":
        from kernels.rasterise import cpu as chosen
    else:
        from kernels.rasterise import portable as chosen  # type: ignore[no-redef]
    chosen.rasterise(positions, triangles, attributes, out_attributes, out_triangle, keys, origin, scale)
