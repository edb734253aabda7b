"""A network that loses, delays, reorders and repeats packets, the same ones every time; and a call over it.

Everything happens in virtual time: an hour takes as long as its computing.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streaming.clock import MediaClock
from streaming.concealment import SpeechDecoder
from streaming.timeline import AudioTimeline
from tests.streaming.voices import PACKET, RATE

PUMP_S = 0.01


@dataclass
class LossyLink:
    """Says when each packet arrives, if it does.

    loss, repeated: shares in [0, 1]. jitter_s: delays are even between the fixed ``delay_s`` and that plus this,
    each packet for itself, so that packets overtake each other when it is more than their distance.
    extra_s(sent_s): more delay at some time. lost: numbers of packets that are lost for certain.
    """

    loss: float = 0.0
    jitter_s: float = 0.0
    delay_s: float = 0.01
    repeated: float = 0.0
    lost: frozenset[int] = frozenset()
    extra_s: Callable[[float], float] = lambda sent_s: 0.0
    seed: int = 1
    dropped: int = 0
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def send(self, number: int, sent_s: float) -> list[float]:
        """Times at which a packet arrives: none, one, or two."""
        dropped = bool(self._random.random() < self.loss) or number in self.lost
        self.dropped += dropped
        times = 0 if dropped else 1 + int(self._random.random() < self.repeated)
        return [
            sent_s + self.delay_s + float(self._random.uniform(0, self.jitter_s)) + self.extra_s(sent_s)
            for _ in range(times)
        ]


class LossyCall:
    """A microphone whose packets cross a link to a session's timeline, which is asked for sound as in a session."""

    def __init__(
        self, link: LossyLink, new_decoder: Callable[[], SpeechDecoder], *, skew: float = 0.0
    ) -> None:
        """``skew``: what the sender's clock gains on ours, 1e-4 for instance."""
        self.link = link
        self.line = AudioTimeline(MediaClock(0.0))
        self.decoder = new_decoder()
        self.leads: list[tuple[float, float]] = []  # time, lead_ms
        self.waits: list[
            float
        ] = []  # seconds from when a sample is due until it is on the line, at its worst
        self.sound: list[NDArray[np.int16]] = []
        self._skew = skew
        self._read = 0

    def run(self, payloads: Iterator[bytes]) -> NDArray[np.int16]:
        """Send packets, one every 20 ms of the sender's clock; returns the whole line, int16 at 48 kHz."""
        arrivals: list[tuple[float, int, bytes]] = []
        seen: set[int] = set()
        now_s = 0.0
        for number, payload in enumerate(payloads):
            sent_s = 0.02 * (number + 1) / (1.0 + self._skew)
            for when_s in self.link.send(number, sent_s):
                heapq.heappush(arrivals, (when_s, number, payload))
            while now_s < sent_s:
                now_s = round(now_s + PUMP_S, 3)
                while arrivals and arrivals[0][0] <= now_s:
                    when_s, arrived, data = heapq.heappop(arrivals)
                    if arrived not in seen:  # those that come twice never reach the buffer
                        self.line.hear_packet(arrived * PACKET, data, self.decoder, when_s)
                        self._advance(when_s)
                    seen.add(arrived)
                    seen.discard(arrived - 256)
                self._advance(now_s)
                self._note(now_s)
        return np.concatenate(self.sound)

    def _advance(self, now_s: float) -> None:
        self.line.advance(now_s)
        self.sound.append(self.line.read(self._read, self.line.head - self._read))
        self._read = self.line.head

    def _note(self, now_s: float) -> None:
        self.leads.append((now_s, self.line.microphone.lead_ms))
        self.waits.append(now_s - self.line.clock.time_of(self.line.head))


def seconds(samples: NDArray[np.int16]) -> float:
    """Length at 48 kHz."""
    return len(samples) / RATE
