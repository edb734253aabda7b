"""Warp: the moves of pixels and features around the learned renderer.

``refine`` displaces and tints a frame by what the networks found; ``warp_image`` cuts out what they read;
``warp_features`` displaces features between them.

Convention:
    Images: uint32 [H, W] RGBX, whose rows may lie apart. A box is a square of an image's pixels (x and y of the upper
        left one, side) and may stick out. Everything is read bilinearly and clamped at the border, images at whole
        1/256 pixels. Element i of n over a box is centred (i + 0.5) * side / n pixels from the box's edge.
    Flow: float32, x then y: where to read, relative to where the value goes, in elements of the flow's own grid (times
        side / n for pixels). A value that is not a number counts as 0.
    refine: maps are float32 [5, n, n], flow and then residual R, G, B in levels (-255..255; not a number counts as 0).
        They fade out towards the box's edges: along each axis by 3 t^2 - 2 t^3, where t is the distance of a pixel's
        centre from the nearest edge in 1/16 of the side, 1 at most. Outside the box, and where the maps are 0, ``out``
        is ``frame``, X included.
    warp_image: out is float32 [3, n, n], R, G, B in 0..1, the mean of k x k samples evenly spaced over each element,
        with k = side / n rounded, 1 to 8: the mean of its pixels where n divides the side, and elsewhere none is missed,
        as a bilinear sample is two pixels wide. All samples of an element move by the flow at its centre. The flow's grid may have any size: zeros [2, 1, 1] are a plain crop.
    warp_features: features and out are float32 [H, W, C], C a multiple of 8; flow is [2, H, W]; occlusion, float32
        [H, W] from 0 (hidden) to 1, multiplies what is read.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.build import backend as default_backend
from kernels.check import check_apart, check_array, check_image
from kernels.warp.reference import Box

MAX_PIXELS: Final = 1 << 15
"""Sides of images and coordinates of boxes: up to here, float32 places 1/256 pixel exactly."""


def refine(
    frame: NDArray[np.uint32],
    box: Box,
    maps: NDArray[np.float32],
    out: NDArray[np.uint32],
    backend: Backend | None = None,
) -> None:
    """Draw ``frame``, displaced and tinted by ``maps`` inside ``box``, into ``out``; the Convention is the module's.

    Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape, the box is empty, or ``out`` lies in ``frame``'s memory.
    """
    _check_source(frame.shape, box)
    _check_square("maps", maps.shape, 5)
    if backend == "cuda":
        from kernels.warp import cuda

        cuda.refine(frame, box, maps, out)
        return
    check_image("frame", frame, (None, None))
    check_array("maps", maps, np.float32, (5, None, None))
    check_image("out", out, frame.shape)
    check_apart("frame", np.shares_memory(frame, out))
    _host(backend).refine(frame, box, maps, out)


def warp_image(
    frame: NDArray[np.uint32],
    box: Box,
    flow: NDArray[np.float32],
    out: NDArray[np.float32],
    backend: Backend | None = None,
) -> None:
    """Sample ``box`` of ``frame``, displaced by ``flow``, into ``out``; the Convention is the module's.

    Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape, or the box is empty.
    """
    _check_source(frame.shape, box)
    _check_square("flow", flow.shape, 2)
    _check_square("out", out.shape, 3)
    if backend == "cuda":
        from kernels.warp import cuda

        cuda.warp_image(frame, box, flow, out)
        return
    check_image("frame", frame, (None, None))
    check_array("flow", flow, np.float32, (2, None, None))
    check_array("out", out, np.float32, (3, None, None))
    _host(backend).warp_image(frame, box, flow, out)


def warp_features(
    features: NDArray[np.float32],
    flow: NDArray[np.float32],
    occlusion: NDArray[np.float32],
    out: NDArray[np.float32],
    backend: Backend | None = None,
) -> None:
    """Read ``features``, displaced by ``flow``, times ``occlusion`` into ``out``; the Convention is the module's.

    Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape, the number of channels is no multiple of 8, or ``out`` lies in
            ``features``' memory.
    """
    if len(features.shape) != 3 or features.shape[2] % 8:
        raise ValueError(f"expected features [H, W, C], C a multiple of 8, got {list(features.shape)}")
    if backend == "cuda":
        from kernels.warp import cuda

        cuda.warp_features(features, flow, occlusion, out)
        return
    check_array("features", features, np.float32, (None, None, None))
    check_array("flow", flow, np.float32, (2, *features.shape[:2]))
    check_array("occlusion", occlusion, np.float32, features.shape[:2])
    check_array("out", out, np.float32, features.shape)
    check_apart("features", np.shares_memory(features, out))
    _host(backend).warp_features(features, flow, occlusion, out)


def _host(backend: Backend | None) -> ModuleType:
    """The implementation for arrays."""
    if (backend or default_backend()) == "cpu":
        from kernels.warp import cpu

        return cpu
    from kernels.warp import portable

    return portable


def _check_source(shape: Sequence[int], box: Box) -> None:
    """An image that can be read, and a box that has pixels."""
    if len(shape) != 2 or not 2 <= min(shape) <= max(shape) <= MAX_PIXELS:
        raise ValueError(f"expected frame with two sides of 2 to {MAX_PIXELS} pixels, got {list(shape)}")
    x, y, side = box
    if not (1 <= side <= MAX_PIXELS and max(abs(x), abs(y)) <= MAX_PIXELS):
        raise ValueError(f"expected a box of 1 to {MAX_PIXELS} pixels near the frame, got x, y, side {box}")


def _check_square(name: str, shape: Sequence[int], count: int) -> None:
    """``count`` square planes that are not empty."""
    if len(shape) != 3 or shape[0] != count or shape[1] != shape[2] or not shape[1]:
        raise ValueError(f"expected {name} with {count} square planes, not empty, got {list(shape)}")
