"""All surfaces of one made person as one mesh: what is attached to what, and where it goes in a frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.avatar.contact import contact_pairs
from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float, Int
from engine.training.synthetic_atlas import block_uv
from engine.training.synthetic_eyes import LASH_JOINTS, Ball, Lashes
from engine.training.synthetic_hair import Shell
from engine.training.synthetic_light import openness
from engine.training.synthetic_mesh import (
    fine_skin,
    normal_operator,
    ribbon_triangles,
    skin_triangles,
    vertex_normals,
)
from engine.training.synthetic_mouth import JawMesh, Tongue
from engine.training.synthetic_shape import SIDES, HeadShape
from kernels.rasterise import rasterise

Array = NDArray[Any]

NECK_DM: Final = (0.66, 0.62)
"""Where the pose begins to fade below the head's pivot, and over how much."""


@dataclass(frozen=True)
class Finish:
    """How a surface takes light. wrap: how far light creeps under it; gleam: factor on its reflections."""

    wrap: float
    gleam: float


FINISH: Final = {
    "skin": Finish(0.32, 1.0),
    "eye": Finish(0.25, 1.0),
    "lash": Finish(0.4, 0.1),
    "tooth": Finish(0.4, 0.8),
    "gum": Finish(0.4, 1.0),
    "tongue": Finish(0.4, 0.8),
    "hair": Finish(0.3, 0.7),
    "wisp": Finish(0.3, 0.2),
    "cloth": Finish(0.15, 0.6),
    "frame": Finish(0.1, 0.8),
}


SOLID: Final = {"skin": -1.0, "eye": -1.0}
"""Sign of the outer side's turn in the picture."""


FACE, MOUTH, EYE = 1, 2, 3
LIT_DM: Final = 0.06
"""So far behind the lips' line all of the light through them still arrives."""
LIT_AREA: Final = 2.0
"""Where depth squared is the lips' gap over this, half of the light is lost."""
THICKNESS_DM: Final = 0.025
"""How far behind the skin everything inside the mouth stays."""
INNER_LIP: Final = 0.45
"""How far behind the lips' line the inside of the mouth begins, as ``FineSkin.bag`` counts."""


