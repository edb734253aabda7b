"""Stage times of one frame, cheap enough to stay on in production."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Protocol

Clock = Callable[[], int]
"""Nanoseconds since some moment."""


class Ranges(Protocol):
    """Shows nested stretches of time by name in a profiler of the GPU."""

    def range_push(self, name: str, /) -> object:
        """Begin a stretch within the one that is open."""

    def range_pop(self) -> object:
        """End it."""


def gpu_ranges() -> Ranges | None:
    """NVTX, which Nsight Systems shows beside the device's work; None where torch has no GPU."""
    import torch

    return torch.cuda.nvtx if torch.cuda.is_available() else None


@contextmanager
def shown(ranges: Ranges | None, name: str) -> Iterator[None]:
    """Show the ``with`` block, if there is where."""
    if ranges is None:
        yield
        return
    ranges.range_push(name)
    try:
        yield
    finally:
        ranges.range_pop()


class StageTimer:
    """Collects how long each named stage took while one frame was made.

    Convention: times are milliseconds of ``clock``, by default of the wall's; with ``time.thread_time_ns`` they are
    processor time, which other work on the machine changes less. A stage that runs twice within a frame adds up.
    One timer belongs to one session and is not shared between threads.

    ranges: where stages are shown as well while they run, see ``gpu_ranges``.
    """

    def __init__(self, clock: Clock = perf_counter_ns, ranges: Ranges | None = None) -> None:
        self._clock, self._ranges = clock, ranges
        self._ns: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the ``with`` block as stage ``name``."""
        with shown(self._ranges, name):
            start = self._clock()
            try:
                yield
            finally:
                self._ns[name] = self._ns.get(name, 0) + self._clock() - start

    def take(self) -> dict[str, float]:
        """Return the times in milliseconds since the last call and start afresh."""
        times = {name: ns / 1e6 for name, ns in self._ns.items()}
        self._ns.clear()
        return times
