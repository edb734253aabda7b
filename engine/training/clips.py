"""Training clips for the face motion: spoiled speech as it is heard, and the motion that belongs to each frame."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError
from engine.motion.channels import OUTPUTS
from engine.motion.manner import Manner
from engine.speech.hearing import HearingState, hear
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
from engine.training.openfacefx_curves import openfacefx_jaw
from engine.training.phones import CLASS_INDEX, CLASS_OF, PAUSE
from engine.training.prosody import RATE, melody
from engine.training.shards import corrected, find_shards, read_shard
from engine.training.visemes import at_frames, sounds_at, viseme_curves
from engine.training.voices import Phone

Float = NDArray[np.float32]

MIDDLE_MANNER: Final = 0.3
MANNER_SPREAD: Final = 0.5
"""Part of the clips in the middle manner, and standard deviation of the manners of the others."""

HEARD_OFTEN: Final = {"kokoro": 2.0, "accented": 2.5}
"""How often a synthesiser is picked for a clip, 1 for the others."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """One utterance ready for training: float32 [T] at 16 kHz, its sounds, ``melody`` and ``openfacefx_jaw``."""

    samples: Float
    phones: tuple[Phone, ...]
    voice: Float
    jaw: Float


class Speech:
    """Utterances of several synthesisers, of which the natural one is heard more often than its share."""

    def __init__(self, by_synthesiser: Mapping[str, Sequence[Spoken]]) -> None:
        self._groups = [(name, list(items)) for name, items in by_synthesiser.items() if items]
        weights = np.array([HEARD_OFTEN.get(name, 1.0) for name, _ in self._groups])
        self._below = np.cumsum(weights) / max(weights.sum(), 1e-9)

    def __len__(self) -> int:
        return sum(len(items) for _, items in self._groups)

    def pick(self, rng: np.random.Generator) -> Spoken:
        """One utterance at random."""
        group = int(np.searchsorted(self._below, rng.random(), side="right"))
        items = self._groups[min(group, len(self._groups) - 1)][1]
        return items[int(rng.integers(len(items)))]


@dataclass(frozen=True, eq=False)
class Clip:
    """What is heard and what belongs to it.

    heard: float32 [F, HEARD]. motion: float32 [F, OUTPUTS], the targets. sounds: int64 [F, 2], the class of the sound
    in the middle of each half of the frame. manner: float32 [MANNERS].
    """

    heard: Float
    motion: Float
    sounds: NDArray[np.int64]
    manner: Float


def load_speech(folder: str | Path) -> tuple[Speech, Speech]:
    """Read a folder of shards: utterances to train on, and those of each synthesiser's shard 0 to validate with.

    Where ``align_speech`` has corrected a shard, the corrected one is read.

    Raises:
        InputError: the folder holds no shards, one that cannot be read, or nothing to train on or to validate with.
    """
    train: dict[str, list[Spoken]] = {}
    validate: dict[str, list[Spoken]] = {}
    for path in find_shards(folder):
        part = validate if path.stem.endswith("0000") else train
        chosen = part.setdefault(path.stem[:-5], [])
        for item in read_shard(corrected(path)):
            if len(item.samples) > SAMPLE_RATE // 2:
                steps = len(item.samples) * RATE // SAMPLE_RATE + 1
                jaw = openfacefx_jaw(item.phones, steps)
                chosen.append(Spoken(item.samples, item.phones, melody(item.samples), jaw))
    if not any(train.values()) or not any(validate.values()):
        raise InputError(
            f"expected speech in {folder} to train on beside each synthesiser's shard 0000, which is validated with: make "
            "more hours with vividlive train synth-speech"
        )
    return Speech(train), Speech(validate)


def make_clip(rng: np.random.Generator, speech: Speech, frames: int, muted: float) -> Clip:
    """One random clip of speech in one manner.

    A part ``muted`` of the clips has no speech, only noise or other sounds, and the mouth stays shut. A quarter of
    the others has such sounds between and under the speech.
    """
    length = frames * FRAME_SAMPLES
    motion = np.zeros((frames, OUTPUTS), np.float32)
    sounds = np.full((frames, 2), CLASS_INDEX[CLASS_OF[PAUSE]])
    manner = _manner(rng)
    if rng.random() < muted:
        sound = np.clip(_without_speech(rng, length), -1, 1)
        return Clip(hear(HearingState(), sound), motion, sounds, manner.vector())
    sound = np.zeros(length, np.float32)
    level = rng.uniform(QUIETEST_DBFS, LOUDEST_DBFS)
    frame = -int(rng.integers(0, 50)) if rng.random() < 0.7 else int(rng.integers(0, 25))
    while frame < frames:
        item = speech.pick(rng)
        speed = float(np.exp(rng.uniform(-0.16, 0.16)))
        wave = set_level(change_speed(item.samples, speed), level + rng.uniform(-3, 3))
        offset = int(rng.integers(FRAME_SAMPLES))  # so that speech begins anywhere within a frame
        start = frame * FRAME_SAMPLES + offset
        first, last = max(start, 0), min(start + len(wave), length)
        if last > first:
            sound[first:last] += wave[first - start : last - start]
            begin, end = max(frame, 0), min(-(-(start + len(wave)) // FRAME_SAMPLES), frames)
            first_s = (begin * FRAME_SAMPLES - start) / SAMPLE_RATE * speed
            curves = viseme_curves(item.phones, item.samples, manner, voice=item.voice, jaw=item.jaw)
            own = at_frames(curves, first_s, end - begin, speed)
            motion[begin:end] = np.maximum(motion[begin:end], own)
            sounds[begin:end] = sounds_at(item.phones, first_s, end - begin, speed)
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
        other = [set_level(speech.pick(rng).samples, level - rng.uniform(12, 25)) for _ in range(3)]
        for wave in other:
            count = min(len(wave), length)
            sound[:count] += wave[:count]
    return Clip(hear(HearingState(), np.clip(sound, -1, 1)), motion, sounds, manner.vector())


class Clips:
    """Numbered clips: the same for the same seed and number, whichever process makes them.

    The last ``memory`` of them are kept. ``prepare`` lets ``workers`` other processes make clips ahead of their use;
    without workers they are made when they are asked for.
    """

    def __init__(
        self, speech: Speech, seed: int, frames: int, muted: float, memory: int, workers: int = 0
    ) -> None:
        self._make = partial(_numbered, speech, seed, frames, muted)
        self._kept: dict[int, Clip | Future[Clip]] = {}
        self._memory = memory
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            context = multiprocessing.get_context("fork")  # the speech is shared, not copied
            self._pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(self._make,))

    def prepare(self, numbers: Iterable[int]) -> None:
        """Have clips made that will be asked for soon."""
        for number in numbers:
            if self._pool and number not in self._kept:
                self._kept[number] = self._pool.submit(_work, number)

    def __getitem__(self, number: int) -> Clip:
        clip = self._kept.get(number)
        clip = self._make(number) if clip is None else clip.result() if isinstance(clip, Future) else clip
        self._kept[number] = clip
        while len(self._kept) > self._memory:
            del self._kept[next(iter(self._kept))]
        return clip

    def close(self) -> None:
        """End the workers; those of a process that is killed end by themselves."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


_worker: Callable[[int], Clip]


def _begin(make: Callable[[int], Clip]) -> None:
    global _worker
    _worker = make
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(number: int) -> Clip:
    return _worker(number)


def _numbered(speech: Speech, seed: int, frames: int, muted: float, number: int) -> Clip:
    return make_clip(np.random.default_rng([seed, 2, number]), speech, frames, muted)


def _manner(rng: np.random.Generator) -> Manner:
    if rng.random() < MIDDLE_MANNER:
        return Manner()
    articulation, jaw = (MANNER_SPREAD * rng.standard_normal(2)).clip(-1, 1).tolist()
    return Manner(articulation, jaw)


def _without_speech(rng: np.random.Generator, samples: int) -> Float:
    """Half of the times steady noise, else sounds of a room, heard by microphone and line or made near."""
    if rng.random() < 0.5:
        return noise(rng, samples) * np.float32(10 ** (rng.uniform(*NOISE_DBFS) / 20))
    wave = non_speech(rng, samples) * np.float32(10 ** (rng.uniform(*NON_SPEECH_DBFS) / 20))
    return colour(rng, wave) if rng.random() < 0.5 else wave
