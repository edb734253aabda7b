"""I420 in NumPy with OpenCV's matrix product: for machines without a C++ compiler."""

import cv2
import numpy as np
from numpy.typing import NDArray

_SCALE = 1 / 255
LUMA = np.array([[65.481, 128.553, 24.966, 0]]) * _SCALE
CHROMA = np.array([[-37.797, -74.203, 112.0, 0], [112.0, -93.786, -18.214, 0]]) * _SCALE


def rgbx_to_i420(image: NDArray[np.uint32], out: NDArray[np.uint8]) -> None:
    """See ``kernels.colour``."""
    height, width = image.shape
    pixels = np.ascontiguousarray(image).view(np.uint8).reshape(height, width, 4)
    flat = out.reshape(-1)
    size = height * width
    flat[:size] = cv2.transform(pixels, np.hstack([LUMA, [[16.0]]])).reshape(-1)
    small = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    for number, weights in enumerate(CHROMA):
        plane = cv2.transform(small, np.hstack([weights, [128.0]])[None])
        flat[size + number * size // 4 : size + (number + 1) * size // 4] = plane.reshape(-1)
