"""Corrects the declared phone times of neural speech with an aligner of our own.

Kokoro's sounds come some 60 ms earlier than its durations say, and scatter by 30 ms, which blurs the closures that
a face motion learns from. A small network that learned sound classes from the other synthesisers, whose times are exact,
scores each 10 ms; dynamic programming then moves every boundary to where the sounds fit best, near its
declared place. The network then learns from the corrected neural speech as well and corrects it once more: it
knows the neural voices better than those it began with. Utterances that fit badly are dropped.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from engine.conventions import FRAME_SAMPLES
from engine.errors import InputError
from engine.files import output_folder
from engine.speech.features import HOPS, MEL_BANDS, FeatureState, log_mel
from engine.training.phones import CLASS_INDEX, CLASS_NAMES, CLASS_OF
from engine.training.shards import ALIGNED, find_shards, read_shard, write_shard
from engine.training.voices import Phone, Utterance

log = logging.getLogger(__name__)

HOP_S: Final = 0.01
CONTEXT: Final = 6
"""Hops that the classifier sees on either side."""

DECLARED_BIAS_S: Final = -0.06
"""Where Kokoro's boundaries lie against their declared times, before they are corrected one by one."""

REACH: Final = 12
"""Hops that a boundary may move from there, either way."""

SPREAD_HOPS: Final = 5.0
"""Standard deviation of that movement which the search expects."""

KEPT: Final = 0.93
"""Part of the utterances, the best aligned ones, that is kept."""

ROUNDS: Final = 2
"""How often the classifier is trained, and the boundaries are moved from their declared places."""

SHARDS: Final = 8
"""Shards of each synthesiser, besides its first, that the classifier learns from."""

NEURAL: Final = ("kokoro", "accented")
"""Whose times are corrected; the classifier learns from the first one."""


def align_speech(
    data: str | Path, *, epochs: int = 6, seed: int = 0, progress: Callable[[float], None] | None = None
) -> dict[str, float]:
    """Write corrected copies of the shards of ``NEURAL`` in the folder ``data`` to its folder ``aligned``.

    Returns:
        accuracy: of the classifier on the exact shards held out. shift_ms, spread_ms: median and interquartile
        range of the movement from the declared times. kept: part of the utterances that was kept.

    Raises:
        InputError: no shards, or too few with exact times.
    """
    folder = Path(data)
    every = find_shards(folder)
    exact = [path for path in every if not path.stem.startswith(NEURAL)]
    held = [path for path in exact if path.stem.endswith("0000")]
    train = [path for path in exact if 0 < int(path.stem[-4:]) <= SHARDS]
    if not held or not train:
        raise InputError(
            f"expected two shards or more of flite, espeak or festival in {folder}, to learn from where sounds begin, "
            f"got {len(exact)}: let them speak too, or make more hours"
        )
    features, classes = _hops(list(_utterances(held)))
    target = output_folder(folder / ALIGNED)
    shards = [path for name in NEURAL for path in every if path.stem.startswith(name)]
    declared = [list(read_shard(path)) for path in shards]
    aligned: list[list[tuple[float, Utterance]]] = []
    for number in range(ROUNDS):
        learned = [utterance for items in aligned[: SHARDS + 1] for _, utterance in items]
        net = train_classifier([*_utterances(train), *learned], epochs=epochs, seed=seed)
        aligned = []
        for index, utterances in enumerate(declared):
            aligned.append([(score, better) for better, score in (align(net, one) for one in utterances)])
            if progress:
                progress((number + (index + 1) / len(shards)) / ROUNDS)
    with torch.no_grad():
        accuracy = float((net(features.float()).argmax(dim=1) == classes).float().mean())
    moves = [
        b.start_s - a.start_s
        for utterances, items in zip(declared, aligned, strict=True)
        for utterance, (_, better) in zip(utterances, items, strict=True)
        for a, b in zip(utterance.phones[1:], better.phones[1:], strict=True)
    ]
    scores = [score for items in aligned for score, _ in items]
    limit = float(np.quantile(scores, 1 - KEPT)) if scores else 0.0
    for path, items in zip(shards, aligned, strict=True):
        write_shard(target / path.name, [utterance for score, utterance in items if score >= limit])
    quarter, middle, most = np.percentile(moves, [25, 50, 75]) if moves else (0.0, 0.0, 0.0)
    return {
        "accuracy": accuracy,
        "shift_ms": 1000 * float(middle),
        "spread_ms": 1000 * float(most - quarter),
        "kept": KEPT,
    }


