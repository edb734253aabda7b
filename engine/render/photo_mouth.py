"""The photo's own mouth, drawn over the made one where the face comes back to the expression of its photo."""

from typing import Final

from kernels.composite.reference import OPAQUE

SEEN_FROM: Final = 0.5
SOLID_FROM: Final = 0.9
"""Nearness to the photo's expression (see ``engine.render.drive``) at which its mouth begins to show, and is all."""


def photo_mouth_opacity(nearness: float) -> int:
    """How much of the photo's mouth shows, of 256, for a nearness in [0, 1]."""
    share = (nearness - SEEN_FROM) / (SOLID_FROM - SEEN_FROM)
    return round(OPAQUE * min(max(share, 0.0), 1.0))
