"""How well mouths that were computed agree with reference mouths over a whole set of recordings.

All frames within speech, of all recordings, count in one correlation: so a system is rewarded for telling loud
from quiet and open from shut across recordings, not only within one.

Convention: mouths are ARKit shapes float [F, 52], one row a frame; ``within`` is bool [F], the frames that count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from engine.conventions import ARKIT_INDEX
from engine.training.evaluate.closures import NO_CLOSURES, ClosureScore, score_closures
from engine.training.evaluate.curves import MAX_LAG, correlation
from engine.training.evaluate.report import Value
from engine.training.openfacefx_curves import openfacefx_shapes
from engine.training.visemes import opening
from engine.training.voices import Phone

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]

SHUT: Final = 0.02
"""Opening, in units of jawOpen, at which lips count as shut in the picture."""

THRESHOLDS: Final = np.concatenate([[0.0], np.geomspace(0.02, 0.6, 24)])
"""Thresholds of closure that are tried, as parts of the 90th percentile of a system's own opening within speech."""


@dataclass(frozen=True, eq=False)
class Reference:
    """One recording's reference: its sounds, mouths [F, 52], visemes [F, 15] and the frames within speech."""

    phones: tuple[Phone, ...]
    shapes: Float
    visemes: Float
    within: Mask


def compare_mouths(references: Sequence[Reference], mouths: Sequence[Float]) -> dict[str, Value]:
    """Agreement of a system's mouths with the references, one entry a recording.

    Returns:
        what ``compare_shapes`` does, and
        viseme_r: mean over the reference's visemes of the correlation with the nearest mix of visemes, each frame's
        shapes fitted by non-negative least squares.
        f1, precision, recall: bilabial closures (``closures.py``) at the threshold of ``THRESHOLDS`` with the
        highest F1 over the set. f1_shut: F1 at the opening ``SHUT``.
    """
    within = [item.within for item in references]
    phones = [item.phones for item in references]
    openings = [opening(mouth) for mouth in mouths]
    closures = best_closures(openings, phones, within)
    return {
        **compare_shapes([item.shapes for item in references], mouths, within),
        "viseme_r": viseme_correlation([item.visemes for item in references], mouths, within),
        "f1": closures.f1,
        "precision": closures.precision,
        "recall": closures.recall,
        "f1_shut": total_closures(openings, phones, SHUT).f1,
    }


def compare_shapes(real: Sequence[Float], ours: Sequence[Float], within: Sequence[Mask]) -> dict[str, Value]:
    """Agreement of mouths [F, 52] with real ones, one entry a recording.

    Returns:
        jaw_r: correlation of jawOpen with the real one's. opening_r: that of the lip opening (jawOpen less
        mouthClose, and a part of the lips' own parting). width_r: that of stretch and smile less pucker and funnel.
        lag_frames, r_lag: where the jaw correlates best (positive: ours is late), and how well there.
        sd_ratio: of the jaw's standard deviations.
    """
    by_lag = {lag: pooled(real, ours, within, jaw, lag) for lag in range(-MAX_LAG, MAX_LAG + 1)}
    best = max(by_lag, key=lambda lag: (by_lag[lag], -abs(lag)))
    return {
        "jaw_r": by_lag[0],
        "opening_r": pooled(real, ours, within, opening),
        "width_r": pooled(real, ours, within, width),
        "lag_frames": best,
        "r_lag": by_lag[best],
        "sd_ratio": _sd(ours, within) / max(_sd(real, within), 1e-9),
    }


def jaw(shapes: Float) -> Float:
    """jawOpen of mouths [F, 52]."""
    return np.asarray(shapes[:, ARKIT_INDEX["jawOpen"]])


def width(shapes: Float) -> Float:
    """How wide mouths [F, 52] are: stretch and smile less pucker and funnel, both sides' mean."""
    spread = sum(
        0.5 * shapes[:, ARKIT_INDEX[f"mouth{name}{side}"]]
        for name in ("Stretch", "Smile")
        for side in ("Left", "Right")
    )
    return np.asarray(
        spread - shapes[:, ARKIT_INDEX["mouthPucker"]] - shapes[:, ARKIT_INDEX["mouthFunnel"]], np.float32
    )


def pooled(
    real: Sequence[Float],
    ours: Sequence[Float],
    within: Sequence[Mask],
    curve: Callable[[Float], Float],
    lag: int = 0,
) -> float:
    """Correlation over all recordings of real[n] with ours[n + lag], for the frames n that count."""
    xs, ys = [], []
    for reference, mouth, inside in zip(real, ours, within, strict=True):
        frames = np.flatnonzero(inside[: len(mouth)])
        frames = frames[(frames + lag >= 0) & (frames + lag < len(mouth))]
        xs.append(curve(reference)[frames])
        ys.append(curve(mouth)[frames + lag])
    return correlation(np.concatenate(xs).astype(np.float64), np.concatenate(ys).astype(np.float64))


def viseme_correlation(real: Sequence[Float], ours: Sequence[Float], within: Sequence[Mask]) -> float:
    """Mean over visemes (without silence) of the correlation between reference weights and fitted ones."""
    basis = openfacefx_shapes(np.eye(real[0].shape[1], dtype=np.float32))[1:]
    used = basis.any(axis=0)
    wanted = np.concatenate([item[inside] for item, inside in zip(real, within, strict=True)])[:, 1:]
    shapes = np.concatenate([item[inside] for item, inside in zip(ours, within, strict=True)])[:, used]
    fitted = np.array([nnls(basis[:, used].T, row)[0] for row in shapes.astype(np.float64)])
    values = [
        correlation(wanted[:, column].astype(np.float64), fitted[:, column])
        for column in range(wanted.shape[1])
        if wanted[:, column].std() > 0
    ]
    return float(np.mean(values))


def best_closures(
    openings: Sequence[Float], phones: Sequence[Sequence[Phone]], within: Sequence[Mask]
) -> ClosureScore:
    """The closures at the threshold with the highest F1 over the set; the lowest such threshold."""
    loud = np.percentile(
        np.concatenate([item[inside] for item, inside in zip(openings, within, strict=True)]), 90
    )
    scores = [total_closures(openings, phones, float(part * loud)) for part in THRESHOLDS]
    return max(scores, key=lambda score: score.f1)


def total_closures(
    openings: Sequence[Float], phones: Sequence[Sequence[Phone]], threshold: float
) -> ClosureScore:
    """The closures of all recordings at one threshold."""
    return sum(
        (score_closures(curve, sounds, threshold) for curve, sounds in zip(openings, phones, strict=True)),
        NO_CLOSURES,
    )


def _sd(mouths: Sequence[Float], within: Sequence[Mask]) -> float:
    return float(np.concatenate([jaw(m)[inside] for m, inside in zip(mouths, within, strict=True)]).std())
