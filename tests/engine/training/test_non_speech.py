"""Sounds without speech: each kind sounds, at the right level, and sounds like what it stands for."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.conventions import SAMPLE_RATE
from engine.training.music import TABLE_SAMPLES, Timbre, music, tone
from engine.training.non_speech import KINDS, WEIGHTS, breath, non_speech, traffic, typing

SAMPLES = 2 * SAMPLE_RATE


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, number]) for number in range(count)]


def crest(wave: np.ndarray) -> float:
    """Ratio of the largest to the mean power of 10 ms pieces."""
    power = (wave[: len(wave) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return float(power.max() / power.mean())


def centre_hz(wave: np.ndarray) -> float:
    """Mean frequency of the power spectrum."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float((power * np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)).sum() / power.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_sound_of_the_wanted_length(
    kind: Callable[[np.random.Generator, int], np.ndarray],
) -> None:
    for rng in generators(6):
        wave = kind(rng, SAMPLES + 1)
        assert wave.shape == (SAMPLES + 1,) and wave.dtype == np.float32 and np.isfinite(wave).all()
    assert any(kind(rng, SAMPLES).any() for rng in generators(3))


def test_mixtures_have_unit_level_and_depend_on_the_generator_alone() -> None:
    waves = [non_speech(rng, SAMPLES) for rng in generators(6)]
    for wave, rng in zip(waves, generators(6), strict=True):
        assert np.sqrt(np.mean(wave.astype(float) ** 2)) == pytest.approx(1.0, rel=1e-3)
        assert np.array_equal(non_speech(rng, SAMPLES), wave)
    assert len({float(wave[SAMPLES // 2]) for wave in waves}) == len(waves)
    assert sum(WEIGHTS) == pytest.approx(1.0) and len(WEIGHTS) == len(KINDS)


def test_typing_clicks_and_breath_flows() -> None:
    clicks = np.median([crest(typing(rng, SAMPLES)) for rng in generators(9)])
    flows = np.median([crest(breath(rng, SAMPLES)) for rng in generators(9)])
    assert clicks > 3 * flows


def test_traffic_is_low() -> None:
    assert np.median([centre_hz(traffic(rng, SAMPLES)) for rng in generators(9)]) < 500


def test_a_tone_has_the_harmonics_of_its_pitch() -> None:
    hertz = 250.0
    wave = tone(np.random.default_rng(1), Timbre(rolloff=1.0, attack_s=0.001), hertz, SAMPLE_RATE)[
        :SAMPLE_RATE
    ]
    level = np.abs(np.fft.rfft(wave * np.hanning(SAMPLE_RATE)))  # one bin a hertz
    peaks = level[[250, 500, 750, 1000]]
    np.testing.assert_allclose(peaks / peaks[0], [1, 1 / 2, 1 / 3, 1 / 4], rtol=0.02)
    assert level[[375, 625, 875]].max() < 1e-3 * peaks[0]  # a table of 4096 steps
    assert TABLE_SAMPLES == 4096


def test_music_is_made_of_notes() -> None:
    """The power of many pieces gathers in narrow lines: a noise of the same length has none."""

    def narrow(wave: np.ndarray) -> float:
        power = np.sort(np.abs(np.fft.rfft(wave)) ** 2)
        return float(power[-len(power) // 50 :].sum() / power.sum())

    noise = np.random.default_rng(0).standard_normal(SAMPLES)
    assert np.median([narrow(music(rng, SAMPLES)) for rng in generators(9)]) > 0.6 > 3 * narrow(noise)
