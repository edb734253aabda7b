"""A first answer in under a minute: stages, latency, kernels and scaling with few repetitions.

On a machine so slow or busy that they would take longer, what has not begun after ``LIMIT_S`` is left out.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks import kernel_times, latency, scaling, stages
from engine.avatar.avatar import Avatar

STAGES_S: Final = 3.0
LATENCY_S: Final = 2.0
SCALING_S: Final = 1.0
LIMIT_S: Final = 30.0
PARTS: Final = 4
REPEATS: Final = 5


def measure(
    avatar: Avatar, *, progress: Callable[[float], None] = lambda share: None
) -> list[dict[str, Any]]:
    """The results of the four, or of the first of them; each is what its own command writes."""
    began = time.monotonic()
    runs: list[Callable[..., dict[str, Any]]] = [
        lambda done: stages.measure(avatar, seconds=STAGES_S, progress=done),
        lambda done: latency.measure(avatar, seconds=LATENCY_S, progress=done),
        lambda done: kernel_times.measure(avatar, repeats=REPEATS, progress=done),
        lambda done: scaling.measure(avatar, seconds=SCALING_S, sessions=(1, 2, 4), progress=done),
    ]
    results = []
    for number, run in enumerate(runs):
        if time.monotonic() - began > LIMIT_S:
            break
        results.append(run(lambda share, n=number: progress((n + share) / len(runs))))
    return results
