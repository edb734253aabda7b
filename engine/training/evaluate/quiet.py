"""What a microphone hears when nobody speaks, to measure mouths that should stay shut.

Simple sounds that share nothing with those of training, or recordings from a folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError
from engine.speech.audio_file import load_audio

Float = NDArray[np.float64]
Kind = Literal["quiet", "music"]

SOUND_DBFS: Final = -30.0
"""Level of recordings, breath, keyboard, music and fan, root mean square."""

SOUND_ENDINGS: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a"})
LONGEST_S: Final = 60
"""How much of a recording is heard."""


@dataclass(frozen=True, eq=False)
class QuietSound:
    """A sound without speech: float32 [T] at 16 kHz. Music may move a mouth a little more than the rest."""

    name: str
    kind: Kind
    samples: NDArray[np.float32]


def quiet_sounds(seconds: float, recordings: Path | None = None) -> list[QuietSound]:
    """Zeros and white noise at -50 and -40 dBFS, then the recordings of a folder at -30 dBFS.

    A recording is named like its file and counts as music where that name begins with "music". Without a folder:
    made breath, keyboard, fan and music at -30 dBFS.

    Raises:
        InputError: the folder does not exist or holds no sounds, or a recording is silent.
    """
    count = round(seconds * SAMPLE_RATE)
    rng = np.random.default_rng(0)
    sounds = [QuietSound("zeros", "quiet", np.zeros(count, np.float32))]
    for dbfs in (-50.0, -40.0):
        sounds.append(QuietSound(f"noise {dbfs:g} dBFS", "quiet", at_level(rng.standard_normal(count), dbfs)))
    if recordings is not None:
        return sounds + [_recording(path) for path in _files(recordings)]
    made: tuple[tuple[str, Kind, Float], ...] = (
        ("breath", "quiet", _breath(rng, count)),
        ("keyboard", "quiet", _keyboard(rng, count)),
        ("fan", "quiet", _fan(rng, count)),
        ("music", "music", _music(rng, count)),
    )
    return sounds + [QuietSound(name, kind, at_level(wave, SOUND_DBFS)) for name, kind, wave in made]


def at_level(wave: NDArray[np.floating], dbfs: float) -> NDArray[np.float32]:
    """The wave at a root mean square level, its peaks cut at full scale: float32, like ``wave``."""
    level = np.sqrt(np.mean(np.square(wave, dtype=np.float64)))
    return np.asarray(np.clip(wave * (10.0 ** (dbfs / 20.0) / level), -1.0, 1.0), np.float32)


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SOUND_ENDINGS)
    if not files:
        raise InputError(f"expected a folder of recordings without speech, found no sounds in {folder}")
    return files


def _recording(path: Path) -> QuietSound:
    wave = load_audio(path).analysis[: LONGEST_S * SAMPLE_RATE]
    if not wave.any():
        raise InputError(f"expected a recording with sound, but {path} is silent")
    kind: Kind = "music" if path.stem.lower().startswith("music") else "quiet"
    return QuietSound(path.stem, kind, at_level(wave, SOUND_DBFS))


def _band(wave: Float, low_hz: float, high_hz: float, order: int = 2) -> Float:
    filters = signal.butter(order, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(signal.sosfilt(filters, wave), np.float64)


def _breath(rng: np.random.Generator, count: int) -> Float:
    """In through the nose for 1.2 s, out through the mouth for 1.6 s, every four seconds."""
    noise = rng.standard_normal(count)
    phase = np.arange(count) / SAMPLE_RATE % 4.0
    inward = np.where(phase < 1.2, np.sin(np.pi * phase / 1.2), 0.0) ** 2
    outward = np.where((phase > 1.5) & (phase < 3.1), np.sin(np.pi * (phase - 1.5) / 1.6), 0.0) ** 2
    return inward * _band(noise, 1500, 6000) + outward * _band(noise, 350, 2500)


def _keyboard(rng: np.random.Generator, count: int) -> Float:
    """A key every 180 ms or so: a thud and a click as it goes down, a smaller click as it comes up."""
    hits = np.zeros(count)
    for press in np.cumsum(rng.gamma(6.0, 0.03, int(count / SAMPLE_RATE * 8) + 8)):
        for delay_s, strength in ((0.0, 1.0), (0.09, 0.4)):
            place = int((press + delay_s) * SAMPLE_RATE)
            hits[place : place + 80] = strength * rng.uniform(0.5, 1.0)  # 5 ms, nothing past the end
    noise = hits * rng.standard_normal(count)
    return _band(noise, 1800, 6500) + 2.0 * _band(noise, 120, 400)


def _fan(rng: np.random.Generator, count: int) -> Float:
    """Blades that pass 87 times a second in rushing air."""
    time = np.arange(count) / SAMPLE_RATE
    hum = signal.sawtooth(2 * np.pi * 87.0 * time, 0.5)
    return np.asarray(
        _band(rng.standard_normal(count), 80, 1200, 1) * (1 + 0.2 * hum) + 0.1 * hum, np.float64
    )


def _music(rng: np.random.Generator, count: int) -> Float:
    """Four chords of sawtooth waves, a melody by frequency modulation, and a rattle on each beat, at 100 a minute."""
    time = np.arange(count) / SAMPLE_RATE
    beat = (time / 0.6).astype(int)
    since = time - 0.6 * beat
    chords = np.array([(0, 4, 7), (-5, -1, 2), (-3, 0, 4), (-7, -3, 0)])[beat // 4 % 4]
    chord = sum(
        signal.sawtooth(2 * np.pi * 196.0 * 2 ** (chords[:, voice] / 12) * time) for voice in range(3)
    )
    notes = rng.choice([0, 2, 4, 7, 9, 12], beat[-1] + 1)[beat] if count else time
    turns = 2 * np.pi * 392.0 * 2 ** (notes / 12) * time
    melody = np.sin(turns + 3.0 * np.exp(-4.0 * since) * np.sin(2 * turns)) * np.exp(-3.0 * since)
    rattle = rng.standard_normal(count) * np.exp(-30.0 * since)
    return np.asarray(_band(chord, 100, 2500, 1) + 2.0 * melody + 0.5 * rattle, np.float64)
