"""Teeth: the dental arch as a bent strip, and a picture of the teeth along it.

Lengths are in decimetres of the head model. The strip runs along the arch from the viewer's left to the viewer's
right (``along``, 0 at the midline); ``height`` is measured from the biting edge toward the gum.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float, Image, Int

Array = NDArray[np.float64]

TEXELS: Final = 300
"""Texture pixels for one decimetre."""

ARCH: Final = np.array(
    [[0, -0.937], [0.05, -0.934], [0.1, -0.922], [0.15, -0.897], [0.19, -0.858], [0.222, -0.808], [0.256, -0.74],
     [0.288, -0.662], [0.303, -0.598], [0.318, -0.537], [0.33, -0.47]]
)  # fmt: skip
"""Right half of the upper arch seen from above: x and z of the head model."""

EDGE_SOFTNESS: Final = 0.01

COLUMNS: Final = 41
ROWS: Final = 5


@dataclass(frozen=True)
class Jaw:
    """The measures of one row of teeth.

    widths, crowns: of each tooth from the midline outward: how wide it is and how far it rises out of the gum.
    recess: how much shorter than the first tooth's biting edge. strip: height of the strip, gum included.
    edge_y: where the biting edge lies in the head model at the midline; molar_rise: how much nearer to the skull it
    lies at the last molar. up: -1 where the gum is above the teeth (upper jaw), +1 below.
    behind: how far behind ``ARCH`` the teeth stand.
    """

    widths: tuple[float, ...]
    crowns: tuple[float, ...]
    recess: tuple[float, ...]
    strip: float
    edge_y: float
    molar_rise: float
    up: int
    behind: float


UPPER_JAW: Final = Jaw(
    widths=(0.086, 0.066, 0.077, 0.07, 0.068, 0.1, 0.095, 0.09),
    crowns=(0.104, 0.088, 0.098, 0.082, 0.076, 0.07, 0.066, 0.06),
    recess=(0.0, 0.003, 0.001, 0.005, 0.008, 0.011, 0.013, 0.015),
    strip=0.2,
    edge_y=0.276,
    molar_rise=0.04,
    up=-1,
    behind=0.0,
)
LOWER_JAW: Final = Jaw(
    widths=(0.054, 0.06, 0.068, 0.07, 0.072, 0.108, 0.104, 0.1),
    crowns=(0.086, 0.088, 0.098, 0.084, 0.078, 0.07, 0.066, 0.06),
    recess=(0.0, 0.0005, 0.0, 0.004, 0.007, 0.009, 0.011, 0.013),
    strip=0.18,
    edge_y=0.268,
    molar_rise=0.035,
    up=1,
    behind=0.03,
)


def arch_strip(jaw: Jaw) -> tuple[Array, Int, Float, Array]:
    """The bent strip of one jaw.

    Returns:
        positions float64 [V, 3] in the head model's frame, triangles int32 [T, 3], uv float32 [V, 2] in texels of
        ``teeth_texture``, and along float64 [V], -1 to 1 over the arch.
    """
    length, points = arch_line()
    along = np.linspace(-length[-1], length[-1], COLUMNS)
    x = np.sign(along) * np.interp(np.abs(along), length, points[:, 0])
    z = np.interp(np.abs(along), length, points[:, 1]) + jaw.behind
    height = np.linspace(0.0, jaw.strip, ROWS)
    rise = -jaw.molar_rise * (along / length[-1]) ** 2
    across, up = np.meshgrid(np.arange(COLUMNS), height)
    y = jaw.edge_y + jaw.up * up + rise[across]
    lean = 0.12 * up  # roots lie further back than edges
    positions = np.stack([x[across] * (1 - jaw.behind), y, z[across] + lean], axis=-1).reshape(-1, 3)
    u = (along[across] + length[-1]) * TEXELS
    uv = np.stack([u, up * TEXELS], axis=-1).reshape(-1, 2).astype(np.float32)
    relative = (along[across] / length[-1]).reshape(-1)
    return positions, grid_triangles(ROWS, COLUMNS), uv, relative


def teeth_texture(
    jaw: Jaw, tooth: NDArray[np.float64], gum: NDArray[np.float64]
) -> tuple[Image, NDArray[np.uint8]]:
    """Picture of the strip from the biting edge (first row) to the gum.

    Convention: tooth, gum: RGB in [0, 255]. Returns uint8 [H, W, 3] and coverage uint8 [H, W].
    """
    fine = 2
    length = arch_line()[0][-1]
    height_px, width_px = int(np.ceil(jaw.strip * TEXELS)), int(np.ceil(2 * length * TEXELS))
    along = (np.arange(width_px * fine) + 0.5) / (TEXELS * fine) - length
    height = ((np.arange(height_px * fine) + 0.5) / (TEXELS * fine))[:, None]
    far = np.abs(along)
    ends = np.cumsum(jaw.widths)
    number = np.minimum(np.searchsorted(ends, far), len(ends) - 1)
    width = np.asarray(jaw.widths)[number]
    x = (far - (ends[number] - width / 2)) / (width / 2)  # -1 to 1 over each tooth
    crown, recess = np.asarray(jaw.crowns)[number], np.asarray(jaw.recess)[number]

    # The whole of the soft edge lies on the strip, which would cut it off hard otherwise.
    edge = 0.5 * EDGE_SOFTNESS + recess + 0.0035 * np.abs(x) ** 6 + 0.001 * x**2
    coverage = smooth_step((height - edge) / EDGE_SOFTNESS + 0.5)
    gum_line = crown * (1 - 0.22 * np.abs(x) ** 2.4)
    gum_share = smooth_step((height - gum_line) / 0.012 + 0.5)

    # A crown is a barrel: darker toward its sides, a soft dark line between neighbours, brightest in the middle.
    gap = (1 - np.abs(x)) * width / 2
    between = 0.14 * np.exp(-((gap / 0.0055) ** 2)) * np.clip((height - edge) / 0.03, 0.1, 1)
    roundness = 1 - 0.1 * np.abs(x) ** 3 - 0.05 * ((height - 0.5 * crown) / crown) ** 2
    warm = np.clip(height / crown, 0, 1)[..., None] ** 2 * np.array([0.02, 0.05, 0.11])
    clear = np.exp(-(np.clip(height - edge, 0, None) / 0.016))[..., None] * np.array([0.03, 0.03, 0.03])
    colour = tooth * (1 - warm - clear) * (roundness * (1 - between))[..., None]
    bulge = 0.97 + 0.03 * np.cos(np.pi * x) ** 2
    gum_colour = gum * (bulge * np.clip(1.08 - 1.6 * (height - gum_line), 0.7, 1.05))[..., None]
    picture = colour * (1 - gum_share[..., None]) + gum_colour * gum_share[..., None]
    shape = (height_px, fine, width_px, fine)
    picture = picture.reshape(*shape, 3).mean(axis=(1, 3))
    return (
        np.clip(np.round(picture), 0, 255).astype(np.uint8),
        np.round(255 * coverage.reshape(shape).mean(axis=(1, 3))).astype(np.uint8),
    )


def grid_triangles(rows: int, columns: int) -> Int:
    """Triangles of a grid of vertices numbered row by row, int32 [T, 3]."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    halves = [
        np.stack([corner, corner + 1, corner + columns], axis=1),
        np.stack([corner + 1, corner + columns + 1, corner + columns], axis=1),
    ]
    return np.ascontiguousarray(np.concatenate(halves), np.int32)


@cache
def arch_line() -> tuple[Array, Array]:
    """Distance from the midline along the right half of the arch, [N], and the points there: ``ARCH``."""
    steps = np.linalg.norm(np.diff(ARCH, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)]), ARCH
