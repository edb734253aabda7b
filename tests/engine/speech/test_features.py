"""Log-mel features: against a plain definition, streamed, and robust at the edges."""

import numpy as np

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.speech.features import (
    FEATURES,
    FLOOR,
    HOP_SAMPLES,
    HOPS,
    MEL_BANDS,
    WINDOW_SAMPLES,
    FeatureState,
    log_mel,
)


def test_frame_by_frame_gives_the_values_of_the_whole() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 20 * FRAME_SAMPLES).astype(np.float32)
    whole = log_mel(FeatureState(), sound)
    state = FeatureState()
    pieces = [log_mel(state, frame) for frame in sound.reshape(-1, FRAME_SAMPLES)]
    assert whole.shape == (20, FEATURES) and whole.dtype == np.float32
    assert np.allclose(np.concatenate(pieces), whole, atol=1e-5)  # sums in another order


def test_silence_is_the_floor() -> None:
    features = log_mel(FeatureState(), np.zeros(3 * FRAME_SAMPLES, np.float32))
    assert np.allclose(features, (np.log(FLOOR) + 10.0) / 6.0)


def test_white_noise_has_its_power_in_every_band() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 200 * FRAME_SAMPLES).astype(np.float32)
    bands = log_mel(FeatureState(), sound)[1:].reshape(-1, MEL_BANDS)
    power = np.exp(bands * 6.0 - 10.0).mean(axis=0)
    assert np.allclose(power, 0.01, rtol=0.1)


def test_a_tone_lights_the_band_around_it() -> None:
    time = np.arange(10 * FRAME_SAMPLES) / SAMPLE_RATE
    peaks = [
        int(
            log_mel(FeatureState(), (0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32))[
                5, :MEL_BANDS
            ].argmax()
        )
        for hz in (200, 500, 1000, 2000, 4000, 7000)
    ]
    assert peaks == sorted(set(peaks))
    mels = [2595 * np.log10(1 + hz / 700) for hz in (60, 1000, 7600)]
    assert abs(peaks[2] + 1 - (mels[1] - mels[0]) / (mels[2] - mels[0]) * (MEL_BANDS + 1)) <= 1


def test_a_window_hears_nothing_after_its_hop() -> None:
    sound = np.zeros(4 * FRAME_SAMPLES, np.float32)
    click = 2 * FRAME_SAMPLES + HOP_SAMPLES + 80  # within the second hop of frame 2
    sound[click] = 1.0
    hops = log_mel(FeatureState(), sound).reshape(-1, MEL_BANDS).max(axis=1)
    lit = np.flatnonzero(hops > hops.min() + 1e-6)
    first = 2 * HOPS + 1
    assert list(lit) == list(range(first, first + -(-WINDOW_SAMPLES // HOP_SAMPLES)))[: len(lit)]
    assert len(lit) >= 2
