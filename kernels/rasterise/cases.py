"""Scenes for tests and benchmarks of rasterising."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Case:
    """Arguments of ``rasterise`` and the grid they are drawn on."""

    name: str
    positions: NDArray[np.float32]
    triangles: NDArray[np.int32]
    attributes: NDArray[np.float32]
    height: int
    width: int
    origin: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0


def cases() -> list[Case]:
    """Odd sizes, overlaps, slivers, shared edges, boxes, big triangles, useless vertices, nothing at all."""
    rng = np.random.default_rng(7)

    def soup(
        name: str, count: int, height: int, width: int, spread: float, channels: int, scale: float
    ) -> Case:
        centres = rng.uniform(-0.2, 1.2, (count, 1, 2)) * (width, height)
        positions = np.concatenate(
            [centres + rng.normal(0, spread, (count, 3, 2)), rng.uniform(-50, 50, (count, 3, 1))], axis=2
        )
        triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
        attributes = rng.normal(0, 100, (3 * count, channels))
        return Case(
            name,
            positions.reshape(-1, 3).astype(np.float32),
            triangles,
            attributes.astype(np.float32),
            height,
            width,
            (3.5, -2.25),
            scale,
        )

    useless = soup("useless", 40, 33, 47, 9.0, 3, 1.0)
    broken = useless.positions.copy()
    broken[[0, 10, 20, 30]] = [[np.nan, 1, 1], [np.inf, 2, 2], [5, 1e9, 3], [5, 5, np.nan]]
    flat = np.array([[5, 5, 0], [25, 5, 0], [15, 5, 0], [5, 25, 0]], np.float32)
    return [
        grid_case("grid", 9, 31, 45),
        grid_case("grid behind half pixels", 5, 16, 16, offset=0.5),
        soup("soup", 60, 37, 53, 8.0, 3, 1.0),
        soup("box twice as fine", 30, 41, 29, 6.0, 3, 2.0),
        soup("big", 12, 64, 63, 300.0, 2, 1.0),
        soup("many channels", 20, 23, 19, 7.0, 8, 1.0),
        soup("one pixel", 10, 1, 1, 3.0, 3, 1.0),
        Case("useless vertices", broken, useless.triangles, useless.attributes, 33, 47),
        Case("flat", flat, np.array([[0, 1, 2], [0, 0, 3], [0, 1, 3]], np.int32), flat, 30, 30),
        Case(
            "empty",
            np.zeros((0, 3), np.float32),
            np.zeros((0, 3), np.int32),
            np.zeros((0, 3), np.float32),
            7,
            5,
        ),
    ]


def grid_case(name: str, cells: int, height: int, width: int, offset: float = 0.0) -> Case:
    """A bent sheet of cells x cells squares over the whole grid and somewhat beyond; u, v and shade attached."""
    fraction = np.linspace(-0.1, 1.1, cells + 1)
    x, y = np.meshgrid(fraction * width + offset, fraction * height + offset)
    positions = (
        np.stack([x, y, 10 * np.sin(x / 9) + 5 * np.cos(y / 7)], axis=-1).reshape(-1, 3).astype(np.float32)
    )
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1)
    halves = [
        np.stack([corner, corner + 1, corner + cells + 1], axis=1),
        np.stack([corner + 1, corner + cells + 2, corner + cells + 1], axis=1),
    ]
    triangles = np.ascontiguousarray(np.concatenate(halves).astype(np.int32))
    attributes = np.stack([positions[:, 0], positions[:, 1], np.ones(len(positions), np.float32)], axis=1)
    return Case(name, positions, triangles, np.ascontiguousarray(attributes), height, width)
