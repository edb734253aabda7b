"""From the voice's melody and loudness to brows, eyes, cheeks and nose: the targets of the other face.

No captured faces are at hand, so these are rules. Brows rise with rises of the pitch (most of them do: Cavé et al.
1996), and a loud, low voice draws them together; emphasis narrows the eyes a little and a very high voice widens them;
cheeks follow spread lips and the nose follows a raised upper lip. The amounts are small: what sounds move here is the
accompaniment of speech, not an emotion.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from engine.conventions import SAMPLE_RATE
from engine.motion.channels import CHANNEL_INDEX, FACE, FACE_CHANNELS
from engine.speech.pitch import WINDOW_SAMPLES, pitch_of

RATE: Final = 100
"""Steps a second."""

RISE_FROM, RISE_TO = 1.0, 6.0
"""Semitones over the voice's middle at which brows begin to rise, and at which they are up."""
HIGH_FROM, HIGH_TO = 5.0, 11.0
"""Semitones at which the eyes begin to widen, and at which they are wide."""
LOUD_DB: Final = 9.0
"""Decibels over the voice's middle that are full emphasis."""

SMOOTH_S: Final = 0.07
"""Standard deviation of the smoothing: brows are slower than lips."""

Float = NDArray[np.float32]


def melody(samples: Float) -> Float:
    """How high and how loud a clean voice is, against its own middle: float32 [S, 2], ``RATE`` steps a second.

    Column 0: semitones over the median of the voiced steps (0 where unvoiced); column 1: decibels over the median
    level of the voiced steps, at least -40.
    """
    half, every = WINDOW_SAMPLES // 2, 2  # steps: melody is slow, and pitch costs more than all else here
    hop = every * SAMPLE_RATE // RATE
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, half), WINDOW_SAMPLES)[::hop]
    voicing, pitch = pitch_of(windows).T
    level = 10.0 * np.log10((windows**2).mean(axis=1) + 1e-9)
    voiced = voicing > 0.9
    if voiced.sum() < 10:
        level[:] = -40.0
        return np.stack([np.zeros_like(level), level], axis=1).repeat(every, axis=0)
    semitones = np.where(voiced, 12.0 * (pitch - np.median(pitch[voiced])), 0.0)
    decibels = np.maximum(level - np.median(level[voiced]), -40.0)
    return np.stack([semitones, decibels], axis=1).astype(np.float32).repeat(every, axis=0)


def face_curves(voice: Float, mouth: Float) -> Float:
    """Curves of the face's channels, float32 [S, len(FACE_CHANNELS)] in [0, 1].

    voice: ``melody`` [S, 2]. mouth: the mouth's channels, [S, >= len(MOUTH_CHANNELS)], at the same steps.
    """
    semitones, decibels = voice.T
    rise = _share(semitones, RISE_FROM, RISE_TO)
    low = _share(-semitones, 0.5, 4.0)
    emphasis = _share(decibels, 1.0, LOUD_DB)
    brow = np.clip(0.8 * rise + 0.35 * emphasis * (1.0 - low), 0.0, 1.0)
    spread = mouth[:, CHANNEL_INDEX["mouthSmileLeft"]] + 0.5 * mouth[:, CHANNEL_INDEX["mouthStretchLeft"]]
    cheek = np.clip(1.2 * spread, 0.0, 0.4)
    curves = np.zeros((len(voice), len(FACE_CHANNELS)))
    for name, value in (
        ("browInnerUp", 0.34 * brow),
        ("browOuterUpLeft", 0.26 * brow),
        ("browDownLeft", 0.22 * emphasis * low),
        ("eyeWideLeft", 0.16 * _share(semitones, HIGH_FROM, HIGH_TO)),
        ("eyeSquintLeft", 0.10 * emphasis * low + 0.5 * cheek),
        ("cheekSquintLeft", cheek),
        ("noseSneerLeft", 0.3 * mouth[:, CHANNEL_INDEX["mouthUpperUpLeft"]]),
    ):
        curves[:, CHANNEL_INDEX[name] - FACE.start] = value
    return np.asarray(gaussian_filter1d(curves, SMOOTH_S * RATE, axis=0).clip(0.0, 1.0), np.float32)


def _share(value: Float, low: float, high: float) -> Float:
    return np.asarray(((value - low) / (high - low)).clip(0.0, 1.0), np.float32)