def train_classifier(speech: Iterable[Utterance], *, epochs: int, seed: int) -> nn.Module:
    """Train the classifier of 10 ms hops: [N, (2 CONTEXT + 1) MEL_BANDS] to logits [N, classes]."""
    torch.manual_seed(seed)
    features, classes = _hops(list(speech))
    inputs, outputs = features.shape[1], len(CLASS_NAMES)
    net = nn.Sequential(
        nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 192), nn.ReLU(), nn.Linear(192, outputs)
    )
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    batch = 1024
    steps = epochs * (len(features) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + 1)
    for _ in range(epochs):
        for chosen in torch.randperm(len(features))[: len(features) // batch * batch].view(-1, batch):
            picked = features[chosen].float()
            picked = picked + 0.3 * torch.randn(len(picked), 1)  # level
            loss = functional.cross_entropy(net(picked), classes[chosen], label_smoothing=0.05)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return net.eval()


def align(net: nn.Module, utterance: Utterance) -> tuple[Utterance, float]:
    """Move the boundaries to where the classifier's scores fit best; also return the mean score of a hop."""
    with torch.no_grad():
        scores = (
            functional.log_softmax(net(_context(_mel(utterance.samples))), dim=1).numpy().astype(np.float64)
        )
    hops = len(scores)
    kinds = [CLASS_INDEX[CLASS_OF[phone.ipa]] for phone in utterance.phones]
    total = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0)])
    expected = np.array([(phone.end_s + DECLARED_BIAS_S) / HOP_S for phone in utterance.phones[:-1]])
    moves = np.arange(-REACH, REACH + 1)
    ends = np.clip(np.round(expected)[:, None] + moves, 1, hops - 1).astype(int)
    prior = -0.5 * ((ends - expected[:, None]) / SPREAD_HOPS) ** 2
    best = np.zeros(1)
    places = np.zeros(1, int)
    back: list[NDArray[np.int64]] = []
    for index, kind in enumerate(kinds):
        here = ends[index] if index < len(ends) else np.array([hops])
        gain = total[here[:, None], kind] - total[places[None, :], kind]
        gain = np.where(here[:, None] - places[None, :] >= 2, gain, gain - 20.0)
        gain = np.where(here[:, None] > places[None, :], gain, -1e6)
        score = best[None, :] + gain + (prior[index][:, None] if index < len(ends) else 0.0)
        back.append(score.argmax(axis=1))
        best, places = score.max(axis=1), here
    chosen, boundaries = 0, [hops]
    for index in range(len(kinds) - 1, 0, -1):
        chosen = int(back[index][chosen])
        boundaries.append(int(ends[index - 1][chosen]))
    times = [0.0, *(HOP_S * place for place in reversed(boundaries))]
    phones = tuple(
        Phone(phone.ipa, start, end)
        for phone, start, end in zip(utterance.phones, times[:-1], times[1:], strict=True)
    )
    return Utterance(utterance.samples, phones), float(best[0]) / hops


def _utterances(paths: Sequence[Path]) -> Iterable[Utterance]:
    for path in paths:
        yield from read_shard(path)


def _mel(samples: NDArray[np.float32]) -> torch.Tensor:
    """Hops [N, MEL_BANDS] whose windows lie around the middle of their own 10 ms, level removed."""
    whole = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
    mel = torch.from_numpy(log_mel(FeatureState(), whole)).view(-1, MEL_BANDS)
    hops = len(samples) * HOPS // FRAME_SAMPLES
    mel = torch.cat([mel[1:], mel[-1:]])[:hops]  # a window ends 7.5 ms after its middle
    return mel - torch.quantile(mel.mean(dim=1), 0.9)


def _context(mel: torch.Tensor) -> torch.Tensor:
    padded = functional.pad(mel.T[None], (CONTEXT, CONTEXT), mode="replicate")[0]
    return padded.unfold(1, 2 * CONTEXT + 1, 1).permute(1, 2, 0).flatten(1)


def _hops(speech: Sequence[Utterance]) -> tuple[torch.Tensor, torch.Tensor]:
    features, classes = [], []
    for utterance in speech:
        mel = _mel(utterance.samples)
        middles = (np.arange(len(mel)) + 0.5) * HOP_S
        starts = np.array([phone.start_s for phone in utterance.phones])
        kinds = np.array([CLASS_INDEX[CLASS_OF[phone.ipa]] for phone in utterance.phones])
        features.append(_context(mel).half())
        classes.append(torch.from_numpy(kinds[np.searchsorted(starts, middles, side="right") - 1]))
    return torch.cat(features), torch.cat(classes).long()