@dataclass(frozen=True, eq=False)
class Body:
    """One person's mesh.

    triangles: int32 [T, 3]; uv: float32 [V, 2]; rigid: float32 [V], how far each vertex follows the head's pose;
    wrap, gleam: float32 [V]; tangents: two float32 [V, 3] along u and v at rest; open_: float32 [V], of the
    environment that each vertex sees at rest; parts: slices by name; deep_light: share of the light that reaches the
    depth of the mouth, handed on by its flesh however little the lips are apart.
    """

    shape: HeadShape
    swell: Float
    balls: dict[str, Ball]
    lashes: tuple[tuple[str, Lashes], ...]
    jaws: tuple[JawMesh, ...]
    tongue: Tongue
    shells: tuple[Shell, ...]
    parts: dict[str, slice]
    triangles: Int
    uv: Float
    rigid: Float
    wrap: Float
    gleam: Float
    around: csr_matrix
    tangents: tuple[Float, Float]
    open_: Float
    solid: Float
    deep_light: float

    def drive(self, blendshapes: Float) -> tuple[Float, Float]:
        """Control vertices [C, 3] and all vertices [V, 3] for an expression, before the pose."""
        control, gaze = self.shape.drive(blendshapes)
        return control, self.vertices(control, gaze)

    def vertices(self, control: Float, gaze: dict[str, Array]) -> Float:
        """All vertices [V, 3] that belong to driven control vertices and eye rotations."""
        pieces: list[Array] = [fine_skin().from_control @ control + self.swell]
        for side in SIDES:
            pieces.append(self.balls[side].vertices @ gaze[side].T + self.shape.eyes[side].centre)
        pieces += [lashes.drive(control, self.shape.eyes[side].centre) for side, lashes in self.lashes]
        pieces += [jaw.drive(self.shape, control) for jaw in self.jaws]
        pieces.append(self.tongue.from_control @ control + self.tongue.sink)
        pieces += [shell.vertices for shell in self.shells]
        return np.concatenate(pieces).astype(np.float32)

    def facing(self, placed: Float) -> Int:
        """Numbers of the triangles that may be seen in the picture; placed: [V, 3] pixels. Those of solids that face away are not."""
        x, y = (np.ascontiguousarray(placed[:, k]) for k in (0, 1))
        a, b, c = self.corners
        ax, ay = x[a], y[a]
        turned = (x[b] - ax) * (y[c] - ay) - (y[b] - ay) * (x[c] - ax)
        return np.flatnonzero(turned * self.solid >= 0).astype(np.int32)

    def normals(self, vertices: Float) -> Float:
        """Unit normals [V, 3]."""
        return vertex_normals(vertices, self.triangles, self.around)

    def hidden(self, control: Float, vertices: Float) -> tuple[Float, Float]:
        """For every vertex, which share of the environment and of a lamp mouth and lids leave: float32 [V] each."""
        much = np.ones(len(vertices), np.float32)
        lips = contact_pairs()["lips"]
        upper, lower = lips.lines(control)
        gap = np.maximum(lower[:, 1] - upper[:, 1], 0.0)
        width = float(np.linalg.norm(upper[-1] - upper[0]))
        area = 0.9 * float(gap.mean()) * width + 2e-4
        middle = (upper[16] + lower[16]) / 2
        inside = self.inside
        away = vertices[inside.places] - middle
        depth = (
            np.maximum(away[:, 2] - LIT_DM, 0.0) ** 2
            + 0.4 * np.maximum(np.abs(away[:, 1]) - gap.max() / 2, 0.0) ** 2
        )
        lost = depth / (area / LIT_AREA + depth)
        much[inside.places] = 1 - inside.share * (1 - self.deep_light) * lost
        for side in SIDES:
            self._under_lids(control, vertices, much, side)
        return much, np.sqrt(much)

    def _under_lids(self, control: Float, vertices: Float, much: Float, side: str) -> None:
        pair = contact_pairs()[side]
        ball = self.parts[f"{side}_eye"]
        x, y = vertices[ball, 0], vertices[ball, 1]
        upper, lower = control[pair.upper], control[pair.lower]
        below = y - np.interp(x, upper[:, 0], upper[:, 1])
        above = np.interp(x, lower[:, 0], lower[:, 1]) - y
        ends = np.minimum(x - upper[0, 0], upper[-1, 0] - x)
        shade = 0.34 + 0.66 * smooth_step(below / 0.075 + 0.15)
        shade *= 0.72 + 0.28 * smooth_step(above / 0.035 + 0.2)
        shade *= 0.6 + 0.4 * smooth_step(ends / 0.06 + 0.2)
        much[ball] *= shade

    @cached_property
    def corners(self) -> tuple[Int, Int, Int]:
        """First, second and third vertex of each triangle, int32 [T] each."""
        a, b, c = (np.ascontiguousarray(self.triangles[:, k]) for k in range(3))
        return a, b, c

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """What each triangle is, uint8 [T]: FACE, MOUTH, EYE or, elsewhere, 0."""
        kind = np.zeros(len(self.uv), np.uint8)
        skin = fine_skin()
        kind[self.parts["skin"]] = np.where(skin.bag > INNER_LIP, MOUTH, FACE)
        for name in ("upper_jaw", "lower_jaw", "tongue"):
            kind[self.parts[name]] = MOUTH
        for side in SIDES:
            kind[self.parts[f"{side}_eye"]] = EYE
        return np.asarray(kind[self.triangles].max(axis=1))

    @cached_property
    def inside(self) -> "Inside":
        """What lies inside the mouth."""
        skin = fine_skin()
        bag = np.flatnonzero(skin.bag > 0)
        mouth = np.concatenate(
            [
                np.arange(self.parts[name].start, self.parts[name].stop)
                for name in ("upper_jaw", "lower_jaw", "tongue")
            ]
        )
        share = np.concatenate([np.clip(skin.bag[bag] * 2.5, 0, 1), np.ones(len(mouth))])
        return Inside(np.concatenate([bag, mouth]), share.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Inside:
    """places: vertices inside the mouth; share: float32, how far."""

    places: Array
    share: Float


def make_body(
    shape: HeadShape,
    swell: Float,
    balls: dict[str, Ball],
    lashes: Sequence[tuple[str, Lashes]],
    jaws: Sequence[JawMesh],
    tongue: Tongue,
    shells: Sequence[tuple[str, Shell]],
    deep_light: float,
) -> Body:
    """Join the parts. swell: float32 [F, 3], added to the fine skin; shells: each with its kind, of ``FINISH``."""
    skin = fine_skin()
    shown = skin.triangles[~_under_clothes(skin.mean)[skin.triangles].any(axis=1)]
    triangles, uv, finish, counts, names = [shown], [skin.uv], ["skin"], [len(skin.uv)], ["skin"]

    def add(name: str, kind: str, tri: Int, texels: Float) -> None:
        triangles.append(tri + sum(counts))
        uv.append(texels)
        finish.append(kind)
        counts.append(len(texels))
        names.append(name)

    for side in SIDES:
        add(f"{side}_eye", "eye", balls[side].triangles, balls[side].uv)
    for k, (_, one) in enumerate(lashes):
        add(
            f"lashes{k}",
            "lash",
            ribbon_triangles(len(one.left), LASH_JOINTS),
            block_uv("lashes", np.full((one.offsets.size // 3, 2), 0.5)).astype(np.float32),
        )
    for name, jaw in zip(("upper_jaw", "lower_jaw"), jaws, strict=True):
        add(name, "tooth", jaw.triangles, jaw.uv)
    add("tongue", "tongue", tongue.triangles, tongue.uv)
    for k, (kind, shell) in enumerate(shells):
        add(f"shell{k}", kind, shell.triangles, shell.uv)
    ends = np.cumsum(counts)
    parts = {
        name: slice(int(end - count), int(end)) for name, end, count in zip(names, ends, counts, strict=True)
    }
    joined = np.ascontiguousarray(np.concatenate(triangles), np.int32)
    texels = np.concatenate(uv).astype(np.float32)
    total = int(ends[-1])
    wrap = np.repeat(np.array([FINISH[f].wrap for f in finish], np.float32), counts)
    gleam = np.repeat(np.array([FINISH[f].gleam for f in finish], np.float32), counts)
    gleam[: len(skin.uv)] *= 1 - 0.85 * np.maximum(skin.socket, 0)
    around = normal_operator(joined, total)
    zeros = np.zeros((total, 3), np.float32)
    # Outer sides of solids turn clockwise in the picture or not at all; thin surfaces are seen from both sides.
    solid = np.repeat(np.array([SOLID.get(f, 0.0) for f in finish], np.float32), [len(t) for t in triangles])
    body = Body(
        shape=shape,
        swell=swell,
        balls=balls,
        lashes=tuple(lashes),
        jaws=tuple(jaws),
        tongue=tongue,
        shells=tuple(shell for _, shell in shells),
        parts=parts,
        triangles=joined,
        uv=texels,
        rigid=np.ones(total, np.float32),
        wrap=wrap,
        gleam=gleam,
        around=around,
        tangents=(zeros, zeros),
        open_=np.ones(total, np.float32),
        solid=solid,
        deep_light=deep_light,
    )
    rest = body.drive(np.zeros(52, np.float32))[1]
    normals = body.normals(rest)
    rigid = follows(rest)
    for k, (kind, _) in enumerate(shells):
        if kind == "cloth":
            rigid[parts[f"shell{k}"]] = 0.0
    open_ = np.clip(0.06 + 1.06 * openness(rest, normals, joined), 0, 1) ** 1.4
    for side in SIDES:
        open_[parts[f"{side}_eye"]] = 1.0
    for name in ("upper_jaw", "lower_jaw", "tongue"):
        open_[parts[name]] = 0.9
    open_[: len(skin.uv)] = np.where(skin.bag > 0.02, 0.9, open_[: len(skin.uv)])
    for name, part in parts.items():
        if name.startswith("lashes"):
            open_[part] = 0.9
    return replace(
        body, rigid=rigid, tangents=tangents(rest, joined, texels, around), open_=open_.astype(np.float32)
    )


def _under_clothes(mean: Array) -> Array:
    """Arms and chest, which no garment shows."""
    return np.asarray(((np.abs(mean[:, 0]) > 1.0) & (mean[:, 1] > 1.0)) | (mean[:, 1] > 1.7))


def behind_skin(points: Float, neutral: Float) -> Float:
    """Points [N, 3] of the shut mouth's inside, moved back where the skin before them ([V, 3], at rest) is too near."""
    shape, scale = (160, 160), 100.0
    depth, found = np.empty((1, *shape), np.float32), np.empty(shape, np.int32)
    origin = (-0.8, -0.4)
    front = np.ascontiguousarray(neutral[:, 2:])
    rasterise(neutral, skin_triangles(), front, depth, found, np.empty(shape, np.int64), origin, scale)
    column, row = (np.clip((points[:, k] - origin[k]) * scale, 0, 159).astype(int) for k in (0, 1))
    hollow = cv2.dilate(
        np.where(found < 0, -2.0, depth[0]).astype(np.float32), np.ones((5, 5))
    )  # the farthest near it
    moved = points.copy()
    moved[:, 2] = np.maximum(points[:, 2], hollow[row, column] + THICKNESS_DM)
    return moved


def follows(points: Array) -> Float:
    """How far points [..., 3] at rest follow the head's pose: 1 on the head, 0 on the torso."""
    begin, over = NECK_DM
    y = points[..., 1] + 0.25 * np.maximum(points[..., 2], 0.0)  # the nape bends farther up
    aside = np.maximum(np.abs(points[..., 0]) - 0.6, 0.0)
    return np.asarray(1.0 - smooth_step((y + 0.3 * aside - begin) / over), np.float32)


def tangents(vertices: Float, triangles: Int, uv: Float, around: csr_matrix) -> tuple[Float, Float]:
    """Unit directions along u and v on the surface, [V, 3] each."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    p, q, r = (uv[triangles[:, k]] for k in range(3))
    d1, d2, e1, e2 = q - p, r - p, b - a, c - a
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    sound = np.where(np.abs(area) > 1e-6, np.sign(area), 0.0)[:, None]
    along_u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * sound
    along_v = (e2 * d1[:, :1] - e1 * d2[:, :1]) * sound
    both = []
    for direction in (along_u, along_v):
        total = around @ direction.astype(np.float32)
        size = np.linalg.norm(total, axis=1, keepdims=True)
        both.append((total / np.maximum(size, 1e-9) * (size > 1e-9)).astype(np.float32))
    return both[0], both[1]
