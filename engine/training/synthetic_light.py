"""Light on made heads: a soft environment, a key light with shadows, fill and rim, evaluated at the vertices."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.parts import Float, Int
from kernels.rasterise import rasterise

Array = NDArray[Any]

LUMA: Final = np.array([0.25, 0.6, 0.15], np.float32)
VIEW: Final = np.array([0.0, 0.0, -1.0], np.float32)
SHADOW_SIDE: Final = 224
SHADOW_SPAN_DM: Final = 3.4
"""Side of the square around the head that a shadow map covers."""
SHADOW_BIAS_DM: Final = 0.025
AO_DIRECTIONS: Final = 26
AO_SIDE: Final = 128
PURPLE: Final = np.array([0.75, 1.0, 1.05], np.float32)
"""Exponents of red, green and blue in the half shadow of skin: red light goes farther under it."""


@dataclass(frozen=True, eq=False)
class Lamp:
    """Light from far away. direction: float32 [3], toward the lamp; colour: float32 [3], linear."""

    direction: Float
    colour: Float

    @property
    def half_way(self) -> Float:
        """Between lamp and viewer."""
        half = self.direction + VIEW
        return np.asarray(half / np.linalg.norm(half), np.float32)


@dataclass(frozen=True, eq=False)
class Lighting:
    """One person's light. key casts shadows, softer with ``softness`` (texels of its map); lobes: soft large lights;
    ground: colour [3] of light from everywhere. catch: how bright the key's reflections are."""

    key: Lamp
    fill: Lamp
    rim: Lamp
    lobes: tuple[Lamp, ...]
    ground: Float
    softness: float
    catch: float

    def environment(self, normals: Float) -> tuple[Float, Float]:
        """Soft light [V, 3] on normals [V, 3], and how its brightness changes with the normal, [V, 3]."""
        light = np.broadcast_to(self.ground, normals.shape).copy()
        slope = np.zeros_like(normals)
        for lobe in self.lobes:
            half = 0.5 + 0.5 * (normals @ lobe.direction)
            light += (half * half)[:, None] * lobe.colour
            slope += half[:, None] * (lobe.direction * float(lobe.colour @ LUMA))
        return light, slope


def make_lighting(dice: np.random.Generator) -> Lighting:
    """From frontal and flat to one strong lamp from the side."""

    def lamp(azimuth_deg: float, height_deg: float, colour: Array) -> Lamp:
        a, h = np.radians([azimuth_deg, height_deg])
        direction = np.array([np.sin(a) * np.cos(h), -np.sin(h), -np.cos(a) * np.cos(h)])
        return Lamp(direction.astype(np.float32), np.asarray(colour, np.float32))

    def tint(spread: float) -> Array:
        warm = dice.normal(0, spread)
        return np.array([1 + warm, 1 + 0.1 * warm + dice.normal(0, 0.15 * spread), 1 - warm])

    contrast = float(dice.beta(1.2, 2.0))
    frontal = dice.random() < 0.3
    azimuth = dice.normal(0, 18) if frontal else dice.choice([-1, 1]) * dice.uniform(15, 75)
    key = lamp(azimuth, dice.uniform(8, 55), (0.3 + 0.9 * contrast) * tint(0.10))
    side = -np.sign(azimuth) if azimuth else 1.0
    fill = lamp(side * dice.uniform(20, 80), dice.uniform(-10, 40), dice.uniform(0.03, 0.3) * tint(0.12))
    strong_rim = dice.random() < 0.3
    rim = lamp(
        dice.choice([-1, 1]) * dice.uniform(115, 160),
        dice.uniform(0, 50),
        dice.uniform(0.4, 1.6) * strong_rim * tint(0.15),
    )
    soft = 0.75 - 0.5 * contrast
    lobes = (
        lamp(dice.uniform(-40, 40), dice.uniform(40, 85), soft * dice.uniform(0.5, 1.0) * tint(0.08)),
        lamp(
            dice.choice([-1, 1]) * dice.uniform(40, 110),
            dice.uniform(-5, 45),
            soft * dice.uniform(0.1, 0.7) * tint(0.14),
        ),
        lamp(dice.uniform(-30, 30), dice.uniform(-60, -20), soft * dice.uniform(0.05, 0.3) * tint(0.14)),
    )
    ground = (0.10 + 0.22 * (1 - contrast)) * tint(0.06)
    return Lighting(
        key,
        fill,
        rim,
        lobes,
        ground.astype(np.float32),
        float(dice.uniform(1.5, 6.0)),
        float(dice.uniform(0.6, 1.3)),
    )


