"""Made sounds of a room in which nobody speaks: breath, typing, music, machines, weather, applause.

The mouth must stay shut for all of them. No coughs and no singing with words: these open a mouth.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from engine.conventions import SAMPLE_RATE
from engine.training.augment import Wave
from engine.training.music import music, place, timbre, tone

Float = NDArray[np.floating[Any]]


def non_speech(rng: np.random.Generator, samples: int) -> Wave:
    """One kind of sound, or two at once: float32 [samples] at 16 kHz, root mean square 1."""
    wave = np.zeros(samples, np.float32)
    while not wave.any():  # a short clip can fall between two knocks
        for _ in range(2 if rng.random() < 0.3 else 1):
            kind = KINDS[int(rng.choice(len(KINDS), p=WEIGHTS))]
            sound = kind(rng, samples)
            wave += sound * np.float32(10 ** (rng.uniform(-10, 0) / 20) / (_rms(sound) + 1e-9))
    return wave / np.float32(_rms(wave))


def breath(rng: np.random.Generator, samples: int) -> Wave:
    """Breathing in and out through nose or mouth, quiet or after sport: noise with a rise and fall of its own."""
    nasal = rng.random() < 0.5
    contours = np.zeros((2, samples), np.float32)
    seconds = rng.uniform(0.4, 2.0)
    at = -rng.uniform(0, 2 * seconds)
    number = int(rng.integers(2))
    while at < samples / SAMPLE_RATE:
        length = seconds * rng.uniform(0.6, 1.4)
        time = np.linspace(0, 1, max(int(length * SAMPLE_RATE), 2), dtype=np.float32)
        skew = rng.uniform(0.5, 2.0)
        contour = np.maximum(np.sin(np.pi * time**skew), 0.0) ** 1.5
        place(contours[number], contour, int(at * SAMPLE_RATE), rng.uniform(0.3, 1))
        at += length + (rng.exponential(0.15) if number == 0 else rng.exponential(0.5 * seconds))
        number = 1 - number
    wave = np.zeros(samples, np.float32)
    for contour in contours:
        lowest = rng.uniform(200, 500) if nasal else rng.uniform(400, 900)
        centres = lowest * np.cumprod([1.0, *rng.uniform(1.7, 3.0, 3)])
        wave += contour * _hiss(rng, samples, centres, 0.35, rng.uniform(-1.0, -0.2))
    return wave


def typing(rng: np.random.Generator, samples: int) -> Wave:
    """Bursts on one keyboard, each key going down and up, or clicks of a mouse."""
    wave = np.zeros(samples, np.float32)
    mouse = rng.random() < 0.2
    low, decay_s = rng.uniform(150, 1500), rng.uniform(0.002, 0.015)
    keys = [_strike(rng, low, 6500, decay_s, rng.uniform(0.2, 2.0)) for _ in range(3 if mouse else 8)]
    pace_s = rng.uniform(0.09, 0.3) * (4 if mouse else 1)
    at, up = rng.uniform(-0.3, 0.3), rng.uniform(0.1, 0.8)
    while at < samples / SAMPLE_RATE:
        down, back = rng.integers(len(keys), size=2)
        start, strength = int(at * SAMPLE_RATE), 10 ** rng.uniform(-0.4, 0)
        place(wave, keys[down], start, strength)
        place(wave, keys[back], start + int(rng.uniform(0.05, 0.13) * SAMPLE_RATE), up * strength)
        at += pace_s * rng.lognormal(0, 0.4) + (rng.exponential(0.8) if rng.random() < 0.08 else 0.0)
    return wave


def knocks(rng: np.random.Generator, samples: int) -> Wave:
    """Knocks, steps, things put on a table, doors."""
    wave = np.zeros(samples, np.float32)
    low, decay_s = rng.uniform(60, 400), rng.uniform(0.01, 0.08)
    pace_s, at = rng.uniform(0.15, 0.7), rng.uniform(-0.5, 0.5)
    while at < samples / SAMPLE_RATE:
        sound = _strike(rng, low, low * rng.uniform(3, 12), decay_s, rng.uniform(0, 0.5))
        place(wave, sound, int(at * SAMPLE_RATE), 10 ** rng.uniform(-0.5, 0))
        at += pace_s * rng.uniform(0.8, 1.2) + (rng.exponential(1.0) if rng.random() < 0.25 else 0.0)
    return wave


def machine(rng: np.random.Generator, samples: int) -> Wave:
    """A fan, hum, vacuum cleaner or drill: harmonics of a speed that wanders, and a noise that beats with it."""
    time = np.arange(samples) / SAMPLE_RATE
    hertz = rng.choice([50.0, 60.0, 100.0, 120.0]) if rng.random() < 0.4 else rng.uniform(20, 350)
    wander = rng.uniform(0, 0.02) * np.sin(2 * np.pi * rng.uniform(0.05, 0.8) * time + rng.uniform(0, 6))
    phase = 2 * np.pi * hertz * time * (1 + wander)
    centres = rng.uniform(150, 3000, 3)
    hiss = _hiss(rng, samples, centres, rng.uniform(0.1, 0.6), rng.uniform(-1.2, 0))
    hiss *= (1 + rng.uniform(0, 0.5) * np.sin(phase * rng.choice([0.1, 0.25, 0.5]))).astype(np.float32)
    overtones = rng.integers(1, 20, 5)
    hum = np.sin(np.outer(overtones, phase).astype(np.float32)).T @ (rng.random(5) / overtones**0.5)
    return np.asarray(hiss / _rms(hiss) + rng.uniform(0, 2) * hum, np.float32)


def traffic(rng: np.random.Generator, samples: int) -> Wave:
    """Low noise that swells and goes as things pass: traffic, wind in a microphone, thunder, waves."""
    centres = rng.uniform(60, 1200, 2)
    return _hiss(rng, samples, centres, 0.5, rng.uniform(-1.5, -0.6)) * _swell(rng, samples, 0.2, 0.9)


def rustle(rng: np.random.Generator, samples: int) -> Wave:
    """Paper, cloth, bags: bright noise in quick irregular strokes."""
    wave = _hiss(rng, samples, rng.uniform(1000, 7000, 3), 0.4, rng.uniform(-0.5, 0.3))
    return wave * _swell(rng, samples, 6.0, 1.0) * _swell(rng, samples, 60.0, 0.7)


def drops(rng: np.random.Generator, samples: int) -> Wave:
    """Very many short strikes: applause, rain, frying, gravel."""
    wave = np.zeros(samples, np.float32)
    low, decay_s = rng.uniform(300, 2500), rng.uniform(0.001, 0.012)
    for _ in range(4):
        count = rng.poisson(samples / SAMPLE_RATE * np.exp(rng.uniform(np.log(5), np.log(300))))
        hits = np.zeros(samples, np.float32)
        hits[rng.integers(0, samples, count)] = rng.exponential(1.0, count)
        kernel = _strike(rng, low, 7000, decay_s, rng.uniform(0.5, 3))
        size = fft.next_fast_len(samples + len(kernel), real=True)
        wave += fft.irfft(fft.rfft(hits, size) * fft.rfft(kernel, size), size)[:samples]
    return wave


def signals(rng: np.random.Generator, samples: int) -> Wave:
    """Rings, beeps, notifications, whistles and birds: single tones, often gliding, in repeated groups."""
    wave = np.zeros(samples, np.float32)
    length = int(rng.uniform(0.04, 0.6) * SAMPLE_RATE)
    group: list[Wave] = []
    own, gliding = timbre(rng), rng.random() < 0.5
    for _ in range(int(rng.integers(1, 4))):
        hertz = float(np.exp(rng.uniform(np.log(350), np.log(5000))))
        if gliding:
            course = hertz * np.exp(rng.uniform(-0.6, 0.6) * np.linspace(0, 1, length))
            group.append(np.sin(2 * np.pi * np.cumsum(course) / SAMPLE_RATE).astype(np.float32))
            group[-1] *= np.hanning(length).astype(np.float32)
        else:
            group.append(tone(rng, own, hertz, length))
    step, pause = length * rng.uniform(0.8, 1.5), rng.uniform(0.1, 1.5) * SAMPLE_RATE
    at = rng.uniform(-1, 1) * pause
    while at < samples:
        for sound in group:
            place(wave, sound, int(at))
            at += step
        at += pause * rng.uniform(0.8, 1.2)
    return wave


def _strike(rng: np.random.Generator, low: float, high: float, decay_s: float, noisy: float) -> Wave:
    """The sound of one hit: five resonances between ``low`` and ``high`` Hz and noise that dies with them."""
    time = np.arange(int(8 * decay_s * SAMPLE_RATE) + 32, dtype=np.float32) / SAMPLE_RATE
    hertz = np.exp(rng.uniform(np.log(low), np.log(max(high, 1.1 * low)), (5, 1)))
    rates = (rng.uniform(0.5, 3.0, (5, 1)) / decay_s).astype(np.float32)
    ringing = np.sin(2 * np.pi * hertz.astype(np.float32) * time) * np.exp(-rates * time)
    hiss = rng.standard_normal(len(time)).astype(np.float32) * np.exp(-2 * time / np.float32(decay_s))
    return np.asarray(rng.random(5) @ ringing + noisy * hiss, np.float32)


def _hiss(rng: np.random.Generator, samples: int, centres: Float, width: float, slope: float) -> Wave:
    """Noise with peaks at ``centres`` Hz, each ``width`` of its frequency wide, over ``frequency ** slope``."""
    size = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal(size, np.float32))
    points = np.geomspace(20, 8000, 200)
    gain = (points / 500) ** slope * (
        0.15
        + sum(rng.uniform(0.3, 1) * np.exp(-((np.log(points / centre) / width) ** 2)) for centre in centres)
    )
    frequency = np.arange(len(spectrum)) * (SAMPLE_RATE / size)
    shaped = spectrum * np.interp(frequency, points, gain).astype(np.float32)
    return np.asarray(fft.irfft(shaped, size)[:samples], np.float32)


def _swell(rng: np.random.Generator, samples: int, hertz: float, depth: float) -> Wave:
    """A random positive contour that changes about ``hertz`` times a second, typically by a factor of e^``depth``."""
    count = int(samples / SAMPLE_RATE * hertz * 2) + 4
    points = np.exp(depth * rng.standard_normal(count))
    at = np.arange(samples) * (hertz * 2 / SAMPLE_RATE) + rng.random()
    return np.asarray(np.interp(at, np.arange(count), points), np.float32)


def _rms(wave: Float) -> float:
    return float(np.sqrt(np.mean(np.square(wave))))


KINDS: Final[tuple[Callable[[np.random.Generator, int], Wave], ...]] = (
    breath, typing, music, knocks, machine, traffic, rustle, drops, signals,
)  # fmt: skip
WEIGHTS: Final = (0.16, 0.14, 0.3, 0.06, 0.08, 0.06, 0.06, 0.07, 0.07)
"""How often each kind is drawn: breath, typing and music are what a speaker's microphone hears most."""
