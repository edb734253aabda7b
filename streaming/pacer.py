"""Decides which frame leaves when: on its deadline, or not at all."""

from dataclasses import dataclass
from typing import Any, Final

from streaming.clock import MediaClock

MAX_WAITING: Final = 12
"""Frames that may wait for their time; the oldest is dropped beyond."""


@dataclass(frozen=True)
class ReadyFrame:
    """A frame that the worker has made; its picture lies in ``slot`` of the session's shared memory."""

    number: int
    slot: int
    generation: int
    ready_s: float
    stage_ms: dict[str, float]
    speaking: bool
    motion: bytes


@dataclass
class PacerCounts:
    """What became of the frames.

    sent: all. repeated: of these, sent although the due picture was missing. late: of these, filled with a newer
    picture that had come too late for its own time. dropped: made in vain. passed: numbers passed over after a stall.
    """

    sent: int = 0
    repeated: int = 0
    late: int = 0
    dropped: int = 0
    passed: int = 0


class FramePacer:
    """Holds ready frames until they are due.

    Frames are asked for by number, in order. In place of a frame that is not there when due, the newest one that
    came late is sent, or the one before once more. After a stall the numbers that were missed are passed over: no
    burst.
    """

    def __init__(self, clock: MediaClock, budget_s: float, free: Any) -> None:
        """``free(slot)`` is called once for each frame that is dropped."""
        self.clock = clock
        self.budget_s = budget_s
        self.counts = PacerCounts()
        self.generation = 0
        self._free = free
        self._waiting: dict[int, ReadyFrame] = {}
        self._late: ReadyFrame | None = None
        self._next = 0

    @property
    def waiting(self) -> int:
        """How many frames are ready before they are due."""
        return len(self._waiting)

    def due(self, number: int) -> float:
        """Monotonic time at which a frame leaves."""
        return self.clock.frame_due(number, self.budget_s)

    def next_number(self, now_s: float) -> int:
        """The frame to send next: the one after the last, or the one that is due when that is long past."""
        current = self.clock.sample_at(now_s - self.budget_s) // 640
        if current > self._next:
            if self.counts.sent:
                self.counts.passed += current - self._next
            self._next = current
        return self._next

    def offer(self, frame: ReadyFrame) -> bool:
        """Take a frame from the worker; returns whether it is in time."""
        if frame.generation != self.generation:
            self._drop(frame)
            return False
        if frame.number < self._next:
            self._drop(self._late)
            self._late = frame
            return False
        self._waiting[frame.number] = frame
        if len(self._waiting) > MAX_WAITING:
            self._drop(self._waiting.pop(min(self._waiting)))
        return True

    def ready(self, number: int) -> bool:
        """Whether a frame is there."""
        return number in self._waiting

    def take(self, number: int) -> ReadyFrame | None:
        """What to send as frame ``number``: itself, one that came late, or None to repeat the last; counts it.

        Before the first picture None means that there is nothing to send yet.
        """
        self._next = number + 1
        for old in sorted(n for n in self._waiting if n < number):
            self._drop(self._late)
            self._late = self._waiting.pop(old)
        frame = self._waiting.pop(number, None)
        late, self._late = self._late, None
        if frame is not None:
            self._drop(late)
        elif late is not None:
            self.counts.late += 1
        if frame is not None or late is not None or self.counts.sent:
            self.counts.sent += 1
            self.counts.repeated += frame is None
        return frame or late

    def clear(self) -> int:
        """Drop every waiting frame; returns the generation that frames must carry from now on."""
        for frame in (*self._waiting.values(), self._late):
            self._drop(frame)
        self._waiting.clear()
        self._late = None
        self.generation += 1
        return self.generation

    def _drop(self, frame: ReadyFrame | None) -> None:
        if frame is not None:
            self.counts.dropped += 1
            self._free(frame.slot)
