"""Glasses of some made people: rims, bridge and temples as bent tubes that follow the head, not the skin."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.head_model import load_head_model
from engine.avatar.teeth import grid_triangles
from engine.training.synthetic_atlas import BLOCKS, block_uv
from engine.training.synthetic_hair import Shell
from engine.training.synthetic_shape import HeadShape

Array = NDArray[Any]

WEARERS: Final = (0.06, 0.18)
"""Share of the young and of the old that wear them."""
BRIDGE: Final = 168
"""The landmark between the eyes, where they rest."""
EAR: Final = np.array([0.74, -0.42, -0.05])
RIM_POINTS: Final = 40
TUBE_POINTS: Final = 6
CURVE: Final = 0.35
"""How much the rims bend back toward the temples, decimetres for each squared."""


def make_glasses(shape: HeadShape, age: float, dice: np.random.Generator) -> list[Shell]:
    """Two rims, a bridge and two temples, or nothing."""
    if dice.random() > WEARERS[0] + (WEARERS[1] - WEARERS[0]) * age:
        return []
    nose = load_head_model().landmarks(shape.neutral)[BRIDGE]
    eyes = [shape.eyes[side].centre for side in ("right", "left")]
    wide, high = dice.uniform(0.21, 0.26), dice.uniform(0.13, 0.21)
    square, thick = dice.uniform(2.0, 4.5), dice.uniform(0.007, 0.022)
    level = float(np.mean([eye[1] for eye in eyes])) + 0.02
    # Clear of brow bone and cheeks.
    x, y, z = shape.neutral[load_head_model().groups["skin"]].astype(float).T
    near = (np.abs(x) > 0.1) & (np.abs(x) < 0.5) & (np.abs(y - level) < 1.15 * high)
    front = min(float(nose[2]) - 0.03, float((z - CURVE * x**2)[near].min()) - thick - 0.005)
    turn = np.linspace(0, 2 * np.pi, RIM_POINTS)
    c, s = np.cos(turn), np.sin(turn)
    outline = np.stack([np.sign(c) * np.abs(c) ** (2 / square), np.sign(s) * np.abs(s) ** (2 / square)], -1)
    lines = []
    for sign, eye in zip((-1.0, 1.0), eyes, strict=True):
        x = eye[0] + sign * 0.015 + wide * outline[:, 0]
        y = level + high * outline[:, 1] * np.where(outline[:, 1] > 0, 1.1, 0.9)
        lines.append(_bent(x, y, front))
        outer = eye[0] + sign * (wide + 0.015)
        hinge: Array = _bent(np.array([outer]), np.array([level - 0.4 * high]), front)[0]
        ear = EAR * [sign, 1, 1]
        ear[0] = sign * max(abs(ear[0]), abs(outer) + 0.03)
        lines.append(hinge + np.linspace(0.0, 1.0, 8)[:, None] * (ear - hinge))
    inner = [eyes[0][0] - 0.015 + wide, eyes[1][0] + 0.015 - wide]
    x = np.linspace(inner[0], inner[1], 9)
    arc = level - 0.25 * high - 0.02 * np.sin(np.linspace(0, np.pi, 9))
    lines.append(_bent(x, arc, front - 0.005))
    return [_tube(line, thick * (1.0 if k % 2 == 0 else 0.8)) for k, line in enumerate(lines)]


def _bent(x: Array, y: Array, front: float) -> Array:
    """Points on the bent plane of the lenses."""
    return np.stack([x, y, front + CURVE * x**2], axis=-1)


def _tube(line: Array, radius: float) -> Shell:
    """A tube around a line [N, 3]."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    upright = np.array([0.05, 0.1, 1.0])
    one = np.cross(along, upright)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other = np.cross(along, one)
    turn = np.linspace(0, 2 * np.pi, TUBE_POINTS)[:, None, None]
    points = line + radius * (np.cos(turn) * one + np.sin(turn) * other)
    share = np.stack(
        np.meshgrid(np.linspace(0, 1, len(line)), np.linspace(0, 1, TUBE_POINTS)), axis=-1
    ).reshape(-1, 2)
    return Shell(
        points.reshape(-1, 3).astype(np.float32),
        grid_triangles(TUBE_POINTS, len(line)),
        block_uv("glass", share).astype(np.float32),
    )


def frame_picture(dice: np.random.Generator) -> tuple[Array, float]:
    """RGB of the frames, and their gloss: black, horn, metal or coloured."""
    _, _, width, height = BLOCKS["glass"]
    colours = np.array(
        [[18, 18, 20], [62, 38, 24], [150, 150, 155], [150, 120, 70], [90, 30, 35], [35, 50, 80]]
    )
    colour = colours[dice.choice(len(colours), p=[0.4, 0.2, 0.14, 0.1, 0.08, 0.08])] / 255
    return np.broadcast_to(colour, (height, width, 3)) * (
        1 + 0.08 * dice.standard_normal((height, width, 1))
    ), 0.7
