"""The aligner moves late boundaries back to where the sounds are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError
from engine.training.alignment import ALIGNED, align_speech
from engine.training.phones import PAUSE
from engine.training.shards import read_shard, write_shard
from engine.training.voices import Phone, Utterance

HERTZ = {"ɑ": 700.0, "i": 2500.0, "s": 5500.0, PAUSE: 0.0}


def utterance(rng: np.random.Generator) -> Utterance:
    """Each sound is a tone of its own."""
    phones, pieces, start = [], [], 0.0
    for sound in (PAUSE, *rng.permutation(["ɑ", "i", "s", "ɑ", "s", "i"]), PAUSE):
        count = int(rng.integers(1300, 3200))
        tone = np.sin(2 * np.pi * HERTZ[str(sound)] * np.arange(count) / SAMPLE_RATE)
        pieces.append(0.2 * tone + rng.normal(0, 0.002, count))
        phones.append(Phone(str(sound), start, start + count / SAMPLE_RATE))
        start += count / SAMPLE_RATE
    return Utterance(np.concatenate(pieces).astype(np.float32), tuple(phones))


def late(item: Utterance, rng: np.random.Generator) -> Utterance:
    """The same sound with boundaries declared 60 ms late, and 15 ms of scatter."""
    times = [phone.end_s + 0.06 + rng.normal(0, 0.015) for phone in item.phones[:-1]]
    times = [0.0, *times, item.phones[-1].end_s]
    spans = zip(item.phones, times[:-1], times[1:], strict=True)
    return Utterance(item.samples, tuple(Phone(phone.ipa, start, end) for phone, start, end in spans))


def starts(items: list[Utterance]) -> NDArray[np.float64]:
    return np.array([phone.start_s for item in items for phone in item.phones[1:]])


def test_boundaries_move_to_where_the_sounds_are(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for number in range(2):
        write_shard(tmp_path / f"flite-{number:04d}.npz", [utterance(rng) for _ in range(30)])
    true = [utterance(rng) for _ in range(20)]
    declared = [late(item, rng) for item in true]
    write_shard(tmp_path / "kokoro-0000.npz", declared)
    report = align_speech(tmp_path, epochs=12)
    assert report["accuracy"] > 0.8
    assert report["shift_ms"] == pytest.approx(-60, abs=10)
    aligned = list(read_shard(tmp_path / ALIGNED / "kokoro-0000.npz"))
    kept = [true[index] for index in _matches(aligned, true)]
    assert len(aligned) >= 18
    off = starts(aligned) - starts(kept)
    assert np.abs(off).mean() < 0.012  # hops of 10 ms, windows of 25 ms
    assert abs(np.median(off)) < 0.006
    assert all(
        a.ipa == b.ipa
        for one, other in zip(aligned, kept, strict=True)
        for a, b in zip(one.phones, other.phones, strict=True)
    )


def _matches(items: list[Utterance], pool: list[Utterance]) -> list[int]:
    return [
        next(k for k, other in enumerate(pool) if len(other.samples) == len(item.samples)) for item in items
    ]


def test_speech_whose_times_nothing_tells_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_shard(tmp_path / "kokoro-0000.npz", [utterance(rng)])
    for count in range(2):  # of shards with exact times
        with pytest.raises(InputError, match=rf"expected two shards or more of flite, .*, got {count}"):
            align_speech(tmp_path)
        write_shard(tmp_path / f"flite-{count:04d}.npz", [utterance(rng)])
    assert len(list(tmp_path.iterdir())) == 3
