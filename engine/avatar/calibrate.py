"""Adjusts the blendshapes to one face, so that on it too the lids meet and shut lips stay shut."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.contact import ContactPair
from engine.avatar.glasses import stiffen
from engine.avatar.neutral import UPPER_LIP_SHARE
from engine.conventions import ARKIT_INDEX

Array = NDArray[np.float64]

UPPER_LID_SHARE: Final = 0.96
"""Of the way that lids go to meet: the lower one hardly rises."""
LID_OVERLAP: Final = 0.006
"""How far the lids overlap when shut, over the distance of the outer eye corners."""

FUNNEL_GAP: Final = 0.8
FUNNEL_ROUNDNESS: Final = 1.3
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


WIDEST: Final = 0.4
WIDEST_BEHIND_GLASSES: Final = 0.15
"""Eyes opened wide show so much more than calm ones, as a share of the opening; a lid must not lift a rim."""

CORNER_TRAVEL: Final = {
    ("mouthSmileLeft", "mouthSmileRight"): 0.125,
    ("mouthPressLeft", "mouthPressRight"): 0.05,
    ("mouthPucker",): 0.062,
}
"""How far the corners of the mouth go, over the distance of the outer eye corners. MakeHuman's smile raises them by
half as much again, as no shut mouth does, its press widens the mouth like a smile, its pucker narrows it by a fifth
only."""

MOST_TAKEN: Final = 0.5
"""A face that smiles in its photo, and so at rest, has that much less of a smile left to go, down to this share."""

OUTWARD: Final = {"mouthPucker": 0.45, "mouthFunnel": 0.5}
"""Share of the vertical movement that is kept: these turn a lower lip out until it folds over the chin."""
FUNNEL_NARROWER: Final = 1.7
"""How many times as far as MakeHuman's a funnel brings the corners of the mouth together."""
JAW_ROUNDNESS: Final = 0.75
"""MakeHuman's jawOpen lets the lower lip hang to a point: between the corners the gap becomes a sine to this power,
as wide as before in the middle."""
ROLLED_IN: Final = 0.75
"""Share of MakeHuman's lip rolls: rolled in fully, the skin beside a lip runs through it."""


def calibrate(
    neutral: Array,
    deltas: Array,
    pairs: Mapping[str, ContactPair],
    inter_ocular: float,
    overlap_px: float,
    calm: Array,
    flags: frozenset[str] = frozenset(),
) -> Array:
    """The calibrated deltas, [52, V, 3].

    neutral: [V, 3] pixels, lips shut; deltas: [52, V, 3] pixels;
    overlap_px: of shut lips; calm: [52], what of the fitted expression the neutral face keeps; flags: what the photo shows, as in ``FittedHead``.
    """
    deltas = deltas.copy()
    if "glasses" in flags:
        deltas = stiffen(neutral, deltas, pairs)
    lips = pairs["lips"]
    corners = lips.upper[[0, -1]]
    for group, travel in CORNER_TRAVEL.items():
        indices = [ARKIT_INDEX[name] for name in group]
        travel *= 1.0 - float(np.clip(calm[indices].mean(), 0.0, MOST_TAKEN))
        goes = np.linalg.norm(deltas[indices].sum(axis=0)[corners, :2], axis=1).mean()
        deltas[indices] *= travel * inter_ocular / goes
    down = lips.across(neutral)
    # In depth too: on a turned head the lips' way forward must not count as one to the side.
    along = (neutral[corners[1]] - neutral[corners[0]]) / np.linalg.norm(
        neutral[corners[1]] - neutral[corners[0]]
    )
    funnel = deltas[ARKIT_INDEX["mouthFunnel"]]
    widest = float(lips.openness(neutral + funnel)[0].max())
    funnel += (FUNNEL_NARROWER - 1.0) * (funnel @ along)[:, None] * along
    for name, share in OUTWARD.items():
        deltas[ARKIT_INDEX[name]] -= (1.0 - share) * (deltas[ARKIT_INDEX[name]] @ down)[:, None] * down
    deltas[[ARKIT_INDEX["mouthRollLower"], ARKIT_INDEX["mouthRollUpper"]]] *= ROLLED_IN
    close, opened = ARKIT_INDEX["mouthClose"], ARKIT_INDEX["jawOpen"]
    hanging = neutral + deltas[opened]
    deltas[opened] += lips.open_to(hanging, float(lips.gap(hanging).max()), JAW_ROUNDNESS, 0.0)
    for group in SHUT_MOUTH_UNITS:
        indices = [ARKIT_INDEX[name] for name in group]
        change = lips.close(neutral + deltas[indices].sum(axis=0), overlap_px, UPPER_LIP_SHARE)
        deltas[indices] += change / len(indices)
    deltas[close] += lips.close(neutral + deltas[close] + deltas[opened], overlap_px, UPPER_LIP_SHARE)
    funnel += lips.open_to(neutral + funnel, FUNNEL_GAP * widest, FUNNEL_ROUNDNESS, UPPER_LIP_SHARE)
    widest = WIDEST_BEHIND_GLASSES if "glasses" in flags else WIDEST
    for side in ("left", "right"):
        blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
        deltas[blink] += _share_out(pairs[side], neutral, deltas[blink], LID_OVERLAP * inter_ocular)
        wide = ARKIT_INDEX[f"eyeWide{side.capitalize()}"]
        opening = float(pairs[side].gap(neutral).max())
        more = float(pairs[side].gap(neutral + deltas[wide]).max()) - opening
        deltas[wide] *= min(1.0, widest * opening / max(more, 1e-6))
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
