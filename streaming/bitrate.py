"""Chooses the video bit rate from what the viewer reports."""

from collections import deque
from typing import Final

WINDOW_S: Final = 1.0
"""Over which the rate that is really sent is measured."""

BACK_OFF: Final = 0.85
"""Share of the viewer's estimate that is used once the network is full."""

RISE: Final = 1.08
"""Growth by each report without trouble; reports come about once a second."""

LOSS_HOLD: Final = 0.02
LOSS_FALL: Final = 0.10
"""Share of packets lost from which the rate no longer rises, and from which it falls (as in GCC's loss rule)."""


class BitrateControl:
    """The encoder's target in bits a second.

    The viewer's estimate (REMB) is bounded by what it receives: a calm picture makes it small on the best network.
    So only an estimate below what is being sent means that the network is full; any other lets the target rise.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._sent: deque[tuple[float, int]] = deque()
        self._lossy = False
        self.target = most

    def packet(self, size: int, now_s: float) -> None:
        """A frame of ``size`` bytes was sent."""
        self._sent.append((now_s, size))
        while self._sent[0][0] < now_s - WINDOW_S:
            self._sent.popleft()

    def estimate(self, available: int, now_s: float) -> int:
        """The viewer estimates ``available`` bits a second; returns the target from now on."""
        sent = sum(size for when_s, size in self._sent if when_s >= now_s - WINDOW_S) * 8 / WINDOW_S
        if available < sent:
            self._set(min(self.target, available * BACK_OFF))
        elif not self._lossy:
            self._set(self.target * RISE)
        return self.target

    def loss(self, share: float) -> int:
        """The viewer lost this share of the packets since its last report; returns the target from now on."""
        self._lossy = share > LOSS_HOLD
        if share > LOSS_FALL:
            self._set(self.target * (1.0 - 0.5 * share))
        return self.target

    def _set(self, target: float) -> None:
        self.target = int(max(self._least, min(self._most, target)))
