"""Voice activity: speech is found, silence and steady noise are not, short gaps do not end it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from engine.conventions import FRAME_SAMPLES
from engine.speech.voice_activity import HOLD_FRAMES, VoiceState, hear_voice

HELLO = Path(__file__).parents[3] / "engine" / "assets" / "speech" / "hello.wav"


def listen(sound: NDArray[np.float32]) -> list[bool]:
    state = VoiceState()
    whole = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]
    return [hear_voice(state, frame) for frame in whole.reshape(-1, FRAME_SAMPLES)]


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    wave = resample_poly(wavfile.read(HELLO)[1].astype(np.float64), 2, 3) / 32768
    return np.asarray(wave, np.float32)


def test_speech_is_found_between_silences(speech: NDArray[np.float32]) -> None:
    silence = np.zeros(25 * FRAME_SAMPLES, np.float32)
    heard = listen(np.concatenate([silence, speech, silence]))
    assert not any(heard[:25])
    assert np.mean(heard[40:150]) > 0.9
    assert not any(heard[-10:])


@pytest.mark.parametrize("dbfs", [-70, -50, -45])
def test_noise_is_no_speech(dbfs: int) -> None:
    noise = np.random.default_rng(0).normal(0, 10 ** (dbfs / 20), 250 * FRAME_SAMPLES).astype(np.float32)
    assert np.mean(listen(noise)) < 0.1


def test_speech_ends_some_frames_after_the_last_sound(speech: NDArray[np.float32]) -> None:
    heard = listen(np.concatenate([speech[8_000:24_000], np.zeros(30 * FRAME_SAMPLES, np.float32)]))
    end = max(index for index, speaking in enumerate(heard) if speaking)
    assert 2 <= end - 25 <= HOLD_FRAMES + 1
