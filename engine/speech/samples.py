"""The form that a chunk of speech must have at the engine's edge."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import AudioError

LOUDEST: Final = 2.0
"""A float beyond this is no overshoot: the sender's scale is another one."""


def check_samples(samples: NDArray[np.float32]) -> None:
    """Accept float32 [T], mono at 16 kHz, in [-1, 1] but for overshoots up to ``LOUDEST``.

    Raises:
        AudioError: anything else.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        came = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        raise AudioError(f"expected mono float32 of shape [T] at 16 kHz, got {came}")
    largest = float(np.abs(samples).max(initial=0.0))  # NaN and infinity survive this
    if not np.isfinite(largest):
        raise AudioError("expected finite samples in [-1, 1], got NaN or infinity")
    if largest > LOUDEST:
        raise AudioError(f"expected samples in [-1, 1], got {largest:g}: divide int16 by 32768")
