"""What the face motion hears of each video frame: log-mel features, then voicing and pitch."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.speech.features import FEATURES, FeatureState, log_mel
from engine.speech.pitch import PITCH_FEATURES, PitchState, track_pitch

HEARD: Final = FEATURES + PITCH_FEATURES


@dataclass
class HearingState:
    """One stream's sound before the next frame."""

    features: FeatureState = field(default_factory=FeatureState)
    pitch: PitchState = field(default_factory=PitchState)


def hear(state: HearingState, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hear whole frames, float32 [F * 640] at 16 kHz: float32 [F, HEARD]; frame by frame gives the same bits."""
    return np.concatenate(
        [log_mel(state.features, samples), track_pitch(state.pitch, samples)], axis=1, dtype=np.float32
    )
