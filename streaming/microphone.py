"""Places microphone packets on the session's timeline, by their own time stamps."""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

CAPACITY: Final = 48_000
"""Output samples that can wait: one second."""

RUN: Final = 5
"""Packets in a row that are far off before the placement is done afresh."""

WINDOW: Final = 50
"""Packets over which slow drift is watched (1 s of 20 ms packets)."""

FAR_LATE: Final = -1_920
FAR_EARLY: Final = 3_840
"""Output samples (-40 ms, 80 ms) beyond which a packet does not fit the placement."""

DRIFT_LATE: Final = -480
DRIFT_EARLY: Final = 720
"""Output samples (-10 ms of the packet at the lowest fifth, 15 ms of the median one) beyond which a quiet moment is
used to correct."""

QUIET: Final = 164
"""Root mean square (of int16, -46 dBFS) below which a correction is not heard."""

ACTIVE_S: Final = 0.2
"""A microphone that sent nothing for so long counts as silent."""


class MicrophoneBuffer:
    """Arriving packets in, contiguous sound out; packets may be lost, late or out of order.

    Convention: positions are output samples (48 kHz) since the session began; packets are mono int16.
    The first sample of a packet is placed where the session's clock stands as it arrives. Later packets follow
    by their time stamps, so that jitter does not move them; ``lead`` is how far a packet is placed ahead of the
    clock, negative when it came late.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(CAPACITY, np.int16)
        self._filled = np.zeros(CAPACITY, bool)
        self._offset: int | None = None  # position minus time stamp
        self._leads: deque[int] = deque(maxlen=WINDOW)
        self._far = 0
        self._last_s = -1e9
        self.late_packets = 0
        self.placements = 0

    def add(
        self, timestamp: int, samples: NDArray[np.int16], *, head: int, position: int, now_s: float
    ) -> None:
        """Store one packet.

        timestamp: of its first sample, 48 kHz, from any origin. head: first position not read yet.
        position: where the session's clock stands now.
        """
        self._last_s = now_s
        if self._offset is None:
            self._place(timestamp, position)
        assert self._offset is not None
        lead = timestamp + self._offset - position
        self._far = self._far + 1 if not FAR_LATE <= lead <= FAR_EARLY else 0
        self._leads.append(lead)
        if self._far >= RUN:
            self._place(timestamp, position)
        elif self._drifted(samples):
            late = sorted(self._leads)[WINDOW // 5]
            self._place(timestamp, timestamp + self._offset - late + late % 3)  # whole 16 kHz samples
        self._write(timestamp + self._offset, samples, head)

    def active(self, now_s: float) -> bool:
        """Whether the microphone has been sending."""
        return now_s - self._last_s < ACTIVE_S

    @property
    def lead_ms(self) -> float:
        """How far the median of the last packets came ahead of the clock; negative when late."""
        leads = sorted(self._leads)
        return leads[len(leads) // 2] / 48.0 if leads else 0.0

    def take(self, head: int, limit: int) -> NDArray[np.int16]:
        """Return and forget the sound from ``head`` up to the first missing sample, or ``limit``."""
        index = np.arange(head, min(limit, head + CAPACITY)) % CAPACITY
        filled = self._filled[index]
        count = len(filled) if filled.all() else int(np.argmin(filled))
        index = index[: count - count % 3]
        self._filled[index] = False
        return self._samples[index]

    def forget(self, head: int, count: int) -> None:
        """Drop ``count`` positions from ``head``, which something else has filled."""
        self._filled[np.arange(head, head + min(count, CAPACITY)) % CAPACITY] = False

    def next_filled(self, head: int, limit: int) -> int:
        """First position from ``head`` that holds sound, or ``limit``."""
        filled = self._filled[np.arange(head, min(limit, head + CAPACITY)) % CAPACITY]
        return head + int(np.argmax(filled)) if filled.any() else limit

    def _place(self, timestamp: int, position: int) -> None:
        self._offset = position - timestamp
        self._leads.clear()
        self._far = 0
        self.placements += 1

    def _drifted(self, samples: NDArray[np.int16]) -> bool:
        if len(self._leads) < WINDOW:
            return False
        leads = sorted(self._leads)
        if leads[WINDOW // 5] >= DRIFT_LATE and leads[WINDOW // 2] <= DRIFT_EARLY:
            return False
        return float(np.sqrt(np.mean(samples.astype(np.float32) ** 2))) < QUIET

    def _write(self, position: int, samples: NDArray[np.int16], head: int) -> None:
        if position < head:
            self.late_packets += 1
            samples = samples[head - position :]
            position = head
        samples = samples[: max(0, head + CAPACITY - position)]
        index = np.arange(position, position + len(samples)) % CAPACITY
        self._samples[index] = samples
        self._filled[index] = True
