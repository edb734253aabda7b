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
CLOSED_GAP: Final = 0.03
"""Photos whose lips are less apart (same unit) keep their expression: only the seam is pressed together."""
KEPT_SMILE: Final = 0.45
"""Share of a parted smile's width that stays when its mouth closes: the folds in the photo stay too."""

_REMOVED: Final = {name: 1.0 for name in ARKIT_NAMES if name.startswith(("mouth", "jaw"))} | {
    f"mouth{kind}{side}": 1.0 - KEPT_SMILE
    for kind in ("Smile", "Dimple", "Stretch", "Frown")
    for side in ("Left", "Right")
}


def removed_expression(expression: Array, gap: float) -> Array:
    """Part of the photo's expression ([52]) that the calm face drops; gap: mean lip gap, eye-corner distances."""
    removed = np.zeros_like(expression)
    if gap >= CLOSED_GAP:
        for name, share in _REMOVED.items():
            removed[ARKIT_INDEX[name]] = share * expression[ARKIT_INDEX[name]]
    return removed


def overclose_px(gap: float, inter_ocular: float) -> float:
    """How far the closed lips of this photo overlap, pixels; gap: as for ``removed_expression``."""
    return (OVERCLOSE if gap < CLOSED_GAP else PARTED_OVERCLOSE) * inter_ocular


def close_lips(lips: ContactPair, vertices: Array, overlap_px: float) -> Array:
    """Offsets, [V, 3], that make the lips of ``vertices`` ([V, 3] pixels) meet."""
    return np.asarray(lips.close(vertices, overlap_px, UPPER_LIP_SHARE))
