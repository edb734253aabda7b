"""Spoils clean made speech the way rooms, microphones and telephones do, without moving it in time."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE

Wave = NDArray[np.float32]

QUIETEST_DBFS: Final = -36.0
LOUDEST_DBFS: Final = -12.0
"""Range of the level of speech, root mean square of its loud parts."""

NOISE_DBFS: Final = (-80.0, -20.0)
"""Range of the level of noise without speech."""

NON_SPEECH_DBFS: Final = (-60.0, -20.0)
"""Range of the level of other sounds without speech: the features hear nothing under -60 dBFS."""

UNDER_SPEECH_DB: Final = (5.0, 25.0)
"""How far such sounds lie below the speech that they disturb."""


def change_speed(wave: Wave, speed: float) -> Wave:
    """Play float32 [T] ``speed`` times as fast; pitch and formants move along."""
    played = np.interp(np.arange(0, len(wave) - 1, speed), np.arange(len(wave)), wave)
    return np.asarray(played, np.float32)


def set_level(wave: Wave, dbfs: float) -> Wave:
    """Scale so that the loud parts (95th percentile of 20 ms powers) have the given level."""
    power = (wave[: len(wave) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1)
    loud = float(np.percentile(power, 95)) if len(power) else 0.0
    return wave if loud < 1e-9 else wave * np.float32(10 ** (dbfs / 20) / np.sqrt(loud))


def noise(rng: np.random.Generator, samples: int) -> Wave:
    """Steady noise with a random smooth spectrum, sometimes with mains hum; root mean square 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples).astype(np.float32))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    slope = rng.uniform(-1.0, 0.2)  # white is 0, pink -0.5, brown -1
    shape = np.maximum(frequency, 40.0) ** slope * _smooth_gain(rng, frequency, 6.0)
    wave = np.fft.irfft(spectrum * shape, samples)
    wave /= np.sqrt((wave**2).mean()) + 1e-12
    if rng.random() < 0.2:
        time = np.arange(samples) / SAMPLE_RATE
        mains = rng.choice([50.0, 60.0])
        wave += sum(rng.uniform(0, 0.8) * np.sin(2 * np.pi * mains * k * time) for k in (1, 2, 3, 5))
        wave /= np.sqrt((wave**2).mean())
    return wave.astype(np.float32)


def colour(rng: np.random.Generator, wave: Wave) -> Wave:
    """A random room, microphone and line: reverberation, equalisation, sometimes a telephone's band."""
    length = len(wave)
    padded = length + SAMPLE_RATE // 2
    spectrum = np.fft.rfft(wave, padded)
    frequency = np.fft.rfftfreq(padded, 1 / SAMPLE_RATE)
    if rng.random() < 0.5:
        spectrum *= np.fft.rfft(room_response(rng), padded)
    if rng.random() < 0.7:
        spectrum *= _smooth_gain(rng, frequency, 8.0)
    if rng.random() < 0.15:
        low, high = rng.uniform(150, 400), rng.uniform(3000, 4500)
        spectrum *= 1 / (1 + (low / np.maximum(frequency, 1.0)) ** 6) / (1 + (frequency / high) ** 12)
    return np.fft.irfft(spectrum, padded)[:length].astype(np.float32)


def room_response(rng: np.random.Generator) -> Wave:
    """A made impulse response whose direct path is its first sample: float32 [T], T <= 0.5 s."""
    decay_s = rng.uniform(0.1, 0.5)
    time = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * np.exp(-6.9 * time / decay_s)
    tail[: int(rng.uniform(0.001, 0.008) * SAMPLE_RATE)] = 0.0
    ratio = 10 ** (-rng.uniform(0, 15) / 20)
    tail *= ratio / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1.0
    return tail.astype(np.float32)


def _smooth_gain(
    rng: np.random.Generator, frequency: NDArray[np.floating[Any]], decibels: float
) -> NDArray[np.float64]:
    """A random gain curve through six points between 60 Hz and 8 kHz."""
    points = np.geomspace(60, 8000, 6)
    gains = rng.uniform(-decibels, decibels, 6)
    return np.asarray(10 ** (np.interp(np.log(np.maximum(frequency, 1.0)), np.log(points), gains) / 20))
