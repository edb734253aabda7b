"""Pitch of made voices: the right height, voiced or not, alike however the sound is cut."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.speech.features import FEATURES
from engine.speech.hearing import HEARD, HearingState, hear
from engine.speech.pitch import MIDDLE_HZ, PitchState, track_pitch


def voice(hertz: float, seconds: float = 0.6) -> NDArray[np.float32]:
    """A buzz with falling harmonics."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = range(1, int(3000 / hertz) + 1)
    return np.sum([0.1 / k * np.sin(2 * np.pi * hertz * k * time) for k in harmonics], axis=0).astype(
        np.float32
    )


@pytest.mark.parametrize("hertz", [75, 110, 163, 220, 310, 380])
def test_a_buzz_has_its_pitch(hertz: float) -> None:
    voicing, octaves = track_pitch(PitchState(), voice(hertz))[5]
    assert voicing == pytest.approx(1.0)
    assert MIDDLE_HZ * 2**octaves == pytest.approx(hertz, rel=0.02)


def test_noise_silence_and_a_loud_hiss_over_a_buzz_are_less_voiced() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 40 * FRAME_SAMPLES).astype(np.float32)
    assert track_pitch(PitchState(), noise)[2:, 0].mean() < 0.1
    assert not track_pitch(PitchState(), np.zeros(3 * FRAME_SAMPLES, np.float32)).any()
    buzz = voice(150)[: 14 * FRAME_SAMPLES]
    hissed = track_pitch(PitchState(), buzz + 3 * noise[: len(buzz)])
    assert hissed[2:, 0].mean() < 0.6


def test_frames_are_heard_alike_however_they_come() -> None:
    sound = (voice(140) + np.random.default_rng(1).normal(0, 0.02, len(voice(140)))).astype(np.float32)
    frames = sound[: 14 * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    whole = hear(HearingState(), frames.ravel())
    state = HearingState()
    pieces = np.concatenate([hear(state, frame) for frame in frames])
    assert whole.shape == (14, HEARD) and whole.dtype == np.float32
    np.testing.assert_allclose(pieces, whole, atol=1e-5)  # FFTs of one and of many windows


def test_levels_and_microphones_are_counted_out() -> None:
    rng = np.random.default_rng(2)
    sound = np.tile(voice(130, 0.3), 8) * np.repeat(rng.uniform(0.2, 1.0, 24), 1600)[: 8 * 4800]
    sound = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].astype(np.float32)
    sound += rng.normal(0, 0.003, len(sound)).astype(np.float32)
    loud, quiet = hear(HearingState(), sound), hear(HearingState(), 0.2 * sound)
    apart = np.abs(loud - quiet)[30:]
    assert apart[:, :FEATURES].mean() < 0.1  # 0.54 without; the first guess is not forgotten at once
    assert apart[:, -1].mean() > 0.3  # how loud it is stays known


def test_noise_does_not_become_the_measure() -> None:
    state = HearingState()
    before = state.mean.copy()
    hear(state, np.random.default_rng(3).normal(0, 0.1, 50 * FRAME_SAMPLES).astype(np.float32))
    assert np.abs(state.mean - before).max() < 0.15


def test_a_silenced_ear_keeps_the_voice_and_forgets_the_sound() -> None:
    state, fresh = HearingState(), HearingState()
    sound = voice(120)[: 14 * FRAME_SAMPLES]
    hear(state, sound)
    after, anew = (hear(ear, np.zeros(FRAME_SAMPLES, np.float32)) for ear in (state.silenced(), fresh))
    assert after[0, -1] == anew[0, -1]  # as loud as silence
    assert not np.allclose(after[0, :FEATURES], anew[0, :FEATURES], atol=0.05)
