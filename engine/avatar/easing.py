"""Curves without corners."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def smooth_step(x: NDArray[Any]) -> NDArray[Any]:
    """0 below 0, 1 above 1, and a cubic without corners between; of the type of ``x``."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))
