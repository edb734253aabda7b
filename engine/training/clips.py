"""Training clips for the face motion: features of spoiled speech and the mouth that belongs to each frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError
from engine.motion.mouth import CHANNELS
from engine.speech.features import FeatureState, log_mel
from engine.training.alignment import ALIGNED
from engine.training.augment import (
    LOUDEST_DBFS,
    NOISE_DBFS,
    NON_SPEECH_DBFS,
    QUIETEST_DBFS,
    UNDER_SPEECH_DB,
    change_speed,
    colour,
    noise,
    set_level,
)
from engine.training.non_speech import non_speech
from engine.training.shards import read_shard
from engine.training.visemes import at_frames, viseme_curves

Float = NDArray[np.float32]
Clip = tuple[Float, Float]


@dataclass(frozen=True, eq=False)
class Spoken:
    """One utterance ready for training: float32 [T] at 16 kHz and its curves [S, channels + 2] at ``RATE``."""

    samples: Float
    curves: Float


def load_speech(folder: str | Path) -> tuple[list[Spoken], list[Spoken]]:
    """Read a folder of shards: utterances to train on, and those of each synthesiser's shard 0 to validate with.

    Where ``align_speech`` has corrected a shard, the corrected one is read.

    Raises:
        InputError: the folder holds no shards.
    """
    paths = sorted(Path(folder).glob("*-[0-9][0-9][0-9][0-9].npz"))
    if not paths:
        raise InputError(
            f"expected shards of made speech in {folder}: run vividlive train synth-speech first"
        )
    train: list[Spoken] = []
    validate: list[Spoken] = []
    for path in paths:
        chosen = validate if path.stem.endswith("0000") else train
        corrected = path.parent / ALIGNED / path.name
        for item in read_shard(corrected if corrected.exists() else path):
            if len(item.samples) > SAMPLE_RATE // 2:
                chosen.append(Spoken(item.samples, viseme_curves(item.phones, item.samples)))
    return train, validate


def make_clip(rng: np.random.Generator, speech: Sequence[Spoken], frames: int, muted: float) -> Clip:
    """One random clip: features [F, FEATURES] and targets [F, channels + 2] of the very same frames.

    A part ``muted`` of the clips has no speech, only noise or other sounds, and the mouth stays shut. A quarter of
    the others has such sounds between and under the speech.
    """
    length = frames * FRAME_SAMPLES
    targets = np.zeros((frames, len(CHANNELS) + 2), np.float32)
    if rng.random() < muted:
        return log_mel(FeatureState(), np.clip(_without_speech(rng, length), -1, 1)), targets
    sound = np.zeros(length, np.float32)
    level = rng.uniform(QUIETEST_DBFS, LOUDEST_DBFS)
    frame = -int(rng.integers(0, 50)) if rng.random() < 0.7 else int(rng.integers(0, 25))
    while frame < frames:
        item = speech[int(rng.integers(len(speech)))]
        speed = float(np.exp(rng.uniform(-0.16, 0.16)))
        wave = set_level(change_speed(item.samples, speed), level + rng.uniform(-3, 3))
        offset = int(rng.integers(FRAME_SAMPLES))  # so that speech begins anywhere within a frame
        start = frame * FRAME_SAMPLES + offset
        first, last = max(start, 0), min(start + len(wave), length)
        if last > first:
            sound[first:last] += wave[first - start : last - start]
            begin, end = max(frame, 0), min(-(-(start + len(wave)) // FRAME_SAMPLES), frames)
            first_s = (begin * FRAME_SAMPLES - start) / SAMPLE_RATE * speed
            own = at_frames(item.curves, first_s, end - begin, speed)
            targets[begin:end] = np.maximum(targets[begin:end], own)
        frame += (offset + len(wave)) // FRAME_SAMPLES + 1 + int(rng.exponential(12))
    if rng.random() < 0.8:
        sound = colour(rng, sound)
    if rng.random() < 0.8:
        below_db = rng.uniform(6, 45)
        sound += noise(rng, length) * np.float32(10 ** (max(level - below_db, -85.0) / 20))
    if rng.random() < 0.25:
        below_db = rng.uniform(*UNDER_SPEECH_DB)
        sound += non_speech(rng, length) * np.float32(10 ** ((level - below_db) / 20))
    if rng.random() < 0.1:
        other = [
            set_level(speech[int(rng.integers(len(speech)))].samples, level - rng.uniform(12, 25))
            for _ in range(3)
        ]
        for wave in other:
            count = min(len(wave), length)
            sound[:count] += wave[:count]
    return log_mel(FeatureState(), np.clip(sound, -1, 1)), targets


def _without_speech(rng: np.random.Generator, samples: int) -> Float:
    """Half of the times steady noise, else sounds of a room, heard by microphone and line or made near."""
    if rng.random() < 0.5:
        return noise(rng, samples) * np.float32(10 ** (rng.uniform(*NOISE_DBFS) / 20))
    wave = non_speech(rng, samples) * np.float32(10 ** (rng.uniform(*NON_SPEECH_DBFS) / 20))
    return colour(rng, wave) if rng.random() < 0.5 else wave
