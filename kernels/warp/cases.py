"""Frames, maps and features for tests and benchmarks of warping."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kernels.warp.reference import Box

PORTABLE_LEVELS_OFF: Final = 2
"""Of 255, on smooth frames: OpenCV may read on a 1/32 grid, and rounds once more."""
PORTABLE_SHARE_OFF: Final = 1 / 32
"""Of the difference between neighbouring features, along either axis: OpenCV reads them on a 1/32 grid."""

WILD: Final = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, -3e38)


@dataclass(frozen=True)
class RefineCase:
    """Arguments of ``refine``; ``smooth`` frames and maps are those on which the portable path is compared."""

    name: str
    frame: NDArray[np.uint32]
    box: Box
    maps: NDArray[np.float32]
    smooth: bool


@dataclass(frozen=True)
class ImageCase:
    """Arguments of ``warp_image``, and the side n of its output."""

    name: str
    frame: NDArray[np.uint32]
    box: Box
    flow: NDArray[np.float32]
    n: int
    smooth: bool


@dataclass(frozen=True)
class FeaturesCase:
    """Arguments of ``warp_features``."""

    name: str
    features: NDArray[np.float32]
    flow: NDArray[np.float32]
    occlusion: NDArray[np.float32]
    smooth: bool


def refine_cases() -> list[RefineCase]:
    """Boxes inside, over every border and outside, maps finer and coarser than they are, values not finite."""
    shapes = [
        ((37, 45), (5, 3, 29), 16),
        ((37, 45), (-7, -9, 31), 31),
        ((37, 45), (30, 20, 33), 7),
        ((21, 150), (-3, -60, 170), 40),
        ((9, 11), (2, 2, 5), 24),
        ((5, 6), (40, 1, 8), 4),
        ((5, 6), (-8, -8, 8), 4),
        ((2, 2), (0, 0, 2), 1),
        ((3, 2), (0, 1, 1), 2),
    ]
    made = []
    for seed, ((height, width), box, n) in enumerate(shapes):
        for smooth in (True, False):
            rng = np.random.default_rng(seed)
            name = f"{height} x {width}, box {box}, {n}, {'smooth' if smooth else 'noise'}"
            maps = np.concatenate(
                [_flow(rng, n, n, smooth), 20 * _flow(rng, n, n, smooth), _flow(rng, n, n, smooth)]
            )
            made.append(RefineCase(name, _frame(rng, height, width, smooth), box, maps[:5].copy(), smooth))
    rng = np.random.default_rng(20)
    maps = _wild(rng, _flow(rng, 19, 19, False).repeat(3, 0)[:5])
    made.append(RefineCase("not finite", _frame(rng, 40, 50, False), (3, -4, 38), maps, False))
    return made


def image_cases() -> list[ImageCase]:
    """Boxes as large as the output, larger by whole and by broken factors, smaller, and beside the frame."""
    shapes = [
        ((40, 50), (4, 3, 32), 32, 32),
        ((40, 50), (4, 3, 33), 22, 11),
        ((40, 50), (-9, -5, 48), 24, 8),
        ((40, 50), (20, 25, 24), 36, 9),
        ((40, 50), (-60, 90, 20), 7, 3),
        ((60, 70), (0, 0, 61), 3, 2),
        ((150, 170), (2, 5, 140), 140, 140),
        ((40, 50), (3, 2, 34), 23, 6),
        ((2, 2), (0, 0, 2), 1, 1),
        ((2, 3), (1, 0, 1), 2, 1),
    ]
    made = []
    for seed, ((height, width), box, n, flow_n) in enumerate(shapes):
        for smooth in (True, False):
            rng = np.random.default_rng(seed)
            name = f"{height} x {width}, box {box} to {n}, flow {flow_n}, {'smooth' if smooth else 'noise'}"
            flow = _flow(rng, flow_n, flow_n, smooth)
            made.append(ImageCase(name, _frame(rng, height, width, smooth), box, flow, n, smooth))
    rng = np.random.default_rng(20)
    flow = _wild(rng, _flow(rng, 13, 13, False))
    made.append(ImageCase("not finite", _frame(rng, 40, 50, False), (3, -4, 38), flow, 26, False))
    return made


def features_cases() -> list[FeaturesCase]:
    """Odd sizes, few and many channels, values not finite."""
    made = []
    for seed, (height, width, channels) in enumerate([(13, 17, 8), (5, 31, 24), (16, 16, 136), (1, 1, 8)]):
        for smooth in (True, False):
            rng = np.random.default_rng(seed)
            features = rng.normal(size=(height, width, channels)).astype(np.float32)
            occlusion = rng.uniform(0, 1, (height, width)).astype(np.float32)
            name = f"{height} x {width} x {channels}, {'smooth' if smooth else 'noise'}"
            made.append(FeaturesCase(name, features, _flow(rng, height, width, smooth), occlusion, smooth))
    rng = np.random.default_rng(20)
    features = _wild(rng, rng.normal(size=(11, 12, 16)).astype(np.float32))
    flow, occlusion = _wild(rng, _flow(rng, 11, 12, False)), np.ones((11, 12), np.float32)
    made.append(FeaturesCase("not finite", features, flow, occlusion, False))
    return made


def _frame(rng: np.random.Generator, height: int, width: int, smooth: bool) -> NDArray[np.uint32]:
    if not smooth:
        return rng.integers(0, 1 << 32, (height, width), dtype=np.uint32)
    y, x = np.mgrid[:height, :width]
    channels = [128 + 90 * np.sin(x / 9 + k) * np.cos(y / 7 - k) for k in range(4)]
    packed = sum(np.round(c).astype(np.uint32) << np.uint32(8 * k) for k, c in enumerate(channels))
    return np.asarray(packed, np.uint32)


def _flow(rng: np.random.Generator, height: int, width: int, smooth: bool) -> NDArray[np.float32]:
    """A slow swirl, or every element on its own: float32 [2, height, width]."""
    if not smooth:
        return rng.normal(0, 6, (2, height, width)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    turns = rng.uniform(0, 6, 4)
    planes = [1.7 * np.sin(x / 5 + turns[k]) * np.cos(y / 6 + turns[k + 1]) for k in (0, 2)]
    return np.stack(planes).astype(np.float32)


def _wild(rng: np.random.Generator, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy with a tenth of the values not finite or as large as they get."""
    chosen = rng.choice(np.array(WILD, np.float32), values.shape)
    return np.where(rng.uniform(size=values.shape) < 0.1, chosen, values)
