"""Melody and what the face makes of it."""

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from engine.motion.channels import CHANNEL_INDEX, FACE, OUTPUTS
from engine.training.prosody import RATE, face_curves, melody


def glide(hertz: NDArray[np.float64]) -> NDArray[np.float32]:
    """A buzz whose pitch follows a curve with one value a sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    return np.sum([0.1 / k * np.sin(k * phase) for k in range(1, 12)], axis=0).astype(np.float32)


def test_melody_is_counted_from_the_voice_s_own_middle() -> None:
    hertz = np.full(2 * SAMPLE_RATE, 120.0)
    hertz[SAMPLE_RATE : SAMPLE_RATE + 6400] *= 2 ** (5 / 12)
    voice = melody(glide(hertz))
    assert voice.shape[1] == 2 and abs(len(voice) - 2 * RATE) <= 2
    assert abs(np.median(voice[20:90, 0])) < 0.1
    assert abs(np.median(voice[110:130, 0]) - 5.0) < 0.3
    assert abs(np.median(voice[20:180, 1])) < 1.0


def test_silence_has_no_melody() -> None:
    voice = melody(np.zeros(SAMPLE_RATE, np.float32))
    assert not voice[:, 0].any() and (voice[:, 1] == -40.0).all()


def test_brows_rise_with_the_pitch_and_fall_with_a_loud_low_voice() -> None:
    voice = np.zeros((300, 2), np.float32)
    voice[100:150, 0] = 6.0
    voice[200:250] = (-5.0, 9.0)
    face = face_curves(voice, np.zeros((300, OUTPUTS), np.float32))

    def column(name: str) -> NDArray[np.float32]:
        return face[:, CHANNEL_INDEX[name] - FACE.start]

    assert column("browInnerUp")[125] > 0.2 > 5 * column("browInnerUp")[50]
    assert column("browDownLeft")[225] > 0.15 > 5 * column("browDownLeft")[125]
    assert face.min() >= 0.0 and face.max() <= 1.0
    assert np.abs(np.diff(face, axis=0)).max() < 0.03  # brows are slow


def test_cheeks_follow_spread_lips() -> None:
    mouth = np.zeros((100, OUTPUTS), np.float32)
    mouth[50:, CHANNEL_INDEX["mouthSmileLeft"]] = 0.2
    face = face_curves(np.zeros((100, 2), np.float32), mouth)
    cheek = face[:, CHANNEL_INDEX["cheekSquintLeft"] - FACE.start]
    assert cheek[10] < 0.01 < 0.15 < cheek[90]
