"""Made music of random style for shots with a shut mouth: chords, melody, bass and drums on made instruments."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.conventions import SAMPLE_RATE
from engine.training.augment import Wave

TABLE_SAMPLES: Final = 4096
HIGHEST_HZ: Final = 7600.0

SCALES: Final = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 2, 4, 7, 9),
    (0, 3, 5, 7, 10),
)
"""Major, natural and harmonic minor, Dorian, major and minor pentatonic: semitones above the key note."""


@dataclass(frozen=True)
class Timbre:
    """An instrument.

    Harmonic k has amplitude ``k ** -rolloff``, even ones times ``even``, and what ``formants`` (Hz) add. With
    ``decay_s`` a note dies away, high harmonics first; without, it lasts as long as it is held. ``partials`` are
    copies of the note at other pitches: slightly detuned for a section, inharmonic for a bell.
    """

    rolloff: float
    attack_s: float
    decay_s: float | None = None
    even: float = 1.0
    vibrato: float = 0.0
    partials: tuple[float, ...] = (1.0,)
    formants: tuple[float, ...] = ()


def timbre(rng: np.random.Generator) -> Timbre:
    """A random instrument: plucked, struck, blown, bowed, an organ, a bell, a synthesiser's pad or a choir's."""
    kind = int(rng.integers(8))
    cents = 1 + rng.uniform(0.001, 0.006)
    if kind == 0:  # guitar, harp
        return Timbre(rng.uniform(0.7, 1.4), 0.003, rng.uniform(0.2, 0.9))
    if kind == 1:  # piano
        return Timbre(rng.uniform(1.2, 2.0), 0.005, rng.uniform(0.4, 1.8), partials=(1.0, cents))
    if kind == 2:  # wind
        even = rng.uniform(0.1, 1.0)
        return Timbre(rng.uniform(1.3, 2.5), rng.uniform(0.03, 0.09), even=even, vibrato=0.004)
    if kind == 3:  # strings
        section = (1.0, cents, 1 / cents)
        return Timbre(rng.uniform(0.8, 1.3), rng.uniform(0.05, 0.3), vibrato=0.006, partials=section)
    if kind == 4:  # organ
        return Timbre(rng.uniform(0.6, 1.6), 0.01, even=rng.uniform(0.2, 1.0), partials=(1.0, 2.0))
    if kind == 5:  # bell, vibraphone
        ratios = (1.0, rng.uniform(2.5, 3.0), rng.uniform(5.0, 5.6))
        return Timbre(3.0, 0.002, rng.uniform(0.3, 1.5), partials=ratios)
    section = (1.0, cents, 1 / cents)
    if kind == 6:  # pad
        return Timbre(rng.uniform(0.6, 1.8), rng.uniform(0.2, 0.6), partials=section)
    vowel = (rng.uniform(300, 800), rng.uniform(800, 2200), rng.uniform(2400, 3000))
    return Timbre(1.2, rng.uniform(0.15, 0.4), vibrato=0.005, partials=section, formants=vowel)


def music(rng: np.random.Generator, samples: int) -> Wave:
    """Music that begins anywhere in a bar: float32 [samples], not normalised."""
    wave = np.zeros(samples, np.float32)
    beat = SAMPLE_RATE * 60.0 / rng.uniform(60, 170)
    scale = SCALES[int(rng.integers(len(SCALES)))]
    key = int(rng.integers(45, 57))
    start = -rng.uniform(0, 4) * beat
    layers = [name for name in ("chords", "melody", "bass", "drums") if rng.random() < 0.6]
    layers = layers or [str(rng.choice(["chords", "melody", "drums"]))]
    if "chords" in layers or "bass" in layers:
        bars = int((samples - start) / (4 * beat)) + 1
        roots = rng.integers(0, len(scale), bars)
        if "chords" in layers:
            _chords(rng, wave, start, beat, [[key, *_pitches(scale, key, root)] for root in roots])
        if "bass" in layers:
            _line(
                rng, wave, start, beat, [_degree(scale, key - 12, root) for root in roots for _ in range(4)]
            )
    if "melody" in layers:
        count = int((samples - start) / beat) + 1
        walk = np.cumsum(rng.integers(-2, 3, 4 * count)) % (2 * len(scale))
        octave = 12 * int(rng.integers(0, 3))
        speed = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
        pitches = [_degree(scale, key + octave, step) for step in walk[: int(count / speed)]]
        _line(rng, wave, start, beat * speed, pitches)
    if "drums" in layers:
        _drums(rng, wave, start, beat / 4)
    return wave


def place(wave: Wave, sound: Wave, start: int, gain: float = 1.0) -> None:
    """Add ``sound`` to ``wave`` at ``start``, which may lie before it; what sticks out is cut."""
    first, last = max(start, 0), min(start + len(sound), len(wave))
    if last > first:
        wave[first:last] += np.float32(gain) * sound[first - start : last - start]


def _pitches(scale: tuple[int, ...], key: int, root: int) -> list[int]:
    return [_degree(scale, key, int(root) + step) for step in (0, 2, 4)]


def _degree(scale: tuple[int, ...], key: int, step: int) -> int:
    """MIDI number of a step of the scale."""
    octave, index = divmod(int(step), len(scale))
    return key + 12 * octave + scale[index]


def _chords(rng: np.random.Generator, wave: Wave, start: float, beat: float, chords: list[list[int]]) -> None:
    """One chord a bar, held, or struck on some of its beats."""
    own, struck, level = timbre(rng), int(rng.choice([1, 1, 2, 4])), rng.uniform(0.3, 1.0)
    for bar, pitches in enumerate(chords):
        for pitch in pitches[1:]:
            note = tone(rng, own, _hertz(pitch + 12 * int(rng.integers(0, 2))), 4 * beat / struck)
            for stroke in range(struck):
                place(wave, note, int(start + (4 * bar + 4 * stroke / struck) * beat), level)


def _line(rng: np.random.Generator, wave: Wave, start: float, step: float, pitches: list[int]) -> None:
    """One note after another, some of them held for two steps, some left out."""
    own, level, rests = timbre(rng), rng.uniform(0.4, 1.2), rng.uniform(0, 0.4)
    for index, pitch in enumerate(pitches):
        if rng.random() >= rests:
            held = step * (2 if rng.random() < 0.2 else rng.uniform(0.6, 1.0))
            place(wave, tone(rng, own, _hertz(pitch), held), int(start + index * step), level)


def _drums(rng: np.random.Generator, wave: Wave, start: float, step: float) -> None:
    """A pattern of sixteen steps for a drum kit, repeated with random strength: bass drum, snare, hi-hat, tom, cymbal."""
    time = np.arange(int(0.6 * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    hiss = rng.standard_normal(len(time)).astype(np.float32)
    bright = np.diff(hiss, prepend=hiss[:1])

    def fading(slowest: float, fastest: float) -> Wave:
        return np.exp(-time * np.float32(np.exp(rng.uniform(np.log(slowest), np.log(fastest)))))

    def sweep(low_hz: float, high_hz: float) -> Wave:
        course = rng.uniform(low_hz, high_hz) * time - rng.uniform(0.5, 4) * np.exp(
            -time * rng.uniform(20, 50)
        )
        return np.asarray(np.sin(2 * np.pi * course), np.float32)

    kit = (
        (sweep(40, 70) * fading(8, 25), 2.0, (0, 8), 0.15),
        (hiss * fading(8, 40) + rng.uniform(0, 1.5) * sweep(150, 260) * fading(10, 30), 0.7, (4, 12), 0.1),
        (bright * fading(6, 90), 0.3, range(0, 16, int(rng.choice([1, 2, 2, 4]))), 0.3),
        (sweep(80, 320) * fading(5, 20), 0.8, (), rng.uniform(0, 0.4)),
        ((bright + 0.3 * hiss) * fading(2, 6), rng.uniform(0.1, 0.4), (0,), 0.02),
    )
    steps = int((len(wave) - start) / step) + 1
    for sound, gain, usual, extra in kit:
        pattern = [number in usual or rng.random() < extra for number in range(16)]
        if rng.random() < 0.8:
            for number in range(steps):
                if pattern[number % 16]:
                    place(wave, sound, int(start + number * step), gain * rng.uniform(0.5, 1.0))


def tone(rng: np.random.Generator, own: Timbre, hertz: float, samples: float) -> Wave:
    """One note, held for ``samples`` and then let go: float32, at most 0.15 s longer."""
    held = max(int(samples), 1)
    length = held + int(0.15 * SAMPLE_RATE)
    time = np.arange(length, dtype=np.float32) / np.float32(SAMPLE_RATE)
    envelope = np.minimum(time / np.float32(own.attack_s), 1.0)
    envelope[held:] *= np.linspace(1, 0, length - held, dtype=np.float32)
    cycles = np.arange(length) * (hertz / SAMPLE_RATE)
    if own.vibrato:
        rate = rng.uniform(4.5, 6.5)
        cycles += own.vibrato * hertz / rate / 6.28 * np.sin(6.28 * rate * time + rng.uniform(0, 6.28))
    wave = np.zeros(length, np.float32)
    for number, ratio in enumerate(own.partials):
        index = (cycles * (ratio * TABLE_SAMPLES)).astype(np.int64) & (TABLE_SAMPLES - 1)
        strength = np.float32(1.0 if own.decay_s is None else 0.6**number)
        if own.decay_s is None:
            wave += strength * _table(rng, own, hertz * ratio, 0.0)[index]
            continue
        fall = np.exp(time * np.float32(-(1 + number) / own.decay_s))
        wave += strength * fall * _table(rng, own, hertz * ratio, 1.0)[index]
        wave += strength * fall**3 * _table(rng, own, hertz * ratio, 0.0)[index]
    return np.asarray(wave * envelope * np.float32(rng.uniform(0.5, 1.0)), np.float32)


def _table(rng: np.random.Generator, own: Timbre, hertz: float, dull: float) -> Wave:
    """One period of an instrument's sound with random phases: float32 [TABLE_SAMPLES], root mean square 1."""
    harmonic = np.arange(1, min(max(int(HIGHEST_HZ / hertz), 1), 80) + 1)
    level = harmonic.astype(float) ** -(own.rolloff + dull) * np.where(harmonic % 2 == 0, own.even, 1.0)
    if own.formants:
        near = [
            np.exp(-(((harmonic * hertz - centre) / (0.12 * centre + 60)) ** 2)) for centre in own.formants
        ]
        level = level * (0.03 + sum(near))
    spectrum = np.zeros(TABLE_SAMPLES // 2 + 1, np.complex64)
    spectrum[1 : len(level) + 1] = level * np.exp(6.28j * rng.random(len(level)))
    wave = np.fft.irfft(spectrum)
    return np.asarray(wave / (np.sqrt((wave**2).mean()) + 1e-12), np.float32)


def _hertz(midi: float) -> float:
    return float(440.0 * 2 ** ((midi - 69) / 12))
