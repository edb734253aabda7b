"""From the face that the photo shows to the calm one: the mouth closes, the rest stays as it is."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.contact import ContactPair
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES

Array = NDArray[np.float64]

UPPER_LIP_SHARE: Final = 0.3
OVERCLOSE: Final = 0.004
"""How far the closed lips overlap, over the distance of the outer eye corners."""
PARTED_OVERCLOSE: Final = 0.012
"""The same for lips that the photo shows apart: their inner edges are dark and would still look a little open."""
CLOSED_GAP: Final = 0.015
"""Photos whose lips are less apart (same unit) show shut lips: a gap there is the fit's error, not the face's."""
KEPT_SMILE: Final = 0.45
"""Share of a parted smile's width that stays when its mouth closes: the folds in the photo stay too."""

_REMOVED: Final = {name: 1.0 for name in ARKIT_NAMES if name.startswith(("mouth", "jaw"))} | {
    f"mouth{kind}{side}": 1.0 - KEPT_SMILE
    for kind in ("Smile", "Dimple", "Stretch", "Frown")
    for side in ("Left", "Right")
}


def removed_expression(expression: Array) -> Array:
    """Part of a parted photo's expression ([52]) that the calm face drops."""
    removed = np.zeros_like(expression)
    for name, share in _REMOVED.items():
        removed[ARKIT_INDEX[name]] = share * expression[ARKIT_INDEX[name]]
    return removed


def overclose_px(parted: bool, inter_ocular: float) -> float:
    """How far the closed lips overlap, pixels; parted: whether the photo shows them apart."""
    return (PARTED_OVERCLOSE if parted else OVERCLOSE) * inter_ocular


def close_lips(lips: ContactPair, vertices: Array, overlap_px: float) -> Array:
    """Offsets, [V, 3], that make the lips of ``vertices`` ([V, 3] pixels) meet."""
    return np.asarray(lips.close(vertices, overlap_px, UPPER_LIP_SHARE))
