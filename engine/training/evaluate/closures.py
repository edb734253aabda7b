"""Do the lips meet where a bilabial is spoken? Closures of a curve against the times of p, b and m.

A closure is a run of time, within speech, in which the opening stays at or below a threshold; it happens at the middle
of the run. A bilabial is an interval from its start to its end, bilabials that touch being one. Each closure may be
matched with one bilabial whose interval, 40 ms longer on either side, holds it. Unmatched closures are wrong, but for
those that begin or end at a pause: there the lips rest before they part or after they have met.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.training.phones import CLASS_OF, PAUSE
from engine.training.voices import Phone

TOLERANCE_S: Final = 0.04
STEP_S: Final = 0.005
"""Curves are interpolated to this step, so that the middle of a closure is not tied to the frames."""

PAUSE_S: Final = 0.05
"""Shorter pauses do not interrupt the speech."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class ClosureScore:
    """How closures and bilabials meet: their numbers, and precision, recall and F1 in [0, 1]."""

    matched: int
    closures: int
    bilabials: int

    @property
    def precision(self) -> float:
        """Part of the closures that belong to a bilabial."""
        return self.matched / max(self.closures, 1)

    @property
    def recall(self) -> float:
        """Part of the bilabials with a closure."""
        return self.matched / max(self.bilabials, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.matched / max(self.closures + self.bilabials, 1)

    def __add__(self, other: "ClosureScore") -> "ClosureScore":
        return ClosureScore(
            self.matched + other.matched,
            self.closures + other.closures,
            self.bilabials + other.bilabials,
        )


NO_CLOSURES: Final = ClosureScore(0, 0, 0)


def score_closures(opening: NDArray[np.floating], phones: Sequence[Phone], threshold: float) -> ClosureScore:
    """Compare the closures of an opening curve [F], a value for the middle of each frame, with the bilabials."""
    bilabials, speech = find_bilabials(phones), find_speech(phones)
    matched, wrong = 0, 0
    free = list(bilabials)
    for start, end, at_pause in find_closures(opening, speech, threshold):
        middle = (start + end) / 2
        near = [item for item in free if item[0] - TOLERANCE_S <= middle <= item[1] + TOLERANCE_S]
        if near:
            free.remove(min(near, key=lambda item: abs(sum(item) / 2 - middle)))
            matched += 1
        elif not at_pause:
            wrong += 1
    return ClosureScore(matched, matched + wrong, len(bilabials))


def find_bilabials(phones: Sequence[Phone]) -> list[Interval]:
    """Intervals of p, b and m (and the fricatives of both lips), those that touch joined."""
    return _join([(p.start_s, p.end_s) for p in phones if CLASS_OF[p.ipa] == "bilabial"], 0.0)


def find_speech(phones: Sequence[Phone]) -> list[Interval]:
    """Intervals without pauses of ``PAUSE_S`` or more."""
    return _join([(p.start_s, p.end_s) for p in phones if p.ipa != PAUSE], PAUSE_S)


def find_closures(
    opening: NDArray[np.floating], speech: Sequence[Interval], threshold: float
) -> list[tuple[float, float, bool]]:
    """Start and end in seconds of each closure, and whether it begins or ends at a pause."""
    middles = (np.arange(len(opening)) + 0.5) / FRAME_RATE
    closures = []
    for start, end in speech:
        times = np.arange(start, end, STEP_S)
        shut = np.concatenate([[False], np.interp(times, middles, opening) <= threshold, [False]])
        edges = np.flatnonzero(np.diff(shut))
        for first, past in edges.reshape(-1, 2):
            at_pause = bool(first == 0 or past == len(times))
            closures.append((float(times[first]), float(times[past - 1]) + STEP_S, at_pause))
    return closures


def _join(intervals: Sequence[Interval], gap_s: float) -> list[Interval]:
    joined: list[Interval] = []
    for start, end in intervals:
        if joined and start - joined[-1][1] < gap_s + 1e-6:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
