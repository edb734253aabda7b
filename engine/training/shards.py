"""Files of made speech: many utterances and their phones in one ``.npz``.

``samples`` (int16 [N], all utterances joined, 16 kHz), ``lengths`` (samples of each utterance), and of every phone
``ipa``, ``start_s``, ``end_s`` (from the start of its utterance) and ``utterance`` (its number in the file).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from engine.errors import InputError
from engine.training.arrays import read_arrays, write_arrays
from engine.training.phones import CLASS_OF
from engine.training.voices import Phone, Utterance

ALIGNED: Final = "aligned"
"""Folder beside the shards that those with corrected times go to."""

NAMES: Final = ("samples", "lengths", "utterance", "ipa", "start_s", "end_s")


def find_shards(folder: str | Path) -> list[Path]:
    """Shards of made speech as they were spoken, by name.

    Raises:
        InputError: the folder holds none.
    """
    paths = sorted(Path(folder).glob("*-[0-9][0-9][0-9][0-9].npz"))
    if not paths:
        raise InputError(
            f"expected shards of made speech in {folder}: run vividlive train synth-speech first"
        )
    return paths


def corrected(shard: Path) -> Path:
    """The shard with the times that ``align_speech`` has corrected, or itself where there are none."""
    aligned = shard.parent / ALIGNED / shard.name
    return aligned if aligned.exists() else shard


def write_shard(path: Path, utterances: list[Utterance]) -> None:
    """Write one shard; it appears under its name only when it is whole."""
    phones = [(index, phone) for index, item in enumerate(utterances) for phone in item.phones]
    write_arrays(
        path,
        samples=np.concatenate([(np.clip(u.samples, -1, 1) * 32767).astype(np.int16) for u in utterances]),
        lengths=np.array([len(u.samples) for u in utterances], np.int64),
        utterance=np.array([index for index, _ in phones], np.int32),
        ipa=np.array([phone.ipa for _, phone in phones]),
        start_s=np.array([phone.start_s for _, phone in phones]),
        end_s=np.array([phone.end_s for _, phone in phones]),
    )


def read_shard(path: Path) -> Iterator[Utterance]:
    """Yield the utterances of one shard.

    Raises:
        InputError: it cannot be read, or holds sounds that this version does not know.
    """
    arrays = read_arrays(path, NAMES)
    if unknown := sorted(set(arrays["ipa"].tolist()) - set(CLASS_OF)):
        raise InputError(
            f"expected the sounds of this version in {path}, got {', '.join(map(repr, unknown))}: make it again"
        )
    ends = np.cumsum(arrays["lengths"])
    for index, (end, length) in enumerate(zip(ends, arrays["lengths"], strict=True)):
        own = arrays["utterance"] == index
        times = zip(arrays["ipa"][own], arrays["start_s"][own], arrays["end_s"][own], strict=True)
        samples = np.asarray(arrays["samples"][end - length : end].astype(np.float32) / 32767, np.float32)
        yield Utterance(
            samples, tuple(Phone(str(ipa), float(start), float(stop)) for ipa, start, stop in times)
        )
