"""Sizes that the networks, their inputs and the kernels around them share."""

from typing import Final

GRID: Final = 64
"""Cells along each side of the coarse grid over the view."""

IMAGE: Final = 256
"""Pixels along each side of the view that the generator sees."""

CODE_CHANNELS: Final = 4
"""Of a projected texture: the place on the neutral head (x, y, z from the pivot, in head widths), and coverage."""

LIPS: Final = 4
"""Gaussian maps of the lips: outer upper, outer lower, inner upper, inner lower edge."""
