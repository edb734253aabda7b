"""Files of made speech: many utterances and their phones in one ``.npz``.

``samples`` (int16 [N], all utterances joined, 16 kHz), ``lengths`` (samples of each utterance), and of every phone
``ipa``, ``start_s``, ``end_s`` (from the start of its utterance) and ``utterance`` (its number in the file).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.files import replaced
from engine.training.voices import Phone, Utterance


def write_shard(path: Path, utterances: list[Utterance]) -> None:
    """Write one shard; it appears under its name only when it is whole."""
    phones = [(index, phone) for index, item in enumerate(utterances) for phone in item.phones]
    with replaced(path) as part, part.open("wb") as file:
        np.savez(
            file,
            samples=np.concatenate(
                [(np.clip(u.samples, -1, 1) * 32767).astype(np.int16) for u in utterances]
            ),
            lengths=np.array([len(u.samples) for u in utterances], np.int64),
            utterance=np.array([index for index, _ in phones], np.int32),
            ipa=np.array([phone.ipa for _, phone in phones]),
            start_s=np.array([phone.start_s for _, phone in phones]),
            end_s=np.array([phone.end_s for _, phone in phones]),
        )


def read_shard(path: Path) -> Iterator[Utterance]:
    """Yield the utterances of one shard."""
    with np.load(path) as shard:
        arrays = {name: shard[name] for name in shard.files}
    ends = np.cumsum(arrays["lengths"])
    for index, (end, length) in enumerate(zip(ends, arrays["lengths"], strict=True)):
        own = arrays["utterance"] == index
        times = zip(arrays["ipa"][own], arrays["start_s"][own], arrays["end_s"][own], strict=True)
        samples = arrays["samples"][end - length : end].astype(np.float32) / 32767
        yield Utterance(
            samples, tuple(Phone(str(ipa), float(start), float(stop)) for ipa, start, stop in times)
        )
