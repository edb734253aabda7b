"""Scenes for tests and benchmarks of compositing."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from kernels.composite.reference import OPAQUE

PORTABLE_LEVELS_OFF: Final = 5
"""Of 255, on smooth textures: OpenCV reads texels on a 1/32 grid and rounds once more."""


@dataclass(frozen=True)
class Case:
    """Arguments of ``composite``; ``smooth`` textures are those on which the portable path is compared."""

    name: str
    planes: NDArray[np.float32]
    triangle: NDArray[np.int32]
    atlas: NDArray[np.uint32]
    background: NDArray[np.uint32]
    factor: Literal[1, 2]
    smooth: bool
    opacity: int = OPAQUE


def cases() -> list[Case]:
    """Odd sizes, both factors, holes, edges inside a pixel, coordinates far outside and not finite."""
    made = []
    for seed, (height, width, factor) in enumerate(
        [(7, 13, 1), (31, 45, 1), (15, 21, 2), (24, 17, 2), (1, 1, 1), (1, 1, 2)]
    ):
        for smooth in (False, True):
            made.append(_case(seed, height, width, 2 if factor == 2 else 1, smooth))
    for factor in (1, 2):
        fading = _case(10 + factor, 14, 22, 2 if factor == 2 else 1, True)
        made.append(replace(fading, name=f"fading, factor {factor}", opacity=77))
    wild = _case(9, 16, 19, 1, False)
    planes = wild.planes.copy()
    planes[0, 3, :4] = [np.nan, np.inf, -np.inf, 1e30]
    planes[1, 5, :4] = [np.nan, np.inf, -np.inf, 1e30]
    planes[2, 7, :4] = [np.nan, np.inf, -1, 1e30]
    made.append(Case("not finite", planes, wild.triangle, wild.atlas, wild.background, 1, False))
    return made


def _case(seed: int, height: int, width: int, factor: Literal[1, 2], smooth: bool) -> Case:
    rng = np.random.default_rng(seed)
    atlas_height, atlas_width = 23, 37
    rows, columns = np.mgrid[: height * factor, : width * factor].astype(np.float32)
    u = columns * (atlas_width + 6) / (width * factor) - 3 + rows * 0.1
    v = rows * (atlas_height + 6) / (height * factor) - 3
    u = np.where(columns > 0.6 * width * factor, u - 11, u)  # an edge in the surface
    shade = 1 + 0.3 * np.sin(columns / 5 + rows / 7) if smooth else rng.uniform(0.3, 1.6, u.shape)
    triangle = rng.integers(0, 50, u.shape, dtype=np.int32)
    triangle[rng.uniform(size=u.shape) < 0.2] = -1
    if smooth:
        y, x = np.mgrid[:atlas_height, :atlas_width]
        channels = [128 + 90 * np.sin(x / 9 + k) * np.cos(y / 7 - k) for k in range(4)]
        atlas = sum(np.round(c).astype(np.uint32) << np.uint32(8 * k) for k, c in enumerate(channels))
    else:
        atlas = rng.integers(0, 1 << 32, (atlas_height, atlas_width), dtype=np.uint32)
    name = f"{height} x {width}, factor {factor}, {'smooth' if smooth else 'noise'}"
    background = rng.integers(0, 1 << 32, (height, width), dtype=np.uint32)
    planes = np.stack([u, v, shade]).astype(np.float32)
    return Case(name, planes, triangle, np.asarray(atlas, np.uint32), background, factor, smooth)
