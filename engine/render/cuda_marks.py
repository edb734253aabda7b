"""Where a batch on the GPU has got to: moments of the device's own clock between the stages, read back without waiting."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

import torch

from engine.timing import Ranges, shown


class DeviceMarks:
    """Moments of one batch in the order of ``names``, each the end of its stage; the first is the begin of the first.

    On a GPU they are events on the current stream, which a CUDA graph records anew at every replay; each graph needs marks
    of its own. On a CPU they are the wall clock's. ranges: where stages are shown as well while the host asks for them,
    which it does not in a replay.
    """

    def __init__(self, names: tuple[str, ...], on_gpu: bool, ranges: Ranges | None = None) -> None:
        self._names, self._ranges = names, ranges
        self._ns = [0] * (len(names) + 1)
        self._events: list[Any] = [_external_event() for _ in self._ns] if on_gpu else []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The ``with`` block is this stage; stages follow each other."""
        number = self._names.index(name)
        if number == 0:
            self._mark(0)
        with shown(self._ranges, name):
            yield
        self._mark(number + 1)

    def _mark(self, number: int) -> None:
        if self._events:
            self._events[number].record()
        else:
            self._ns[number] = perf_counter_ns()

    def stage_ms(self) -> dict[str, float]:
        """Milliseconds of each stage of the last batch, which must have ended; does not wait."""
        if self._events:
            pairs = zip(self._events, self._events[1:], strict=False)
            times = [float(start.elapsed_time(end)) for start, end in pairs]
        else:
            times = [(end - start) / 1e6 for start, end in zip(self._ns, self._ns[1:], strict=False)]
        return dict(zip(self._names, times, strict=True))


def _external_event() -> Any:
    """An event that can be recorded within a graph and read outside of it."""
    return torch.cuda.Event(enable_timing=True, external=True)  # type: ignore[no-untyped-call]
