"""Keeps the frames of glasses stiff: they are part of the skin, so behind them only the lids and eyes may move."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from engine.avatar.contact import ContactPair
from engine.avatar.easing import smooth_step
from engine.conventions import ARKIT_NAMES

Array = NDArray[np.float64]

# Lengths in eye widths.
TOP: Final = 0.7
BOTTOM: Final = 0.9
"""Frames reach from so far above the line through the eyes to so far below it."""
FADE: Final = 0.3
LIDS: Final = (0.2, 0.4)
"""So near to the eye's opening lids move freely; from the second on nothing does."""

_LID_SHAPES: Final = [name.startswith("eye") for name in ARKIT_NAMES]


def stiffen(neutral: Array, deltas: Array, pairs: Mapping[str, ContactPair]) -> Array:
    """The blendshapes ([52, V, 3] pixels) of a face ([V, 3] pixels) with glasses; pairs: as from ``contact_pairs``."""
    lines = [neutral[line] for side in ("left", "right") for line in (pairs[side].upper, pairs[side].lower)]
    width = float(np.mean([np.linalg.norm((line[-1] - line[0])[:2]) for line in lines]))
    ends = np.array([line[[0, -1], :2] for line in lines]).reshape(-1, 2)
    middle, right = ends.mean(axis=0), ends[ends[:, 0].argmax()] - ends[ends[:, 0].argmin()]
    down = np.array([-right[1], right[0]]) / np.linalg.norm(right)
    below = (neutral[:, :2] - middle) @ down / width
    framed = smooth_step((below + TOP + FADE) / FADE) * smooth_step((BOTTOM + FADE - below) / FADE)
    places = np.linspace(0, 1, 5)
    outline = np.concatenate(
        [(upper + t * (lower - upper))[:, :2] for upper, lower in _facing(lines) for t in places]
    )
    distance = cKDTree(outline).query(neutral[:, :2])[0] / width
    lids = 1.0 - smooth_step((distance - LIDS[0]) / (LIDS[1] - LIDS[0]))
    free = np.where(np.array(_LID_SHAPES)[:, None], np.maximum(1.0 - framed, lids), 1.0 - framed)
    return np.asarray(deltas * free[..., None])


def _facing(lines: list[Array]) -> list[tuple[Array, Array]]:
    """Upper and lower line of each eye with as many points each."""
    places = np.linspace(0, 1, 25)

    def even(line: Array) -> Array:
        steps = np.linspace(0, 1, len(line))
        return np.stack([np.interp(places, steps, line[:, k]) for k in range(3)], axis=1)

    return [(even(lines[k]), even(lines[k + 1])) for k in (0, 2)]
