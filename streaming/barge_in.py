"""Says when the user begins to speak, so that the avatar can stop: quick to begin, hard to fool."""

from collections import deque
from typing import Any, Final, Literal

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from streaming.decimator import Decimator

Change = Literal["user_speaking", "user_silent"]

PIECE: Final = SAMPLE_RATE // 100
"""Samples that are judged at once: 10 ms."""

STRICTNESS: Final = 3
"""WebRTC's mode, 0 (lets all through) to 3."""

BEGIN_OF: Final = 10
BEGIN_SPEECH: Final = 6
BEGIN_VOICED: Final = 4
"""To begin, of the last ten pieces (100 ms) so many must be speech to the detector and above the gate, and so many
have a pitch: breath, clicks and rustling have none."""

END_PIECES: Final = 50
"""Pieces without speech (500 ms) after which the user is silent."""

PAUSE_PIECES: Final = 20
"""A pause of so long (200 ms) is one between two phrases."""

QUIETEST_DBFS: Final = -50.0
"""Softer than this is no speech."""

ABOVE_FLOOR_DB: Final = 9.0
"""How far speech must stand out from the noise."""

FLOOR_RISE_DB: Final = 0.04
"""What the noise floor rises in 10 ms while it is louder: 4 dB a second."""

ECHO_DB: Final = -14.0
"""The avatar's own sound may come back so loud, 20 dB softer with 6 dB to spare, and is no speech."""

ECHO_PIECES: Final = 40
"""For so long (400 ms) the avatar's sound may come back: playing, the room, and sending."""

PITCH: Final = (SAMPLE_RATE // 400, SAMPLE_RATE // 70)
"""Shortest and longest pitch period, in samples."""

PITCH_WINDOW: Final = 3 * PITCH[1] // 2
LIKE_ITSELF: Final = (0.6, 0.999)
"""Correlation of a voiced sound with itself, one period later; what is more alike is a tone and no voice."""


class BargeIn:
    """Detects a user's speech on a continuous line of sound.

    Convention: sound is mono int16 at 48 kHz, a multiple of three samples at a time. One object a microphone.
    Speech is noticed 60 to 100 ms after its voice begins; a word that begins with a hiss, at its first vowel.
    Music is taken for a voice, a steady tone is not. What was measured is in docs/design/media-path.md.
    """

    def __init__(self) -> None:
        self.speaking = False
        self._detector: Any = webrtcvad.Vad(STRICTNESS)
        self._decimator = Decimator()
        self._rest = np.zeros(0, np.float32)
        self._past = np.zeros(PITCH_WINDOW + PITCH[1], np.float32)
        self._floor_dbfs = QUIETEST_DBFS
        self._far: deque[float] = deque(maxlen=ECHO_PIECES)
        self._recent: deque[tuple[bool, bool]] = deque(maxlen=BEGIN_OF)
        self._without = 0

    def add(self, samples: NDArray[np.int16], far_end_dbfs: float | None = None) -> Change | None:
        """Hear the next samples; returns what changed.

        far_end_dbfs: level (root mean square) of what the avatar was heard to say meanwhile, if it is known.
        """
        heard = np.concatenate([self._rest, self._decimator.add(samples)])
        whole = len(heard) // PIECE * PIECE
        self._rest = heard[whole:]
        change: Change | None = None
        for piece in heard[:whole].reshape(-1, PIECE):
            change = self._judge(piece, far_end_dbfs) or change
        return change

    @property
    def in_phrase(self) -> bool:
        """Whether the user speaks and makes no pause."""
        return self.speaking and self._without < PAUSE_PIECES

    def _judge(self, piece: NDArray[np.float32], far_end_dbfs: float | None) -> Change | None:
        self._past = np.concatenate([self._past[PIECE:], piece])
        level = 10 * np.log10(float(np.mean(piece.astype(np.float64) ** 2)) + 1e-12)
        loud = level > self._gate(far_end_dbfs)
        self._floor_dbfs = min(level, self._floor_dbfs + FLOOR_RISE_DB)
        sound = (np.clip(piece, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        speech = bool(self._detector.is_speech(sound, SAMPLE_RATE)) and loud
        self._recent.append((speech, speech and self._voiced()))
        self._without = 0 if speech else self._without + 1
        if self.speaking:
            if self._without < END_PIECES:
                return None
            self.speaking = False
            self._recent.clear()
            return "user_silent"
        enough = sum(s for s, _ in self._recent) >= BEGIN_SPEECH
        if not enough or sum(v for _, v in self._recent) < BEGIN_VOICED:
            return None
        self.speaking = True
        return "user_speaking"

    def _gate(self, far_end_dbfs: float | None) -> float:
        """Level that speech must reach now."""
        self._far.append(-120.0 if far_end_dbfs is None else far_end_dbfs)
        return max(QUIETEST_DBFS, self._floor_dbfs + ABOVE_FLOOR_DB, max(self._far) + ECHO_DB)

    def _voiced(self) -> bool:
        """Whether the last 21 ms are like what was one pitch period before, as a voice is."""
        sound = self._past.astype(np.float64) - self._past.mean()
        pattern = sound[-PITCH_WINDOW:]
        products = np.correlate(sound, pattern, "valid")[::-1]  # by lag, from zero
        sums = np.concatenate([[0.0], np.cumsum(sound * sound)])
        energy = (sums[PITCH_WINDOW:] - sums[:-PITCH_WINDOW])[::-1]
        likeness = products / np.sqrt(energy * energy[0] + 1e-12)
        unlike = int(np.argmax(likeness < LIKE_ITSELF[0] / 2))  # a rumble is like itself a moment later, too
        if unlike == 0:
            return False
        return LIKE_ITSELF[0] < float(np.max(likeness[max(unlike, PITCH[0]) :], initial=0.0)) < LIKE_ITSELF[1]


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """Level of mono int16 sound: root mean square, 0 dB for the loudest square wave."""
    return float(10 * np.log10(np.mean((samples / 32768.0) ** 2) + 1e-12))
