"""Tells a client what of its sound is leaving, has left, or never will."""

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

from engine.conventions import FRAME_SAMPLES
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.encoder import AUDIO_CLOCK, PACKET_SAMPLES
from streaming.websocket.outbox import Outbox
from streaming.websocket.utterances import Position, Utterances

REPORT_BLOCKS: Final = 12
"""Blocks of 20 ms between two reports of the position."""

MOST_FIRSTS: Final = 256
"""Utterances whose latency is measured at a time: more than a minute of speech has."""

FRAME: Final = FRAME_SAMPLES * OUTPUT_PER_ANALYSIS
"""Output samples of one frame."""


@dataclass
class _First:
    """The first sound of an utterance on its way out; times are monotonic."""

    utterance: int
    received_s: float
    position: int
    waited_ms: float
    sound_ms: float | None = None


class Playback:
    """The utterances of one client, and the events that their way out gives rise to.

    Convention: positions are output samples (48 kHz) on the session's timeline.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.utterances = Utterances()
        self._outbox = outbox
        self._firsts: deque[_First] = deque(maxlen=MOST_FIRSTS)
        self._blocks = 0
        self._reported = 0

    def place(self, position: int, length: int, received_s: float, waited_ms: float) -> None:
        """The sound of the open utterance goes on at ``position``.

        received_s: when its message came. waited_ms: how long it will wait behind other sound.
        """
        number = self.utterances.open
        assert number is not None
        hole = self.utterances.add(position, length)
        if hole is None:
            self._firsts.append(_First(number, received_s, position, waited_ms))
        elif hole > 0:
            self._outbox.event("underrun", utterance=number, ms=round(hole * 1e3 / AUDIO_CLOCK, 1))

    def left(self, first: int) -> None:
        """20 ms of sound, from ``first`` on, leave now."""
        position = first + PACKET_SAMPLES
        now_s = time.monotonic()
        for waiting in self._firsts:
            if waiting.sound_ms is None and waiting.position < position:
                waiting.sound_ms = (now_s - waiting.received_s) * 1e3
        for over in self.utterances.over(position):
            self._report(over, position)
        playing = self.utterances.playing(position)
        self._blocks += 1
        if playing is not None and (self._blocks >= REPORT_BLOCKS or playing.utterance != self._reported):
            self._blocks = 0
            self._report(playing, position)

    def shown(self, number: int) -> None:
        """Frame ``number`` leaves now."""
        while self._firsts and self._firsts[0].position < (number + 1) * FRAME:
            first = self._firsts.popleft()
            if first.sound_ms is not None:
                self._outbox.event(
                    "latency",
                    utterance=first.utterance,
                    waited_ms=round(first.waited_ms, 1),
                    sound_ms=round(first.sound_ms, 1),
                    frame_ms=round((time.monotonic() - first.received_s) * 1e3, 1),
                )

    def cleared(self, position: int) -> None:
        """Nothing from ``position`` on is heard any more."""
        self._firsts.clear()
        for over in self.utterances.clear(position):
            self._report(over, position)

    def _report(self, at: Position, position: int) -> None:
        self._reported = at.utterance
        queued_ms = round(self.utterances.queued(position) * 1e3 / AUDIO_CLOCK)
        self._outbox.event("playback_position", **asdict(at), queued_ms=queued_ms)
