"""Colour: an RGBX frame to I420.

Convention:
    image: uint32 [H, W] RGBX, R in the lowest byte, both sides even; rows may lie apart.
    out: uint8 [H * 3 // 2, W], contiguous: H x W luma, then the U and the V plane of (H / 2) x (W / 2) each, one
        after the other (PyAV's layout for yuv420p arrays).
    Matrix: ITU-R BT.601 in limited range (Y 16-235, chroma 16-240), chroma as the mean of each 2 x 2 block. Browsers
        and players take an untagged H.264 stream of less than 720 lines for BT.601, and WebRTC stacks do so at any
        size; streams and files should be tagged with it all the same (smpte170m and tv in FFmpeg's words).
"""

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.build import backend as default_backend
from kernels.check import check_array, check_image


def rgbx_to_i420(image: NDArray[np.uint32], out: NDArray[np.uint8], backend: Backend | None = None) -> None:
    """Convert ``image`` into ``out``; the Convention is the module's. Backend "cuda" takes torch tensors on the device.

    Raises:
        ValueError: an array has another type or shape, or a side is odd.
    """
    height, width = image.shape
    if height % 2 or width % 2:
        raise ValueError(f"expected an image with even sides, got {width} x {height}")
    if backend == "cuda":
        from kernels.colour import cuda

        cuda.rgbx_to_i420(image, out)
        return
    check_image("image", image, (height, width))
    check_array("out", out, np.uint8, (height * 3 // 2, width))
    if (backend or default_backend()) == "cpu":
        from kernels.colour import cpu as chosen
    else:
        from kernels.colour import portable as chosen  # type: ignore[no-redef]
    chosen.rgbx_to_i420(image, out)
