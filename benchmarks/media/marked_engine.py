"""The shipped engine with marks in its pictures, so that a browser can say which frame it shows and what it hears.

Two rows of 20 bars along the top edge, white for 1: the frame's number; and whether sound begins in this frame after
a silence, at which millisecond of it, how far the mouth is open, and which avatar is drawn. ``live_marks.js`` reads them.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_NAMES, FRAME_SAMPLES, SAMPLE_RATE
from engine.motion.values import Motion
from streaming.engine_port import EngineOptions, EnginePort, SessionLike, real_engine

BARS: Final = 20
ONSET: Final = 0.1
"""Amplitude at which sound begins; the same in the browser."""

QUIET_SAMPLES: Final = 4800
"""So long (0.3 s) must it have been quieter than half of that before."""

JAW_OPEN: Final = ARKIT_NAMES.index("jawOpen")
MOUTH_CLOSE: Final = ARKIT_NAMES.index("mouthClose")


class Onsets:
    """Where sound begins, in sample numbers."""

    def __init__(self) -> None:
        self.samples: deque[int] = deque(maxlen=64)
        self._end = 0
        self._loud = -QUIET_SAMPLES

    def add(self, sound: NDArray[np.float32]) -> None:
        """Take the samples that follow."""
        level = np.abs(sound)
        for index in np.flatnonzero(level > ONSET / 2):
            sample = self._end + int(index)
            if level[index] > ONSET:
                if sample - self._loud > QUIET_SAMPLES:
                    self.samples.append(sample)
                self._loud = sample
            elif sample - self._loud <= QUIET_SAMPLES:
                self._loud = sample
        self._end += len(sound)

    def forget(self, count: int) -> None:
        """The last ``count`` samples never were."""
        self._end -= count
        self._loud = min(self._loud, self._end)
        while self.samples and self.samples[-1] >= self._end:
            self.samples.pop()

    def within(self, first: int, count: int) -> int | None:
        """The first onset among ``count`` samples from ``first``, counted from there."""
        return next((sample - first for sample in self.samples if first <= sample < first + count), None)


class MarkedSession:
    """A session of the shipped engine whose pictures carry marks."""

    def __init__(self, session: SessionLike, avatar: int) -> None:
        self.drawn = session
        """The session without marks."""
        self._avatar = avatar
        self._onsets = Onsets()

    def push_audio(self, samples: NDArray[np.float32]) -> None:
        self._onsets.add(samples)
        self.drawn.push_audio(samples)

    def clear(self) -> int:
        dropped = self.drawn.clear()
        self._onsets.forget(dropped)
        return dropped

    def motions(self) -> Iterator[Motion]:
        return self.drawn.motions()

    def marked(self, frame: Any, motion: Motion) -> Any:
        """The frame with its marks."""
        onset = self._onsets.within(motion.number * FRAME_SAMPLES, FRAME_SAMPLES)
        opening = float(motion.blendshapes[JAW_OPEN] - motion.blendshapes[MOUTH_CLOSE])
        i420 = frame.i420.copy()
        mark(i420, motion.number, onset, opening, self._avatar)
        return replace(frame, i420=i420)

    def set_style(self, style: Any) -> None:
        self.drawn.set_style(style)

    def set_listening(self, heard: bool) -> None:
        self.drawn.set_listening(heard)

    def set_avatar(self, avatar: Any) -> None:
        self._avatar, prepared = avatar
        self.drawn.set_avatar(prepared)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.drawn, name)


class MarkedEngine:
    """The port onto the shipped engine, with marks."""

    def __init__(self, port: EnginePort) -> None:
        self._port = port

    @property
    def at_once(self) -> int:
        return self._port.at_once

    def load_avatar(self, path: str) -> Any:
        return crc32(path.encode()) % 8, self._port.load_avatar(path)

    def prepare(self, avatar: Any) -> Any:
        number, loaded = avatar
        return number, self._port.prepare(loaded)

    def session(self, prepared: Any, seed: int) -> SessionLike:
        number, avatar = prepared
        return MarkedSession(self._port.session(avatar, seed), number)

    def style(self, expressiveness: float, head_motion: float, mood: float) -> Any:
        return self._port.style(expressiveness, head_motion, mood)

    def draw(
        self, sessions: Sequence[Any], motions: Sequence[Motion], *, supersample: bool, neural: bool
    ) -> Sequence[Any]:
        drawn = [session.drawn for session in sessions]
        frames = self._port.draw(drawn, motions, supersample=supersample, neural=neural)
        return [session.marked(*pair) for session, *pair in zip(sessions, frames, motions, strict=True)]


def marked_engine(options: EngineOptions) -> EnginePort:
    """Make the shipped engine, marking its pictures."""
    return MarkedEngine(real_engine(options))


def mark(i420: NDArray[np.uint8], number: int, onset: int | None, opening: float, avatar: int) -> None:
    """Draw the marks into a picture, uint8 [size * 3 // 2, size]; ``onset`` in samples from the frame's first."""
    size = i420.shape[1]
    millisecond = 0 if onset is None else onset * 1000 // SAMPLE_RATE
    level = int(np.clip(round(opening * 63), 0, 63))
    second = (onset is not None) << 19 | millisecond << 13 | level << 7 | avatar << 4
    second |= (number ^ second >> 4) & 0xF  # to know a mark from the rest of a picture
    edges = np.linspace(0, size, BARS + 1).astype(int)
    for row, value in enumerate((number % (1 << BARS), second)):
        top = row * size // 32
        for bar in range(BARS):
            white = value >> (BARS - 1 - bar) & 1
            i420[top : top + size // 32, edges[bar] : edges[bar + 1]] = 235 if white else 16
    chroma = i420[size:].reshape(2, size // 2, size // 2)
    chroma[:, : size // 32] = 128


def read_mark(luma: NDArray[np.uint8]) -> tuple[int, int | None] | None:
    """The frame's number and the onset's millisecond; None where there are no marks."""
    size = luma.shape[1]
    centres = ((np.arange(BARS) + 0.5) * size / BARS).astype(int)
    rows = [luma[row * size // 32 + size // 64, centres] > 128 for row in range(2)]
    number, second = (int("".join("01"[int(bit)] for bit in row), 2) for row in rows)
    if (number ^ second >> 4) & 0xF != second & 0xF:
        return None
    return number, (second >> 13 & 63) if second >> 19 else None
