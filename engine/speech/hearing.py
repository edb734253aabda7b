"""What the face motion hears of each video frame: log-mel features, voicing and pitch, and how loud it is.

The features are counted from the mean of the voiced frames heard so far, band by band: voices, microphones and levels
differ there, and sounds do not (cepstral mean normalisation, made causal). Noise has no voice, so it does not become
the measure; how loud the frame was before stays known.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.speech.features import FEATURES, HOPS, MEL_BANDS, FeatureState, log_mel
from engine.speech.pitch import PITCH_FEATURES, PitchState, track_pitch

HEARD: Final = FEATURES + PITCH_FEATURES + 1

PRIOR_FRAMES: Final = 6.0
"""Voiced frames that the first guess of the mean counts as."""
LONGEST_FRAMES: Final = 100.0
"""Voiced frames over which the mean is taken, at most: 4 s."""

TYPICAL_VOICE: Final = np.interp(
    np.arange(MEL_BANDS), [0, 5, 12, 30, 39], [0.85, 0.75, 0.0, -0.25, -0.5]
).astype(np.float32)
"""The first guess: voiced frames of made speech at middle levels."""


@dataclass
class HearingState:
    """One stream's sound before the next frame, and the mean of its voiced frames, float32 [MEL_BANDS]."""

    features: FeatureState = field(default_factory=FeatureState)
    pitch: PitchState = field(default_factory=PitchState)
    mean: NDArray[np.float32] = field(default_factory=TYPICAL_VOICE.copy)
    voiced_frames: float = PRIOR_FRAMES

    def silenced(self) -> "HearingState":
        """The same ear, used to the same voice, after silence."""
        return HearingState(mean=self.mean, voiced_frames=self.voiced_frames)


def hear(state: HearingState, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hear whole frames, float32 [F * 640] at 16 kHz: float32 [F, HEARD]; frame by frame gives the same bits."""
    mel, pitch = log_mel(state.features, samples), track_pitch(state.pitch, samples)
    heard = np.empty((len(mel), HEARD), np.float32)
    heard[:, FEATURES:-1] = pitch
    heard[:, -1] = mel.mean(axis=1)
    for frame, hops, voicing in zip(
        heard, mel.reshape(-1, HOPS, MEL_BANDS), pitch[:, 0].tolist(), strict=True
    ):
        if voicing > 0.0:
            state.voiced_frames = min(state.voiced_frames + voicing, LONGEST_FRAMES)
            state.mean += np.float32(voicing / state.voiced_frames) * (hops.mean(axis=0) - state.mean)
        frame[:FEATURES] = (hops - state.mean).ravel()
    return heard
