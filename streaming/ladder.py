"""Gives up quality step by step when frames come late, and takes it back slowly."""

from collections import deque
from enum import IntEnum
from itertools import groupby
from typing import Final


class Level(IntEnum):
    """What is given up, from nothing to almost everything; sound is never touched."""

    FULL = 0
    NO_NETWORKS = 1
    NO_SUPERSAMPLING = 2
    HALF_RATE = 3
    REPEAT = 4

    @property
    def label(self) -> str:
        """The name shown to people and machines."""
        return ("full", "no-networks", "no-supersampling", "half-rate", "repeat")[self]

    @property
    def supersample(self) -> bool:
        """Whether mouth and eyes are drawn at double resolution."""
        return self < Level.NO_SUPERSAMPLING

    @property
    def neural(self) -> bool:
        """Whether networks refine the frames, if the quality is neural."""
        return self == Level.FULL

    @property
    def stride(self) -> int:
        """Every how many frames one is drawn: 25, 12.5 or 5 pictures a second."""
        return (1, 1, 1, 2, 5)[self]


WINDOW: Final = 75
"""Drawn frames over which trouble is judged: three seconds at the full rate."""

INCIDENTS_DOWN: Final = 4
"""Separate runs of late or missing frames within the window that cost networks or supersampling: one stall is no
reason."""

LONG_RUN: Final = 25
"""A run of so many counts as enough by itself."""

SHARE_DOWN: Final = 1 / 3
"""Share of late or missing frames in a whole window that costs more than supersampling. Drawing every second frame
repeats half of them, so fewer late ones are the better picture."""

COMFORT_MS: Final = 6.0
TIGHT_SHARE: Final = 0.05
"""Slack that frames must have before a level is taken back, and the share that may have less."""

CALM_S: Final = 4.0
MAX_CALM_S: Final = 64.0
"""How long slack must be comfortable; doubled each time that a level taken back is soon lost again."""

RELAPSE_S: Final = 10.0


class Ladder:
    """Chooses the level from the deadline slack of the last drawn frames.

    Convention: slack is the deadline minus the time at which the frame was ready, in milliseconds; None is a
    frame that did not come. Time is an argument.
    """

    def __init__(self, neural: bool = False) -> None:
        """neural: whether there are networks to give up."""
        self._levels = [level for level in Level if neural or level != Level.NO_NETWORKS]
        self.level = Level.FULL
        self._missed: deque[bool] = deque(maxlen=WINDOW)
        self._calm_s = CALM_S
        self._calm_since: float | None = None
        self._watched = self._tight = 0
        self._raised_s = float("-inf")

    def add(self, slack_ms: float | None, now_s: float) -> Level:
        """Judge one frame that should have been drawn; returns the level from now on."""
        self._missed.append(slack_ms is None or slack_ms < 0)
        if self._in_trouble() and self.level < Level.REPEAT:
            self._fall(now_s)
        elif self._calm(slack_ms, now_s) and self.level > Level.FULL:
            self._rise(now_s)
        return self.level

    def _in_trouble(self) -> bool:
        runs = [len(list(run)) for missed, run in groupby(self._missed) if missed]
        if max(runs, default=0) >= LONG_RUN:
            return True
        if self.level < Level.NO_SUPERSAMPLING:
            return len(runs) >= INCIDENTS_DOWN
        return len(self._missed) == WINDOW and sum(runs) >= SHARE_DOWN * WINDOW

    def _calm(self, slack_ms: float | None, now_s: float) -> bool:
        """Whether nearly all frames have had comfortable slack for long enough."""
        self._watched += 1
        self._tight += slack_ms is None or slack_ms < COMFORT_MS
        if self._calm_since is None or self._tight > 1 + TIGHT_SHARE * self._watched:
            self._calm_since = now_s
            self._watched = self._tight = 0
        return now_s - self._calm_since >= self._calm_s

    def _fall(self, now_s: float) -> None:
        if now_s - self._raised_s < RELAPSE_S:
            self._calm_s = min(2 * self._calm_s, MAX_CALM_S)
        self.level = self._levels[self._levels.index(self.level) + 1]
        self._calm_since = None
        self._missed.clear()

    def _rise(self, now_s: float) -> None:
        if now_s - self._raised_s > 2 * MAX_CALM_S:
            self._calm_s = CALM_S
        self.level = self._levels[self._levels.index(self.level) - 1]
        self._raised_s = now_s
        self._calm_since = None
        self._missed.clear()
