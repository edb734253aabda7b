"""The clock of one session: which audio sample arrives when."""

import asyncio
import time
from dataclasses import dataclass

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE


@dataclass
class MediaClock:
    """Maps sample numbers (16 kHz, from the session's begin) to monotonic time and back.

    Convention: ``origin_s`` is the monotonic time, in seconds, at which sample 0 arrives. Nobody reads the time
    here; ``now_s`` is always an argument.
    """

    origin_s: float

    def time_of(self, sample: int) -> float:
        """Monotonic time at which a sample arrives."""
        return self.origin_s + sample / SAMPLE_RATE

    def sample_at(self, now_s: float) -> int:
        """Number of the sample that arrives at ``now_s`` or last before it."""
        return int((now_s - self.origin_s) * SAMPLE_RATE // 1)

    def frame_due(self, number: int, budget_s: float) -> float:
        """When frame ``number`` leaves: a fixed budget after its first sample arrived."""
        return self.time_of(number * FRAME_SAMPLES) + budget_s

    def hold(self, seconds: float) -> None:
        """Let the session stand still for ``seconds``, as after the machine slept."""
        self.origin_s += seconds


async def sleep_until(when_s: float) -> None:
    """Sleep until a monotonic time; at least give way once."""
    await asyncio.sleep(max(0.0, when_s - time.monotonic()))
