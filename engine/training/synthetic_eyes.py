"""Eyeballs and lashes of made heads: geometry, iris and sclera."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.head_model import load_head_model
from engine.avatar.parts import Float, Int
from engine.training.synthetic_atlas import BLOCKS, block_uv, fractal
from engine.training.synthetic_shape import HeadShape

Array = NDArray[Any]

RING_ANGLES_DEG: Final = np.array([0, 3, 6, 9, 12, 15, 18, 20.5, 22.5, 25, 29, 34, 40, 47, 55, 64, 74, 86])
SPOKES: Final = 36
EDGE_DEG: Final = 90.0
"""Angle from the gaze that lies at the border of the eye's picture."""
CORNEA_DM: Final = 0.009
IRIS_DM: Final = (0.058, 0.066)

LASHES: Final = {"upper": (110, 0.075), "lower": (60, 0.036)}
"""How many, and how long in decimetres."""
LASH_JOINTS: Final = 4


@dataclass(frozen=True, eq=False)
class Ball:
    """An eyeball in its own frame, looking along -z: vertices float32 [V, 3], triangles, and texels of the atlas."""

    vertices: Float
    triangles: Int
    uv: Float


def make_ball(radius: float, block: str, iris_deg: float) -> Ball:
    """A cap with a cornea."""
    angle = np.radians(RING_ANGLES_DEG)[:, None]
    turn = np.linspace(0, 2 * np.pi, SPOKES, endpoint=False)
    bulge = CORNEA_DM * np.clip(1 - (RING_ANGLES_DEG[:, None] / (iris_deg * 1.1)) ** 2, 0, 1)
    r = radius + bulge
    x, y = r * np.sin(angle) * np.cos(turn), r * np.sin(angle) * np.sin(turn)
    z = np.broadcast_to(-r * np.cos(angle), x.shape)
    share = 0.5 + 0.5 * (angle / np.radians(EDGE_DEG))[..., None] * np.stack([np.cos(turn), np.sin(turn)], -1)
    ring, spoke = np.meshgrid(np.arange(len(angle) - 1), np.arange(SPOKES), indexing="ij")
    a, b = ring * SPOKES + spoke, ring * SPOKES + (spoke + 1) % SPOKES
    c, d = a + SPOKES, b + SPOKES
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, d), (a, d, c))])
    return Ball(
        np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32),
        np.ascontiguousarray(triangles, np.int32),
        block_uv(block, share.reshape(-1, 2)).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class EyeLooks:
    """What both eyes of one person share. iris: RGB in [0, 1]; pupil: over the iris's radius; iris_dm: radius."""

    iris: Array
    iris_dm: float
    pupil: float
    bloodshot: float
    yellow: float


def make_looks(ethnicity: tuple[float, float, float], age: float, dice: np.random.Generator) -> EyeLooks:
    """Mostly brown; blue, green and grey with Caucasian features."""
    kinds = np.array(
        [[62, 38, 24], [96, 62, 34], [112, 92, 52], [84, 110, 82], [92, 126, 150], [120, 132, 140]]
    )
    light = ethnicity[2] ** 1.5
    odds = np.array([0.55, 0.3, 0.12 + 0.1 * light, 0.25 * light, 0.5 * light, 0.2 * light])
    odds[0] += 1.5 * (1 - light)
    colour = kinds[dice.choice(len(kinds), p=odds / odds.sum())] / 255 * dice.uniform(0.9, 1.4)
    return EyeLooks(
        iris=np.clip(colour + dice.normal(0, 0.02, 3), 0.02, 0.9),
        iris_dm=float(dice.uniform(*IRIS_DM)),
        pupil=float(dice.uniform(0.26, 0.44)),
        bloodshot=float(np.clip(abs(dice.normal(0.25, 0.2)), 0, 1)),
        yellow=float(np.clip(dice.normal(0.2 + 0.3 * age, 0.15), 0, 1)),
    )


