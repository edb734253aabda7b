"""Scenes for tests of drawing layers into frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.composite.reference import OPAQUE
from kernels.frame import Layer, Scene


@dataclass(frozen=True, eq=False)
class Case:
    """What a painter is made of, and scenes that it draws one after the other."""

    layers: tuple[Layer, ...]
    background: NDArray[np.uint32]
    scale: float
    scenes: tuple[Scene, ...]


def cases() -> dict[str, Case]:
    """Odd boxes at both factors, boxes that draw nothing, layers without triangles, fading, vertices that are useless."""
    return {f"seed {seed}, {size} px": _case(seed, size) for seed, size in ((0, 34), (1, 46), (2, 64))}


def _case(seed: int, size: int) -> Case:
    rng = np.random.default_rng(seed)
    vertices, scale = 120, (0.75, 1.0, 1.5)[seed]

    def triangles(count: int) -> NDArray[np.int32]:
        return rng.integers(0, vertices, (count, 3), dtype=np.int32)

    atlas = rng.integers(0, 1 << 32, (23, 37), dtype=np.uint32)
    picture = rng.integers(0, 1 << 32, (9, 11), dtype=np.uint32)
    layers = (
        Layer(triangles(50), atlas, 0, first=True),
        Layer(triangles(20), atlas, 1, first=True),
        Layer(triangles(0), atlas, 1),
        Layer(triangles(30), atlas, 1),
        Layer(triangles(0), atlas, 2, first=True),
        Layer(triangles(25), atlas, 2),
        Layer(triangles(25), picture, 3, attributes=1, fades=True),
    )
    scenes = []
    for opacity in (OPAQUE, 77, 0):
        positions = rng.uniform(-0.2 * size, 1.2 * size, (vertices, 3)) / scale
        positions[3] = np.nan
        attributes = rng.uniform(0, 40, (2, vertices, 3))
        attributes[..., 2] = rng.uniform(0.3, 1.6, (2, vertices))
        third, half = size // 3, size // 2
        boxes = [
            [0, 0, size, size, 1],
            [3, 5, third, third + 1, 2],
            [size - third, 1, third, half, 1],
            [1, half, half - 1, half, 2],
        ]
        if opacity == 0:
            boxes[1][2] = 0
        scenes.append(
            Scene(
                positions.astype(np.float32),
                attributes.astype(np.float32),
                np.array(boxes, np.int32),
                opacity,
            )
        )
    background = rng.integers(0, 1 << 32, (size, size), dtype=np.uint32)
    return Case(layers, background, scale, tuple(scenes))
