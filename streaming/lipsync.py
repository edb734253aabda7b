"""Steers how much sooner sound leaves than its picture, from what the page says it is playing."""

from typing import Final

GAIN: Final = 0.1
"""Share of a measured error that is corrected at once; the page reports once a second."""

MAX_STEP_MS: Final = 2.0
"""Largest change by one report: slow enough for the browser's audio buffer to follow unheard."""

MAX_ERROR_MS: Final = 300.0
"""A report beyond this is a mistake (one medium stands still) and is ignored."""


class AvOffset:
    """The lead of sound over picture, in milliseconds, within bounds.

    Convention: a report holds the times, on the server's media clock, of the sound and of the picture that the
    page plays at one moment; the sound is late when its time is the smaller one.
    """

    def __init__(self, start_ms: float, most_ms: float) -> None:
        self._most_ms = most_ms
        self.offset_ms = min(start_ms, most_ms)

    def report(self, audio_ms: float, video_ms: float) -> float:
        """Take one report; returns the lead from now on."""
        late_ms = video_ms - audio_ms
        if abs(late_ms) <= MAX_ERROR_MS:
            step = max(-MAX_STEP_MS, min(MAX_STEP_MS, GAIN * late_ms))
            self.offset_ms = max(0.0, min(self._most_ms, self.offset_ms + step))
        return self.offset_ms
