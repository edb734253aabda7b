"""Prosody: level and pitch are relative to the speaker, and onsets are seen where they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.motion.prosody import PROSODY, ProsodyState, hear_prosody
from engine.speech.hearing import HearingState, hear

VOICE, LEVEL, RISE, FLUX, VOWEL_FLUX, VOICING, PITCH, CHANGE = range(PROSODY)


def prosody(sound: NDArray[np.float64], voice: bool = True) -> NDArray[np.float32]:
    hearing, state = HearingState(), ProsodyState()
    frames = sound.astype(np.float32).reshape(-1, FRAME_SAMPLES)
    return np.array([hear_prosody(state, frame, hear(hearing, frame)[0], voice) for frame in frames])


def buzz(hz: float, frames: int, level: float = 0.1) -> NDArray[np.float64]:
    """A voice-like tone with eight harmonics."""
    time = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE
    return level * np.sum([np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 9)], axis=0)


def test_level_and_pitch_are_relative_to_the_speaker() -> None:
    loud, quiet = prosody(buzz(120, 200, 0.3)), prosody(buzz(120, 200, 0.03))
    high = prosody(buzz(240, 200, 0.3))
    assert loud[-1, LEVEL] == pytest.approx(quiet[-1, LEVEL], abs=0.05) == pytest.approx(0.0, abs=0.05)
    assert loud[-1, PITCH] == pytest.approx(high[-1, PITCH], abs=0.05) == pytest.approx(0.0, abs=0.05)


def test_a_rising_pitch_is_seen_in_quarters_of_an_octave() -> None:
    rows = prosody(np.concatenate([buzz(150, 200), buzz(150 * 2**0.25, 3)]))
    assert rows[-1, PITCH] == pytest.approx(1.0, abs=0.15)
    assert rows[200:, CHANGE].sum() == pytest.approx(1.0, abs=0.15)


def test_pitch_fades_where_there_is_none() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * FRAME_SAMPLES)
    rows = prosody(np.concatenate([buzz(150, 200), buzz(250, 2), noise]))
    assert rows[201, PITCH] > 1.0 and abs(rows[-1, PITCH]) < 0.4
    assert np.all(rows[-10:, VOICING] < 0.5)


def test_an_onset_is_a_rise_and_flux() -> None:
    rows = prosody(np.concatenate([np.zeros(10 * FRAME_SAMPLES), buzz(120, 10)]))
    for column in (RISE, FLUX, VOWEL_FLUX):
        assert np.argmax(rows[:, column]) in (10, 11)
        assert rows[10:12, column].max() > 3 * np.abs(rows[14:, column]).max()


def test_no_voice_no_pitch_and_everything_stays_bounded() -> None:
    rng = np.random.default_rng(1)
    sound = np.concatenate(
        [np.zeros(6400), 1e-4 * rng.standard_normal(6400), buzz(120, 10, 0.5), np.ones(6400)]
    )
    rows = prosody(sound, voice=False)
    assert not rows[:, [VOICE, VOICING, PITCH]].any()
    assert np.all(np.isfinite(rows)) and np.abs(prosody(sound)).max() < 8.0
