"""Sound that continues what was heard: fills lost packets and joins pieces that do not follow each other."""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

SHORTEST: Final = 120
LONGEST: Final = 720
"""Pitch periods that are looked for, in samples at 48 kHz: 400 Hz to 67 Hz."""

TEMPLATE: Final = 720
"""Samples at the end of the past that a period must repeat."""

JOIN: Final = 240
"""Samples (5 ms) over which one piece fades into the next."""

_PAST: Final = LONGEST + TEMPLATE
_COARSE: Final = 3
"""Every so many samples are compared when a period is looked for."""

_RISE: Final = np.linspace(0.0, 1.0, JOIN + 2, dtype=np.float32)[1:-1]


class SpeechDecoder(Protocol):
    """Turns the packets of one sender into sound, in their order; keeps state between them.

    Convention: mono int16 at 48 kHz.
    """

    def samples(self, payload: bytes) -> int:
        """How many samples a packet holds; 0 when it is damaged."""
        ...

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The next packet's sound; empty when it is damaged."""
        ...

    def carries_copy(self, payload: bytes) -> bool:
        """Whether a packet holds a copy of the one before it."""
        ...

    def recover(self, following: bytes, count: int) -> NDArray[np.int16]:
        """``count`` samples from the copy that ``following``, which is decoded after this, holds of a lost packet."""
        ...

    def conceal(self, count: int) -> NDArray[np.int16]:
        """``count`` samples in place of lost ones."""
        ...


class Continuation:
    """Repeats the last pitch period of what was heard.

    Convention: mono at 48 kHz, int16 in, float32 on the scale of int16 out.
    """

    def __init__(self) -> None:
        self._past = np.zeros(_PAST, np.float32)
        self._cycle: NDArray[np.float32] | None = None
        self._step = 0.0

    def heard(self, samples: NDArray[np.int16]) -> None:
        """Take note of sound that was played."""
        if len(samples) == 0:
            return
        kept = self._past[len(samples) :] if len(samples) < _PAST else self._past[:0]
        self._past = np.concatenate([kept, samples[-_PAST:].astype(np.float32)])
        self._cycle = None

    def silence(self) -> None:
        """Forget the past, as after a pause."""
        self._past = np.zeros(_PAST, np.float32)
        self._cycle = None

    def ahead(self, count: int, begin: int = 0) -> NDArray[np.float32]:
        """Samples ``begin`` to ``begin + count`` of what would follow the past."""
        if self._cycle is None:
            self._cycle, self._step = self._find_cycle()
        at = np.arange(begin, begin + count)
        correction = self._step * np.clip(1.0 - at / JOIN, 0.0, None)
        return np.asarray(self._cycle[at % len(self._cycle)] + correction, np.float32)

    def _find_cycle(self) -> tuple[NDArray[np.float32], float]:
        """One period that can be repeated without a step, and the step from the past's end to its begin."""
        past = self._past
        period = LONGEST - best_match(past[-TEMPLATE:], past[:-SHORTEST], _COARSE) if past.any() else LONGEST
        overlap = period // 4
        cycle = past[-period:].copy()
        before = past[-period - overlap : -period]
        fall = np.linspace(1.0, 0.0, overlap, dtype=np.float32)
        cycle[-overlap:] = cycle[-overlap:] * fall + before * (1.0 - fall)
        expected = 2.0 * past[-1] - past[-2] if abs(past[-1] - past[-2]) < 2000.0 else past[-1]
        return cycle, float(expected - cycle[0])


class PcmDecoder:
    """Plain samples: packets are mono int16, little-endian, at 48 kHz."""

    def __init__(self) -> None:
        self._continuation = Continuation()
        self._concealed = 0

    def samples(self, payload: bytes) -> int:
        return len(payload) // 2

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        return self.joined(np.frombuffer(payload, "<i2", len(payload) // 2).astype(np.int16))

    def carries_copy(self, payload: bytes) -> bool:
        return False

    def recover(self, following: bytes, count: int) -> NDArray[np.int16]:
        return self.conceal(count)

    def conceal(self, count: int) -> NDArray[np.int16]:
        ahead = self._continuation.ahead(count, self._concealed)
        self._concealed += count
        return to_int16(ahead)

    def joined(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """``samples``, faded in from what was made up before them."""
        if self._concealed:
            samples = crossfade(self._continuation.ahead(JOIN, self._concealed), samples)
            self._concealed = 0
        self._continuation.heard(samples)
        return samples


def crossfade(old: NDArray[np.float32], new: NDArray[np.int16]) -> NDArray[np.int16]:
    """``new``, whose begin is faded in while ``old`` (at most as long) fades out."""
    count = min(len(old), len(new), JOIN)
    rise = _RISE[:count] if count == JOIN else np.linspace(0.0, 1.0, count, dtype=np.float32)
    mixed = new.copy()
    mixed[:count] = to_int16(old[:count] * (1.0 - rise) + new[:count] * rise)
    return mixed


def best_match(template: NDArray[np.float32], within: NDArray[np.float32], stride: int = 1) -> int:
    """Where in ``within`` a piece lies that is most like ``template``: largest normalised correlation.

    ``stride`` compares every so many samples and looks at every so many places.
    """
    pattern = template[::stride].astype(np.float64)
    field = within[::stride].astype(np.float64)
    products = np.correlate(field, pattern, "valid")
    sums = np.concatenate([[0.0], np.cumsum(field * field)])
    energy = sums[len(pattern) :] - sums[: -len(pattern)]
    return int(np.argmax(products / np.sqrt(energy + 1e3 * len(pattern)))) * stride


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round and clip."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
