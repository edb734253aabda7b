"""Puts microphone packets in order on the session's timeline, by their own time stamps; fills what is lost."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streaming.concealment import JOIN, Continuation, SpeechDecoder, best_match, crossfade, to_int16

CAPACITY: Final = 48_000
"""Output samples that can wait: one second."""

MOST_PACKETS: Final = 400
"""Packets that can wait: a second of the shortest ones."""

FAR_LATE: Final = -1_920
FAR_EARLY: Final = 3_840
"""Output samples (-40 ms, 80 ms) beyond which a packet does not fit the placement."""

FAR_SPAN: Final = 2_400
"""When all packets of so long (50 ms) were far off, the placement follows; a burst after a stall is shorter."""

WINDOW: Final = 50
ENOUGH: Final = 25
"""Packets over which the placement is watched: 1 s of 20 ms packets, and half of that to begin with."""

OFF_QUIET: Final = 240
OFF_LOUD: Final = 480
"""Output samples (5 ms, 10 ms) by which the lowest fifth of the packets may miss the clock before the placement is
corrected: in a quiet moment, and in a loud one."""

LOUD_WAIT: Final = 19_200
"""Output samples (400 ms) for which a quiet moment is waited for."""

QUIET: Final = 164
"""Root mean square (of int16, -46 dBFS) below which a correction is not heard."""

SEARCH: Final = 240
SEARCH_QUIET: Final = 24
"""Output samples (5 ms, 0.5 ms) by which a correction may miss its aim, so that the waves on either side meet."""

UNIT: Final = 480
"""Sound is made up in pieces of so many samples (10 ms)."""

MOST_HURRY: Final = 14_400
"""Sound that is up to 300 ms early is caught up with; earlier sound is placed afresh."""

FULL: Final = 960
FADED: Final = 4_800
"""Made-up sound is at its full level for 20 ms and gone after 100 ms."""

ACTIVE_S: Final = 0.2
"""A microphone that sent nothing for so long counts as silent."""


@dataclass(frozen=True)
class _Packet:
    timestamp: int
    samples: int
    payload: bytes
    decoder: SpeechDecoder

    @property
    def end(self) -> int:
        return self.timestamp + self.samples


class MicrophoneBuffer:
    """Packets in as they arrive; contiguous sound out, which never waits longer than it is told.

    Convention: positions are output samples (48 kHz) since the session began; sound is mono int16.
    The first sample of a packet is placed where the session's clock stands as it arrives. Later packets follow
    by their time stamps, so that jitter does not move them; ``lead`` is how far a packet is placed ahead of the
    clock, negative when it came late. Packets are decoded in their order when their turn comes.
    """

    def __init__(self) -> None:
        self.late_packets = 0
        self.placements = 0
        self.corrections = 0
        self.recovered = 0
        self.concealed = 0
        self._waiting: dict[int, _Packet] = {}
        self._decoder: SpeechDecoder | None = None
        self._offset: int | None = None  # position minus time stamp
        self._leads: deque[int] = deque(maxlen=WINDOW)
        self._far_since: int | None = None
        self._off_since: int | None = None
        self._shift = 0  # what the placement is still to be moved by, while sound goes on
        self._last_s = -1e9
        self._at = 0  # the position up to which sound was made
        self._next = 0  # the time stamp that belongs there
        self._ready = np.zeros(0, np.int16)  # the sound before it that was not taken yet
        self._continuation = Continuation()
        self._run = FADED  # how much was made up since the last real sound

    def add(
        self, timestamp: int, payload: bytes, decoder: SpeechDecoder, *, position: int, now_s: float
    ) -> None:
        """Store one packet.

        timestamp: of its first sample, 48 kHz, from any origin. decoder: the sender's; another one begins anew.
        position: where the session's clock stands now.
        """
        packet = _Packet(timestamp, decoder.samples(payload), payload, decoder)
        if packet.samples == 0:
            return  # damaged; it will be missing
        self._last_s = now_s
        if self._offset is None or decoder is not self._decoder:
            self._decoder = decoder
            self._place(timestamp, position)
        assert self._offset is not None
        lead = timestamp + self._offset - position
        if FAR_LATE <= lead <= FAR_EARLY:
            self._leads.append(lead)
            self._far_since = None
        elif self._far_since is None:
            self._far_since = position
        elif position - self._far_since >= FAR_SPAN:
            self._follow(timestamp, position, lead)
        self._watch(position)
        if packet.end <= self._next:
            self.late_packets += 1
        elif (
            timestamp + self._offset < max(self._at, position) + CAPACITY
            and len(self._waiting) < MOST_PACKETS
        ):
            self._waiting[timestamp] = packet

    def active(self, now_s: float) -> bool:
        """Whether the microphone has been sending."""
        return now_s - self._last_s < ACTIVE_S

    @property
    def lead_ms(self) -> float:
        """How far the median of the last packets came ahead of the clock; negative when late."""
        leads = sorted(self._leads)
        return leads[len(leads) // 2] / 48.0 if leads else 0.0

    def take(self, head: int, limit: int, overtaken: int, given_up: int) -> NDArray[np.int16]:
        """Return the sound from ``head`` on, a multiple of three samples.

        It goes up to ``limit`` as far as packets have come. A hole is filled when it lies before ``overtaken`` and
        a later packet is there, or before ``given_up``.
        """
        self.skip(head)
        while self._at < limit:
            packet = min(self._waiting.values(), key=lambda p: p.timestamp, default=None)
            if packet is not None and packet.timestamp <= self._next:
                self._hear(packet)
            elif packet is not None and self._at < max(overtaken, given_up):
                self._bridge(packet, given_up)
            elif self._at < given_up:
                self._make_up(-(-(given_up - self._at) // UNIT) * UNIT)
            else:
                break
        count = len(self._ready) - len(self._ready) % 3
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def skip(self, head: int) -> None:
        """Something else is heard up to ``head``; what the microphone had for that is dropped."""
        if head + len(self._ready) == self._at:
            return
        self._ready = self._ready[:0]
        self._at = head
        self._continuation.silence()
        self._run = FADED
        if self._offset is not None:
            self._next = head - self._offset
            self._waiting = {t: p for t, p in self._waiting.items() if p.end > self._next}

    # Where packets belong.

    def _place(self, timestamp: int, position: int) -> None:
        """Let this time stamp be here, whatever was before."""
        self._waiting = {t: p for t, p in self._waiting.items() if abs(t - timestamp) < CAPACITY}
        self._waiting = {t: p for t, p in self._waiting.items() if p.decoder is self._decoder}
        self._offset = position - timestamp
        self._next = self._at - self._offset
        self._moved()
        self.placements += 1

    def _moved(self) -> None:
        self._shift = 0
        self._far_since = self._off_since = None
        self._leads.clear()

    def _follow(self, timestamp: int, position: int, lead: int) -> None:
        """The network's delay has changed, or the sender's time stamps have."""
        if FAR_EARLY < lead < MOST_HURRY:
            self._shift = -lead
            self._far_since = None
        else:
            self._place(timestamp, position)

    def _watch(self, position: int) -> None:
        """Decide whether the placement is to be corrected."""
        if self._shift or len(self._leads) < ENOUGH:
            return
        low = self._lowest_fifth()
        if abs(low) <= OFF_QUIET:
            self._off_since = None
        elif self._off_since is None:
            self._off_since = position
        elif abs(low) > OFF_LOUD and position - self._off_since >= LOUD_WAIT:
            self._shift = -low

    def _lowest_fifth(self) -> int:
        return sorted(self._leads)[len(self._leads) // 5]

    # Sound.

    def _hear(self, packet: _Packet) -> None:
        """Decode the packet whose turn it is."""
        del self._waiting[packet.timestamp]
        samples = packet.decoder.decode(packet.payload)
        late = self._next - packet.timestamp
        if late >= len(samples):
            self.late_packets += late > 0
            return  # damaged after all, or its time is over
        if late:
            self.late_packets += 1
            samples = crossfade(self._continuation.ahead(JOIN), samples[late:])
        self._emit_real(samples)

    def _bridge(self, packet: _Packet, given_up: int) -> None:
        """Fill the hole before a packet: its own copy of the lost one, and what is made up before that."""
        missing = packet.timestamp - self._next
        if missing > FADED + packet.samples:  # nobody waits for so much
            self._make_up(min(missing, max(given_up - self._at, UNIT)))
            return
        copied = min(missing, packet.samples) if packet.decoder.carries_copy(packet.payload) else 0
        if missing > copied:
            self._make_up(missing - copied)
        if copied:
            self.recovered += copied
            self._emit_real(packet.decoder.recover(packet.payload, copied))

    def _make_up(self, count: int) -> None:
        if self._run >= FADED or self._decoder is None:
            samples = np.zeros(count, np.int16)
        else:
            samples = self._decoder.conceal(count)
        samples = to_int16(samples * _gain(self._run, count))
        self._run += count
        self._next += count
        self.concealed += count
        self._emit(samples)

    def _emit_real(self, samples: NDArray[np.int16]) -> None:
        self._next += len(samples)
        if self._run > FULL:  # made-up sound had begun to fade
            begin = samples[:JOIN]
            rise = np.linspace(_gain(self._run, 1)[0], 1.0, len(begin), dtype=np.float32)
            samples[: len(begin)] = to_int16(begin * rise)
        self._run = 0
        self._emit(self._corrected(samples))

    def _emit(self, samples: NDArray[np.int16]) -> None:
        self._continuation.heard(samples)
        self._ready = np.concatenate([self._ready, samples])
        self._at += len(samples)

    def _corrected(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """The sound, longer or shorter where the placement is being moved."""
        if not self._shift and self._off_since is None:
            return samples
        quiet = float(np.sqrt(np.mean(samples.astype(np.float32) ** 2))) < QUIET
        if not self._shift and quiet:
            self._shift = -self._lowest_fifth()
        if not self._shift:
            return samples
        assert self._offset is not None
        search = min(SEARCH_QUIET if quiet else SEARCH, len(samples) // 4)
        changed = self._lengthened(samples, search) if self._shift > 0 else self._shortened(samples, search)
        moved = len(changed) - len(samples)
        self._offset += moved
        self._shift -= moved
        if abs(self._shift) <= SEARCH:
            self._moved()
            self.corrections += 1
        return changed

    def _lengthened(self, samples: NDArray[np.int16], search: int) -> NDArray[np.int16]:
        """Go on with what came before, then join the sound where it fits best."""
        low = max(0, self._shift - search)
        join = min(JOIN, len(samples))
        ahead = self._continuation.ahead(self._shift + search + join)
        begin = low + best_match(samples[:join].astype(np.float32), ahead[low:])
        return np.concatenate([to_int16(ahead[:begin]), crossfade(ahead[begin : begin + join], samples)])

    def _shortened(self, samples: NDArray[np.int16], search: int) -> NDArray[np.int16]:
        """Leave a piece out, up to half of the sound, as long as lets the ends meet best."""
        aim = min(-self._shift, len(samples) // 2)
        low = max(0, aim - search)
        join = min(JOIN, len(samples) // 4)
        within = samples.astype(np.float32)
        begin = low + best_match(within[:join], within[low : aim + search + join])
        return crossfade(within[:join], samples[begin:])


def _gain(run: int, count: int) -> NDArray[np.float32]:
    """Level of made-up sound, from ``run`` samples after its begin."""
    at = np.arange(run, run + count, dtype=np.float32)
    return np.asarray(np.clip((FADED - at) / (FADED - FULL), 0.0, 1.0), np.float32)
