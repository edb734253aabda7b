"""The form that a chunk of speech must have at the engine's edge."""

import numpy as np
from numpy.typing import NDArray

from engine.errors import AudioError


def check_samples(samples: NDArray[np.float32]) -> None:
    """Accept float32 [T], mono at 16 kHz, all finite.

    Raises:
        AudioError: anything else.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        came = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        raise AudioError(f"expected mono float32 of shape [T] at 16 kHz, got {came}")
    if not np.isfinite(samples).all():
        raise AudioError("expected finite samples in [-1, 1], got NaN or infinity")
