"""Images for tests and benchmarks of the colour conversion."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_LEVELS_OFF: Final = 1
"""Of 255: ties round either way, and OpenCV rounds ties to even."""


def cases() -> list[NDArray[np.uint32]]:
    """Noise at sizes that fill no vector, and the corners of the colour cube."""
    rng = np.random.default_rng(3)
    sizes = [(2, 2), (6, 10), (34, 46), (18, 130), (64, 64)]
    images = [rng.integers(0, 1 << 32, size, dtype=np.uint32) for size in sizes]
    corners = [r | g << 8 | b << 16 for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    images.append(np.repeat(np.repeat(np.array([corners], np.uint32), 2, axis=0), 2, axis=1))
    return images