def scaled(lighting: Lighting, factor: float) -> Lighting:
    """The same light, brighter or darker."""

    def dim(lamp: Lamp) -> Lamp:
        return Lamp(lamp.direction, (lamp.colour * factor).astype(np.float32))

    return Lighting(
        dim(lighting.key), dim(lighting.fill), dim(lighting.rim), tuple(map(dim, lighting.lobes)),
        (lighting.ground * factor).astype(np.float32), lighting.softness, lighting.catch,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shading:
    """What light does at each vertex.

    light: float32 [V, 3], multiplies the surface's colour. bend: [V, 2], the share by which a slope of the relief
    along u and v changes that. near: [V, 3]: cosine to the key's mirror direction, and its change with both slopes.
    shine: [V], brightness of reflections.
    """

    light: Float
    bend: Float
    near: Float
    shine: Float


def shade(
    lighting: Lighting,
    normals: Float,
    tangents: tuple[Float, Float],
    seen: Float,
    open_: Float,
    wrap: Float,
    gleam: Float,
) -> Shading:
    """Light at vertices.

    normals, tangents along u and v: unit [V, 3]. seen: [V], how much of the key reaches each, 0 to 1; open_: [V], of
    the environment; wrap: [V], how far light creeps round under the skin; gleam: [V], factor on reflections.
    """
    environment, slope = lighting.environment(normals)
    open_ = np.maximum(open_, 0.0)
    # What is hidden is lit by its own warm surroundings.
    light = environment * (open_[:, None] ** np.array([0.85, 1.0, 1.0], np.float32))
    slope *= open_[:, None]
    for lamp, reach in ((lighting.key, seen), (lighting.fill, open_), (lighting.rim, open_ * open_)):
        cosine = normals @ lamp.direction
        wide = wrap[:, None] * np.array([1.0, 0.55, 0.45], np.float32)
        lit = np.maximum(cosine[:, None] + wide, 0.0) / (1.0 + wide) ** 2
        light += lit * (np.maximum(reach, 0.0)[:, None] ** PURPLE) * lamp.colour
        slope += ((cosine > -0.1) * reach)[:, None] * (lamp.direction * float(lamp.colour @ LUMA))
    luma = np.maximum(light @ LUMA, 0.02)
    u, v = tangents
    bend = -np.stack([np.einsum("ij,ij->i", u, slope), np.einsum("ij,ij->i", v, slope)], 1) / luma[:, None]
    half = lighting.key.half_way
    near = np.stack([normals @ half, -(u @ half), -(v @ half)], 1)
    facing = np.clip(-normals[:, 2], 0.0, 1.0)
    fresnel = 1.0 + 4.0 * (1.0 - facing) ** 4
    shine = (
        gleam
        * fresnel
        * (0.25 * open_ + 0.75 * seen)
        * lighting.catch
        * max(float(lighting.key.colour @ LUMA), 0.35)
    )
    return Shading(
        light.astype(np.float32), bend.astype(np.float32), near.astype(np.float32), shine.astype(np.float32)
    )


def visibility(
    points: Float, casters: Float, triangles: Int, direction: Float, softness: float, side: int = SHADOW_SIDE
) -> Float:
    """How much of a far lamp each point sees, float32 [V] in [0, 1], by a depth map of the casters."""
    across, down = _basis(direction)
    scale = side / SHADOW_SPAN_DM
    frame = np.stack([across, down, -direction], 1)
    placed = (casters @ frame).astype(np.float32)
    depth, found = np.empty((1, side, side), np.float32), np.empty((side, side), np.int32)
    half = SHADOW_SPAN_DM / 2
    rasterise(
        placed, triangles, np.ascontiguousarray(placed[:, 2:]), depth, found, np.empty(found.shape, np.int64),
        origin=(-half, -half), scale=scale,
    )  # fmt: skip
    plane = depth[0]
    plane[found < 0] = 1e3
    there = points @ frame
    at = (there[:, :2] + half) * scale
    total = np.zeros(len(points), np.float32)
    offsets = ((0.0, 0.0), (1.0, 0.4), (-0.4, 1.0), (-1.0, -0.4), (0.4, -1.0), (0.5, -0.5), (-0.5, 0.5))
    for dx, dy in offsets:
        column = np.clip(at[:, 0] + softness * dx, 0, side - 1).astype(np.int32)
        row = np.clip(at[:, 1] + softness * dy, 0, side - 1).astype(np.int32)
        gap = there[:, 2] - plane[row, column]
        total += np.clip(1.0 - (gap - SHADOW_BIAS_DM) / 0.03, 0.0, 1.0)
    return np.asarray(total / len(offsets), np.float32)


def openness(points: Float, normals: Float, triangles: Int) -> Float:
    """How much of the sky around its normal each point sees, float32 [V] in [0, 1]."""
    total, weight = np.zeros(len(points)), np.full(len(points), 1e-6)
    for k in range(AO_DIRECTIONS):
        height = 1 - 2 * (k + 0.5) / AO_DIRECTIONS
        turn = k * np.pi * (3 - np.sqrt(5))
        flat = np.sqrt(1 - height * height)
        direction = np.array([flat * np.cos(turn), height, flat * np.sin(turn)], np.float32)
        cosine = np.maximum(normals @ direction, 0.0)
        if direction[2] > 0.75:  # straight from behind
            continue
        total += cosine * visibility(points, points, triangles, direction, 1.0, AO_SIDE)
        weight += cosine
    return np.asarray(total / weight, np.float32)


def _basis(direction: Float) -> tuple[Float, Float]:
    """Two unit vectors across a direction."""
    other = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.cross(other, direction)
    across /= np.linalg.norm(across)
    return across.astype(np.float32), np.cross(direction, across).astype(np.float32)
