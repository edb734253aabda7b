"""Stage times of one frame, cheap enough to stay on in production."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns

Clock = Callable[[], int]
"""Nanoseconds since some moment."""


class StageTimer:
    """Collects how long each named stage took while one frame was made.

    Convention: times are milliseconds of ``clock``, by default of the wall's; with ``time.thread_time_ns`` they are
    processor time, which other work on the machine changes less. A stage that runs twice within a frame adds up.
    One timer belongs to one session and is not shared between threads.
    """

    def __init__(self, clock: Clock = perf_counter_ns) -> None:
        self._clock = clock
        self._ns: dict[str, int] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the ``with`` block as stage ``name``."""
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