def eye_picture(looks: EyeLooks, radius: float, block: str, dice: np.random.Generator) -> tuple[Array, Array]:
    """RGB [h, w, 3] and gloss of one eye's block."""
    _, _, width, height = BLOCKS[block]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = (x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1
    distance = np.hypot(x, y)
    around = np.arctan2(y, x)
    iris_share = np.degrees(np.arcsin(looks.iris_dm / radius)) / EDGE_DEG
    rho = distance / iris_share
    # Fibres run outward: noise over the angle, stretched along the radius.
    polar: Array = cv2.resize(
        dice.standard_normal((6, 110)).astype(np.float32), (512, 64), interpolation=cv2.INTER_CUBIC
    )
    polar += 0.7 * cv2.resize(
        dice.standard_normal((4, 40)).astype(np.float32), (512, 64), interpolation=cv2.INTER_CUBIC
    )
    polar[:, -1] = polar[:, 0]
    fibres = cv2.remap(
        polar, ((around + np.pi) / (2 * np.pi) * 511).astype(np.float32), np.clip(rho * 63, 0, 63).astype(np.float32),
        cv2.INTER_LINEAR,
    )  # fmt: skip
    warm = np.exp(-(((rho - looks.pupil - 0.12) / 0.16) ** 2))[..., None] * np.array([0.14, 0.05, -0.04])
    iris = looks.iris * (1 + 0.22 * fibres[..., None]) + warm * dice.uniform(0, 1.2)
    limbal = smooth_step((rho - 0.72) / 0.3)[..., None]
    iris = iris * (1 - dice.uniform(0.5, 0.85) * limbal)
    pupil = smooth_step((rho - looks.pupil + 0.04) / 0.08)[..., None]
    iris = iris * pupil + 0.015 * (1 - pupil)
    white = (
        np.array([0.90, 0.875, 0.85])
        + looks.yellow * np.array([-0.03, -0.05, -0.13])
        + dice.normal(0, 0.01, 3)
    )
    veins = _veins(width, looks.bloodshot, dice)
    out = smooth_step((distance - iris_share) / (0.8 - iris_share))[..., None]
    sclera = white * (1 - 0.06 * out) - out * looks.bloodshot * np.array([0.0, 0.10, 0.10])
    sclera = sclera - veins[..., None] * np.array([0.08, 0.34, 0.32])
    sclera += 0.012 * fractal((height, width), 8, 3, dice)[..., None]
    caruncle = _inner_corner(x, y, block)
    sclera = sclera * (1 - caruncle) + np.array([0.72, 0.42, 0.38]) * caruncle
    mix = smooth_step((rho - 0.93) / 0.14)[..., None]
    return np.clip(iris * (1 - mix) + sclera * mix, 0, 1), np.full((height, width), 0.95)


def _inner_corner(x: Array, y: Array, block: str) -> Array:
    """The pink flesh toward the nose."""
    toward_nose = -x if block == "left_eye" else x
    return smooth_step((toward_nose - 0.5) / 0.12)[..., None] * 0.8


def _veins(side: int, strength: float, dice: np.random.Generator) -> Array:
    """Fine crooked lines from the corners toward the iris, [side, side] in [0, 1]."""
    picture = np.zeros((side * 2, side * 2), np.float32)
    for _ in range(int(6 + 30 * strength)):
        angle = dice.choice([0.0, np.pi]) + dice.normal(0, 0.5)
        radius = np.linspace(0.95, dice.uniform(0.33, 0.6), 14)
        bend = np.cumsum(dice.normal(0, 0.045, 14))
        points = side * (1 + radius[:, None] * np.stack([np.cos(angle + bend), np.sin(angle + bend)], -1))
        cv2.polylines(
            picture, [np.rint(points).astype(np.int32)], False, float(dice.uniform(0.2, 0.8)), 1, cv2.LINE_AA
        )
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) * (0.4 + strength))


@dataclass(frozen=True, eq=False)
class Lashes:
    """Lashes of one lid: ribbons rooted on the lid's line.

    line: vertices of the head model. left: int [S] and share: [S]: each root lies that far from point ``left`` of the
    line to the next. offsets: float32 [S, JOINTS, 2, 3], from the root, at rest. angle: [S] radians, the root's about
    the eyeball.
    """

    line: Int
    left: Int
    share: Array
    offsets: Float
    angle: Array

    def drive(self, vertices: Float, centre: Array) -> Float:
        """Vertices [S * JOINTS * 2, 3]; lashes turn about the eyeball as their lid does."""
        points = vertices[self.line]
        root = points[self.left] * (1 - self.share[:, None]) + points[self.left + 1] * self.share[:, None]
        turn = 1.9 * (_angle(root, centre) - self.angle)
        c, s = np.cos(turn)[:, None, None], np.sin(turn)[:, None, None]
        x, y, z = self.offsets[..., 0], self.offsets[..., 1], self.offsets[..., 2]
        turned = np.stack([x, c * y - s * z, s * y + c * z], axis=-1)
        return np.asarray((root[:, None, None] + turned).reshape(-1, 3), np.float32)


def make_lashes(shape: HeadShape, side: str, lid: str, length: float, dice: np.random.Generator) -> Lashes:
    """Lashes for one lid; length: 1 usual."""
    count, reach = LASHES[lid]
    line = load_head_model().groups[f"{side}_{lid}_lid"]
    points, centre = shape.neutral[line], shape.eyes[side].centre
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    along = (
        np.sort(dice.uniform(0.04, 0.96, count))
        if lid == "upper"
        else np.sort(dice.uniform(0.12, 0.94, count))
    )
    if side == "right":
        along = 1 - along[::-1]
    at = along * walked[-1]
    left = np.clip(np.searchsorted(walked, at) - 1, 0, len(line) - 2)
    share = (at - walked[left]) / (walked[left + 1] - walked[left])
    outward = (along if side == "left" else 1 - along) - 0.45
    sign = 1.0 if side == "left" else -1.0
    size = reach * length * dice.uniform(0.55, 1.1, count) * (0.75 + 0.5 * np.clip(outward + 0.3, 0, 1))
    t = np.linspace(0, 1, LASH_JOINTS)
    up = -1.0 if lid == "upper" else 1.0
    lift = dice.uniform(0.1, 0.6) if lid == "upper" else 0.35
    aside = sign * (0.9 * outward + dice.normal(0, 0.12, count))
    path = np.empty((count, LASH_JOINTS, 3))
    path[..., 0] = size[:, None] * aside[:, None] * t
    path[..., 1] = size[:, None] * up * (0.15 * t + lift * t**2)
    path[..., 2] = -size[:, None] * (0.85 * t - 0.2 * t**2)
    half = 0.5 * dice.uniform(0.0022, 0.0036) * (1 - 0.7 * t)
    ribbon = np.stack([path - [1, 0, 0] * half[:, None], path + [1, 0, 0] * half[:, None]], axis=2)
    root = points[left] * (1 - share[:, None]) + points[left + 1] * share[:, None]
    return Lashes(line, left, share, ribbon.astype(np.float32), _angle(root, centre))


def _angle(points: Array, centre: Array) -> Array:
    return np.asarray(np.arctan2(points[:, 2] - centre[2], points[:, 1] - centre[1]))
