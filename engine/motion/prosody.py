"""What a head moves to in speech, frame by frame: how loud, how sudden, how voiced, and where the pitch goes.

Levels and pitch are relative to the speaker's own running means, so that a quiet microphone or a deep voice do not
matter.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES
from engine.speech.features import FEATURES, HOPS, MEL_BANDS

PROSODY: Final = 8
"""Values a frame: voice, level, its rise, flux, flux of the vowels' bands, voicing, pitch and its change."""

LEVEL: Final = 1
PITCH: Final = 6
"""Where two of them lie."""

VOICED: Final = 0.6
"""Voicing from which a frame has a pitch."""

FADE: Final = 0.9
"""Part of the last pitch that is left after each frame without one."""

MEAN_RATE: Final = 0.03
"""Part of a frame that the speaker's mean level and pitch move by."""

_VOWEL: Final = slice(3, 18)  # mel bands from about 250 to 1600 Hz


@dataclass
class ProsodyState:
    """One stream's ear. bands: the frame's hops, with the one before them first. level_db, octave: running means."""

    bands: NDArray[np.float32] = field(default_factory=lambda: np.zeros((HOPS + 1, MEL_BANDS), np.float32))
    level_db: float = -30.0
    last_level: float = -3.0
    octave: float = 0.0
    last_pitch: float = 0.0


def hear_prosody(
    state: ProsodyState, samples: NDArray[np.float32], heard: NDArray[np.float32], voice: bool
) -> NDArray[np.float32]:
    """Take one frame: samples [640], what ``engine.speech.hearing`` makes of them, whether a voice is in them.

    Returns:
        float32 [PROSODY], each roughly in [-3, 3]: levels in tens of decibels, pitch in quarters of an octave.
    """
    state.bands[0] = state.bands[-1]
    state.bands[1:] = heard[:FEATURES].reshape(HOPS, MEL_BANDS)
    flux = np.maximum(state.bands[1:] - state.bands[:-1], 0.0).mean(axis=0)
    level_db = 10.0 * math.log10(float(samples @ samples) / FRAME_SAMPLES + 1e-9)
    if voice and level_db > state.level_db - 20.0:
        state.level_db += MEAN_RATE * (level_db - state.level_db)
    level = min(max((level_db - state.level_db) / 10.0, -3.0), 2.0)
    rise, state.last_level = level - state.last_level, level
    voicing = float(heard[FEATURES]) if voice else 0.0
    pitch = _pitch(state, float(heard[FEATURES + 1]), voicing)
    change, state.last_pitch = pitch - state.last_pitch, pitch
    all_flux, vowel_flux = 4.0 * float(flux.mean()), 4.0 * float(flux[_VOWEL].mean())
    return np.array([voice, level, rise, all_flux, vowel_flux, voicing, pitch, change], np.float32)


def _pitch(state: ProsodyState, octaves: float, voicing: float) -> float:
    """The pitch against the speaker's mean; where there is none the last one fades."""
    if voicing < VOICED:
        return FADE * state.last_pitch
    octave = octaves / voicing
    state.octave += MEAN_RATE * (octave - state.octave)
    return min(max(4.0 * (octave - state.octave), -3.0), 3.0)
