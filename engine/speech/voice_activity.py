"""Says whether somebody speaks: WebRTC's detector on 10 ms pieces, a level below which nothing counts, hysteresis."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE

PIECE_SAMPLES: Final = SAMPLE_RATE // 100
PIECES: Final = FRAME_SAMPLES // PIECE_SAMPLES
STRICTNESS: Final = 2
"""WebRTC's mode, 0 (lets all through) to 3."""

QUIETEST_DBFS: Final = -50.0
"""A frame whose loudest piece is softer is no speech."""

BEGIN_PIECES: Final = 3
"""Pieces of the last two frames that must be speech for it to begin."""

HOLD_FRAMES: Final = 8
"""Frames without speech after which it ends (320 ms, longer than the silence within a plosive)."""


@dataclass
class VoiceState:
    """One stream's detector."""

    detector: Any = field(default_factory=lambda: webrtcvad.Vad(STRICTNESS))
    recent: int = 0
    unvoiced_frames: int = HOLD_FRAMES
    speaking: bool = False


def hear_voice(state: VoiceState, samples: NDArray[np.float32]) -> bool:
    """Take one frame, float32 [640] at 16 kHz; return whether somebody speaks now."""
    pieces = samples.reshape(PIECES, PIECE_SAMPLES)
    loudest = float(np.einsum("ps,ps->p", pieces, pieces).max()) / PIECE_SAMPLES
    whole = (np.minimum(np.maximum(pieces, -1.0), 1.0) * 32767).astype("<i2")
    # The detector hears every piece, also one too soft to count: it follows the noise.
    voiced = sum(state.detector.is_speech(piece.tobytes(), SAMPLE_RATE) for piece in whole)
    if loudest < 10 ** (QUIETEST_DBFS / 10):
        voiced = 0
    state.unvoiced_frames = 0 if voiced else min(state.unvoiced_frames + 1, HOLD_FRAMES)
    if voiced + state.recent >= BEGIN_PIECES:
        state.speaking = True
    elif state.unvoiced_frames >= HOLD_FRAMES:
        state.speaking = False
    state.recent = voiced
    return state.speaking
