"""Adjusts the blendshapes to one face, so that on it too the lids meet and shut lips stay shut."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.contact import ContactPair
from engine.avatar.neutral import UPPER_LIP_SHARE
from engine.conventions import ARKIT_INDEX

Array = NDArray[np.float64]

UPPER_LID_SHARE: Final = 0.86
LID_OVERLAP: Final = 0.006
"""How far the lids overlap when shut, over the distance of the outer eye corners."""

FUNNEL_GAP: Final = 0.85
FUNNEL_ROUNDNESS: Final = 1.6
"""On thin lips a plain funnel opens to a diamond: it is made rounder and, as it gains width, less high."""

SHUT_MOUTH_UNITS: Final = tuple(
    (f"mouth{kind}Left", f"mouth{kind}Right") for kind in ("Smile", "Frown", "Dimple", "Stretch", "Press")
) + tuple(
    (name,)
    for name in (
        "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
        "mouthLeft", "mouthRight", "jawLeft", "jawRight", "jawForward", "cheekPuff",
    )
)  # fmt: skip
"""Movements that leave shut lips shut; both sides of one are adjusted together and share the change."""


GLASSES_DAMPING: Final = 0.35
"""Behind glasses the brows move by this share of what they do: the frames are part of the skin and would bend."""
BEHIND_GLASSES: Final = ("brow", "eyeWide", "eyeSquint", "cheekSquint")


def calibrate(
    neutral: Array,
    deltas: Array,
    pairs: Mapping[str, ContactPair],
    inter_ocular: float,
    overlap_px: float,
    flags: frozenset[str] = frozenset(),
) -> Array:
    """The calibrated deltas, [52, V, 3].

    neutral: [V, 3] pixels, lips shut; deltas: [52, V, 3] pixels;
    overlap_px: of shut lips; flags: what the photo shows, as in ``FittedHead``.
    """
    deltas = deltas.copy()
    if "glasses" in flags:
        damped = [k for name, k in ARKIT_INDEX.items() if name.startswith(BEHIND_GLASSES)]
        deltas[damped] *= GLASSES_DAMPING
    lips = pairs["lips"]
    for group in SHUT_MOUTH_UNITS:
        indices = [ARKIT_INDEX[name] for name in group]
        change = lips.close(neutral + deltas[indices].sum(axis=0), overlap_px, UPPER_LIP_SHARE)
        deltas[indices] += change / len(indices)
    close, opened = ARKIT_INDEX["mouthClose"], ARKIT_INDEX["jawOpen"]
    deltas[close] += lips.close(neutral + deltas[close] + deltas[opened], overlap_px, UPPER_LIP_SHARE)
    funnel = neutral + deltas[ARKIT_INDEX["mouthFunnel"]]
    widest = float(lips.openness(funnel)[0].max())
    deltas[ARKIT_INDEX["mouthFunnel"]] += lips.open_to(
        funnel, FUNNEL_GAP * widest, FUNNEL_ROUNDNESS, UPPER_LIP_SHARE
    )
    for side in ("left", "right"):
        blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
        deltas[blink] += _share_out(pairs[side], neutral, deltas[blink], LID_OVERLAP * inter_ocular)
    return deltas


def _share_out(lids: ContactPair, neutral: Array, blink: Array, overlap: float) -> Array:
    """What a blink lacks, so that upper and lower lid each go their share of the opening and no more."""
    across = lids.across(neutral)
    upper, lower = lids.openness(neutral)
    upper_way = UPPER_LID_SHARE * (np.maximum(upper, 0.0) + overlap * (upper > 0))
    lower_way = -(1 - UPPER_LID_SHARE) * (np.maximum(lower, 0.0) + overlap * (lower > 0))
    return np.asarray(
        lids.moved(
            upper_way[:, None] * across - blink[lids.upper], lower_way[:, None] * across - blink[lids.lower]
        )
    )
