"""Clothes of made heads: a garment over the shoulders with its collar."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float
from engine.avatar.teeth import grid_triangles
from engine.training.synthetic_atlas import BLOCKS, block_uv, fractal, noise
from engine.training.synthetic_hair import Shell

Array = NDArray[Any]

AROUND: Final = 120
NECK_AXIS_Z: Final = 0.15
"""The garment is wound around an upright axis through this depth, decimetres."""


@dataclass(frozen=True)
class Garment:
    """front, back: heights of the neckline, decimetres. vee: how much deeper it is in the middle. collar: height of the
    collar, 0 none. flare: how far its lower border stands off. loose: distance from the skin. shoulder: half the width
    of the shoulders. slope: how much lower they end than they begin."""

    front: float
    back: float
    vee: float
    collar: float
    flare: float
    loose: float
    shoulder: float
    slope: float


def make_garment(male: float, dice: np.random.Generator) -> Garment:
    """T-shirts, shirts with collars, jumpers, turtlenecks, wide necklines."""
    kind = dice.choice(["round", "vee", "collar", "turtle", "wide"], p=[0.34, 0.2, 0.24, 0.1, 0.12])
    base = float(dice.uniform(1.0, 1.15))
    return Garment(
        front={"turtle": 0.98, "wide": base + 0.35}.get(str(kind), base),
        back=float(dice.uniform(0.72, 0.85)),
        vee=float(dice.uniform(0.25, 0.6)) if kind in ("vee", "collar") else 0.0,
        collar={"collar": float(dice.uniform(0.14, 0.24)), "turtle": float(dice.uniform(0.25, 0.4))}.get(
            str(kind), float(dice.uniform(0.015, 0.05))
        ),
        flare=0.10 if kind == "collar" else 0.02,
        loose=float(dice.uniform(0.03, 0.09)),
        shoulder=float(1.75 + 0.35 * male + dice.normal(0, 0.12)),
        slope=float(dice.uniform(0.22, 0.5)),
    )


def garment_shells(garment: Garment, skin: Float, dice: np.random.Generator) -> list[Shell]:
    """The garment from its neckline down over the shoulders, and its collar."""
    angle = np.linspace(-np.pi, np.pi, AROUND + 1)
    front = 0.5 + 0.5 * np.cos(angle)  # 1 before, 0 behind
    middle = np.exp(-((angle / 0.35) ** 2))
    line = garment.back + (garment.front - garment.back) * front**0.8 + garment.vee * middle
    neck = neck_radius(skin, angle, line) + garment.loose * 0.6
    rim = _around(angle, neck, line)
    # Downward the outline widens from the neck over the shoulders to the arms.
    rows = np.concatenate([np.linspace(0, 1, 18) ** 1.2, [1.15, 1.7]])
    broad = np.array([garment.shoulder, 0.72])
    outer_x, outer_z = broad[0] * np.sin(angle), -broad[1] * np.cos(angle) + 0.1
    shoulder_y = 1.25 + garment.slope * np.abs(np.sin(angle)) + 0.25 * front
    places = []
    for s in rows:
        out = np.clip(s, 0, 1)
        x = rim[:, 0] + (outer_x - rim[:, 0]) * np.sin(out * np.pi / 2) ** 0.9
        z = rim[:, 2] + (outer_z - rim[:, 2]) * np.sin(out * np.pi / 2)
        y = rim[:, 1] + (shoulder_y + 0.35 - rim[:, 1]) * out**1.35 + 2.2 * max(s - 1, 0.0)
        places.append(np.stack([x, y, z], -1))
    grid = np.stack(places)
    wrinkles = noise(grid.shape[:2], (5, 14), dice) * 0.022 + noise(grid.shape[:2], (9, 30), dice) * 0.008
    grid[1:, :, 2] -= wrinkles[1:] * smooth_step(rows[1:, None] / 0.3)
    share = np.stack(np.meshgrid(np.linspace(0, 1, AROUND + 1), np.linspace(0, 1, len(rows))), -1).reshape(
        -1, 2
    )
    shells = [
        Shell(
            grid.reshape(-1, 3).astype(np.float32),
            grid_triangles(len(rows), AROUND + 1),
            block_uv("cloth", share).astype(np.float32),
        )
    ]
    up = np.array([0.02, -0.25, -0.75, -1.0, -0.9])[:, None] * garment.collar
    out = (
        np.array([0.015, 0.02, 0.03, 0.035, 0.0])[:, None]
        + garment.flare * np.array([1.0, 0.7, 0.35, 0.0, 0.0])[:, None]
    )
    level = line + up
    reach = neck + out
    collar = np.stack([_around(angle, reach[k], level[k]) for k in range(len(up))])
    share = np.stack(np.meshgrid(np.linspace(0, 1, AROUND + 1), np.linspace(0, 1, len(up))), -1).reshape(
        -1, 2
    )
    shells.append(
        Shell(
            collar.reshape(-1, 3).astype(np.float32),
            grid_triangles(len(up), AROUND + 1),
            block_uv("collar", share).astype(np.float32),
        )
    )
    return shells


def _around(angle: Array, radius: Array, height: Array) -> Array:
    return np.stack([radius * np.sin(angle), height, NECK_AXIS_Z - radius * np.cos(angle)], -1)


def neck_radius(skin: Float, angle: Array, height: Array) -> Array:
    """How far the neck reaches from the axis at these angles and heights."""
    flat = np.hypot(skin[:, 0], skin[:, 2] - NECK_AXIS_Z)
    turn = np.arctan2(skin[:, 0], -(skin[:, 2] - NECK_AXIS_Z))
    near = (skin[:, 1] > 0.6) & (flat < 1.3)
    flat, turn, level = flat[near], turn[near], skin[near, 1]
    result = np.empty(len(angle))
    for k, (a, y) in enumerate(zip(angle, height, strict=True)):
        gap = np.abs((turn - a + np.pi) % (2 * np.pi) - np.pi) / 0.12
        weight = np.exp(-(gap**2) - ((level - y) / 0.06) ** 2) + 1e-9
        result[k] = (weight * flat).sum() / weight.sum()
    kernel = np.array([1, 2, 3, 2, 1]) / 9
    return np.convolve(np.concatenate([result[-3:-1], result, result[1:3]]), kernel, "valid")


def cloth_pictures(dice: np.random.Generator) -> dict[str, tuple[Array, Array, Array]]:
    """RGB, gloss and relief of garment and collar: plain, striped, checked or knitted."""
    base = dice.uniform(0.05, 0.9) * (0.35 + 0.65 * dice.dirichlet([1, 1, 1]) * 2.0)
    if dice.random() < 0.45:
        base = np.full(3, dice.uniform(0.04, 0.9)) * (1 + dice.normal(0, 0.04, 3))
    second = np.clip(base * dice.uniform(0.4, 1.7) + dice.normal(0, 0.08, 3), 0.03, 0.95)
    pattern = dice.choice(["plain", "plain", "stripes", "checks", "knit", "print"])
    out = {}
    for block in ("cloth", "collar"):
        _, _, width, height = BLOCKS[block]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        share = np.zeros((height, width), np.float32)
        relief = 0.5 * dice.standard_normal((height, width)).astype(np.float32)
        if block == "cloth":
            if pattern == "stripes":
                share = smooth_step(3 * np.sin(y / dice.uniform(3, 12)) + 0.5)
            elif pattern == "checks":
                step = dice.uniform(4, 14)
                share = 0.5 * (np.sin(y / step) > 0) + 0.5 * (np.sin(x / step * 0.6) > 0)
            elif pattern == "knit":
                relief = relief + 0.8 * np.sin(x * 1.2) * np.sin(y * 0.9 + 0.6 * np.sin(x * 1.2))
            elif pattern == "print":
                share = smooth_step(2 * fractal((height, width), 12, 3, dice))
        rgb = base * (1 - share[..., None]) + second * share[..., None]
        rgb = rgb * (
            1
            + 0.05 * fractal((height, width), 10, 3, dice)[..., None]
            + 0.03 * dice.standard_normal((height, width, 1))
        )
        out[block] = (
            np.clip(rgb, 0.02, 0.97),
            np.full((height, width), dice.uniform(0.03, 0.15)),
            relief.astype(np.float32),
        )
    return out
