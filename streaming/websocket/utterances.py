"""Which sample of which utterance is leaving: the bookkeeping behind ``playback_position``."""

from collections import deque
from dataclasses import dataclass, field

from streaming.encoder import AUDIO_CLOCK


@dataclass(frozen=True)
class Position:
    """How far an utterance has been played.

    sample: of the utterance, at the sender's rate, the first that has not left yet. samples: accepted so far.
    over: whether nothing more of it will leave. interrupted: whether ``clear`` cut it off.
    """

    utterance: int
    sample: int
    samples: int
    over: bool = False
    interrupted: bool = False


@dataclass
class _Utterance:
    number: int
    rate: int
    samples: int = 0
    ended: bool = False
    begun: bool = False
    before: int = 0  # output samples of the pieces that have left completely
    pieces: deque[tuple[int, int]] = field(default_factory=deque)  # first position and length of each

    def played(self, position: int) -> int:
        """Output samples that have left when ``position`` is the next."""
        while self.pieces and sum(self.pieces[0]) <= position:
            self.before += self.pieces.popleft()[1]
        return self.before + (max(0, position - self.pieces[0][0]) if self.pieces else 0)


class Utterances:
    """The utterances that wait or play, oldest first.

    Convention: positions and lengths are output samples (48 kHz) on the session's timeline. Utterances are
    numbered from 1; one begins with the first sound after the one before has ended.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Utterance] = deque()
        self._number = 0
        self._last_end = 0

    @property
    def waiting(self) -> bool:
        """Whether anything plays, waits or is open."""
        return bool(self._waiting)

    @property
    def open(self) -> int | None:
        """Number of the utterance that the next sound belongs to, None when it will begin another one."""
        return self._waiting[-1].number if self._waiting and not self._waiting[-1].ended else None

    @property
    def next_number(self) -> int:
        """Number of the utterance that the next sound belongs to."""
        return self.open or self._number + 1

    @property
    def taken(self) -> int:
        """Samples of the sender that the open utterance has so far."""
        return self._waiting[-1].samples if self.open is not None else 0

    def accept(self, samples: int, rate: int) -> int:
        """Count the sender's samples before their sound is added; returns the utterance's number."""
        if self.open is None:
            self._number += 1
            self._waiting.append(_Utterance(self._number, rate))
        self._waiting[-1].samples += samples
        return self._number

    def add(self, position: int, length: int) -> int | None:
        """A piece of the open utterance lies at ``position``.

        Returns:
            The hole before it in output samples; None for the utterance's first piece.
        """
        utterance = self._waiting[-1]
        assert not utterance.ended and length > 0
        hole = position - self._last_end if utterance.begun else None
        utterance.begun = True
        utterance.pieces.append((position, length))
        self._last_end = position + length
        return hole

    def end(self) -> None:
        """The open utterance is complete."""
        if self.open is not None:
            self._waiting[-1].ended = True

    def queued(self, position: int) -> int:
        """Output samples that have not left when ``position`` is the next; the holes count as well."""
        return max(0, self._last_end - position) if self._waiting else 0

    def playing(self, position: int) -> Position | None:
        """The utterance that is leaving, None before the first sound of the oldest."""
        if not self._waiting:
            return None
        oldest = self._waiting[0]
        played = oldest.played(position)
        if played == 0:
            return None
        return Position(oldest.number, _sample(oldest, played), oldest.samples)

    def over(self, position: int) -> list[Position]:
        """Forget the utterances that have left completely."""
        gone = []
        while self._waiting and self._waiting[0].ended:
            oldest = self._waiting[0]
            oldest.played(position)
            if oldest.pieces:
                break
            self._waiting.popleft()
            gone.append(Position(oldest.number, oldest.samples, oldest.samples, over=True))
        return gone

    def clear(self, position: int) -> list[Position]:
        """Forget all; ``position`` is the first that is not heard any more."""
        gone = [
            Position(
                each.number, _sample(each, each.played(position)), each.samples, over=True, interrupted=True
            )
            for each in self._waiting
        ]
        self._waiting.clear()
        self._last_end = position
        return gone


def _sample(utterance: _Utterance, played: int) -> int:
    return min(utterance.samples, played * utterance.rate // AUDIO_CLOCK)
