"""The shape of a made person: identity, asymmetry, units calibrated to the face, and how they drive it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.alignment import weak_perspective
from engine.avatar.calibrate import calibrate
from engine.avatar.contact import contact_pairs
from engine.avatar.head_model import HeadModel, load_head_model
from engine.avatar.neutral import close_lips
from engine.avatar.parts import Float
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES

Array = NDArray[Any]

PX_DM: Final = 150.0
"""The pixels that calibration counts in, for one decimetre."""
MODE_SPREAD: Final = {
    "head-": 0.22,
    "nose-": 0.42,
    "mouth-": 0.36,
    "asym-": 0.12,
    "neck-": 0.15,
    "measure-": 0.2,
}
MODE_SPREAD_ELSE: Final = 0.34
MODE_LIMIT: Final = 0.85
OPENER: Final = 0.22
"""The mean of the eyes' height modes: the model's own eyes are narrow ones."""
STILL_MODES: Final = ("head-trans", "neck-trans", "neck-double", "head-angle", "measure-neck-height")
"""Modes that move the whole head about or that no face shows."""
ONE_SIDED: Final = 0.18
"""How much the two sides of one face differ, as a share of a mode's spread."""
OVERLAP: Final = 0.008
"""How far shut lips are pressed together, over the distance of the outer eye corners."""
LID_CLEARANCE_DM: Final = 0.007
UNIT_SPREAD: Final = 0.1
"""How much further or less far than modelled a person's units go."""
LIVELY: Final = ("mouthSmile", "mouthFrown", "mouthUpperUp", "mouthLowerDown", "brow", "noseSneer", "cheekSquint",
                 "mouthDimple", "mouthStretch", "eyeSquint")  # fmt: skip
SIDES: Final = ("left", "right")


@dataclass(frozen=True)
class Traits:
    """Who a made person is: what shape and looks have in common.

    ethnicity: float [3], shares of African, Asian and Caucasian features. male, age: 0 to 1, age 0 about 18 years
    and 1 about 80. weight, muscle: -1 to 1.
    """

    ethnicity: tuple[float, float, float]
    male: float
    age: float
    weight: float
    muscle: float


@dataclass(frozen=True, eq=False)
class Eye:
    """An eyeball at rest: its centre [3] and radius, decimetres."""

    centre: Array
    radius: float


@dataclass(frozen=True, eq=False)
class HeadShape:
    """One person's head.

    Convention: as in ``HeadModel``, the origin is the pivot. neutral: float32 [V, 3]; deltas: float32 [52, V, 3];
    eyes: by side. near_eye: by side, vertices that the eyeball must not come through.
    """

    neutral: Float
    deltas: Float
    eyes: dict[str, Eye]
    near_eye: dict[str, Array]

    def drive(self, blendshapes: Float) -> tuple[Float, dict[str, Array]]:
        """Vertices float32 [V, 3] before the pose, and each eye's rotation [3, 3]."""
        amounts = settle(self, blendshapes)
        vertices = self.neutral + np.tensordot(amounts, self.deltas, 1)
        gaze = {side: gaze_rotation(blendshapes, side) for side in SIDES}
        model = load_head_model()
        for side in SIDES:
            eye, ball = self.eyes[side], model.groups[f"{side}_eye"]
            vertices[ball] = (self.neutral[ball] - eye.centre) @ gaze[side].T + eye.centre
            self._off_the_ball(vertices, side)
        _part_lips(vertices)
        return vertices.astype(np.float32), gaze

    def _off_the_ball(self, vertices: Float, side: str) -> None:
        """Lids slide over the eyeball: a straight way from open to shut would cut through it."""
        eye, near = self.eyes[side], self.near_eye[side]
        away = vertices[near] - eye.centre
        distance = np.linalg.norm(away, axis=1)
        least = eye.radius + LID_CLEARANCE_DM
        inside = (distance < least) & (away[:, 2] < 0.2 * eye.radius)
        away[inside] *= (least / np.maximum(distance[inside], 1e-6))[:, None]
        vertices[near] = eye.centre + away


def settle(shape: HeadShape, blendshapes: Float) -> Float:
    """How far each unit goes once it minds the others, float32 [52].

    Lips shut no farther than the jaw has opened; a blink goes as far as the other units leave the lids open.
    """
    amounts = np.clip(blendshapes, 0.0, 1.0).astype(np.float32)
    close, opened = ARKIT_INDEX["mouthClose"], ARKIT_INDEX["jawOpen"]
    amounts[close] = min(amounts[close], amounts[opened])
    for side in SIDES:
        pair, blink = contact_pairs()[side], ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
        if amounts[blink] == 0.0:
            continue
        others = amounts.copy()
        others[blink] = 0.0
        opening = float(pair.gap(shape.neutral).mean())
        lids = np.concatenate([pair.upper, pair.lower])
        here = shape.neutral.copy()
        here[lids] += np.tensordot(others, shape.deltas[:, lids], 1)
        amounts[blink] *= np.clip(float(pair.gap(here).mean()) / max(opening, 1e-6), 0.0, 1.4)
    return amounts


def gaze_rotation(blendshapes: Float, side: str) -> Array:
    """Rotation of an eyeball [3, 3] for the gaze shapes."""
    value = {
        way: float(np.clip(blendshapes[ARKIT_INDEX[f"eyeLook{way}{side.capitalize()}"]], 0, 1))
        for way in ("In", "Out", "Up", "Down")
    }
    toward_viewer_right = value["Out"] - value["In"] if side == "left" else value["In"] - value["Out"]
    yaw = np.radians(GAZE_ASIDE_DEG * toward_viewer_right)
    pitch = np.radians(GAZE_UP_DEG * (value["Down"] - value["Up"]))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(about_y @ about_x)


GAZE_ASIDE_DEG: Final = 24.0
GAZE_UP_DEG: Final = 18.0


def make_traits(dice: np.random.Generator) -> Traits:
    """Anyone: all ages, origins and sexes."""
    african, asian, caucasian = dice.dirichlet([0.45, 0.45, 0.45]).tolist()
    side = 1.0 if dice.random() < 0.5 else 0.0
    return Traits(
        ethnicity=(african, asian, caucasian),
        male=float(np.clip(side + (0.5 - side) * abs(dice.normal(0, 0.35)), 0, 1)),
        age=float(dice.beta(1.1, 1.9)),
        weight=float(np.clip(dice.normal(0, 0.5), -1, 1)),
        muscle=float(np.clip(dice.normal(0, 0.5), -1, 1)),
    )


def make_shape(traits: Traits, dice: np.random.Generator) -> HeadShape:
    """A head for these traits: no two alike, neither the two halves of one."""
    head = load_head_model()
    amounts = identity_amounts(head, traits, dice)
    neutral = head.vertices + np.tensordot(amounts, head.identity.astype(np.float64), 1)
    scale, rotation, shift = weak_perspective(
        head.landmarks(neutral)[:468], head.landmarks(head.vertices)[:468], np.ones(468)
    )
    # The same size and place in the picture for all; the eyes' line stays as the mean head's.
    neutral = scale * neutral @ rotation.T
    neutral += shift
    deltas = scale * head.units.astype(np.float64) @ rotation.T
    pairs = contact_pairs()
    inter_ocular = PX_DM * float(
        np.linalg.norm(neutral[pairs["left"].upper[-1]] - neutral[pairs["right"].upper[0]])
    )
    overlap = OVERLAP * inter_ocular
    pixels = PX_DM * neutral
    pixels += close_lips(pairs["lips"], pixels, overlap)
    calibrated = (
        calibrate(pixels, PX_DM * deltas, pairs, inter_ocular, overlap, np.zeros(len(deltas))) / PX_DM
    )
    lively = np.array([name.startswith(LIVELY) for name in ARKIT_NAMES])
    reach = np.where(lively, np.clip(dice.normal(1.0, UNIT_SPREAD, 52), 0.75, 1.25), 1.0)
    neutral = (pixels / PX_DM).astype(np.float32)
    eyes = {side: _eye(neutral, head, side) for side in SIDES}
    return HeadShape(
        neutral=neutral,
        deltas=(calibrated * reach[:, None, None]).astype(np.float32),
        eyes=eyes,
        near_eye={side: _near(neutral, head, eyes[side]) for side in SIDES},
    )


def identity_amounts(head: HeadModel, traits: Traits, dice: np.random.Generator) -> Array:
    """Coefficients of the identity modes, [S]."""
    amounts = np.zeros(len(head.identity_names))
    shared: dict[str, float] = {}
    for k, name in enumerate(head.identity_names):
        spread = next((s for start, s in MODE_SPREAD.items() if name.startswith(start)), MODE_SPREAD_ELSE)
        stem = name[2:] if name.startswith(("l-", "r-")) else name
        both = shared.setdefault(stem, float(dice.normal(0, spread)))
        own = dice.normal(0, ONE_SIDED * spread) if stem != name else 0.0
        if stem != name and any(word in stem for word in ("trans-out", "push", "bag-out")):
            both *= 0.6
        if stem.startswith(("eye-height", "eye-scale")):
            both += OPENER
        if stem == "mouth-angles-up":
            both += 0.2  # or most look sullen
        amounts[k] = 0.0 if name.startswith(STILL_MODES) else np.clip(both + own, -MODE_LIMIT, MODE_LIMIT)
    number = {name: k for k, name in enumerate(head.identity_names)}
    for share, name in zip(traits.ethnicity, ("african", "asian", "caucasian"), strict=True):
        amounts[number[f"macro-{name}"]] = share
    amounts[number["macro-male"]] = 2.0 * traits.male - 1.0
    amounts[number["macro-old"]] = 1.1 * max(traits.age - 0.3, 0.0)
    amounts[number["macro-weight"]] = traits.weight
    amounts[number["macro-muscle"]] = traits.muscle
    amounts[number["head-age-incr"]] = np.clip(traits.age - 0.3 + dice.normal(0, 0.2), -0.4, 0.8)
    amounts[number["neck-double-incr"]] = np.clip(0.5 * traits.weight + dice.normal(0, 0.2), 0, 0.8)
    return amounts


def _eye(neutral: Array, head: HeadModel, side: str) -> Eye:
    """A sphere through the eyeball's vertices (least squares)."""
    ball = neutral[head.groups[f"{side}_eye"]].astype(np.float64)
    matrix = np.column_stack([2 * ball, np.ones(len(ball))])
    x, y, z, rest = np.linalg.lstsq(matrix, (ball**2).sum(axis=1), rcond=None)[0]
    return Eye(np.array([x, y, z]), float(np.sqrt(rest + x * x + y * y + z * z)))


def _near(neutral: Array, head: HeadModel, eye: Eye) -> Array:
    """Vertices of the lids and of what lies behind them."""
    skin = np.concatenate([head.groups[n] for n in ("skin", "left_socket", "right_socket")])
    distance = np.linalg.norm(neutral[skin] - eye.centre, axis=1)
    return np.asarray(skin[distance < 1.7 * eye.radius])


def _part_lips(vertices: Float) -> None:
    """Lips that would run through each other meet instead, in place."""
    lips = contact_pairs()["lips"]
    upper, lower = lips.openness(vertices)
    most = OVERLAP * 0.83
    if min(upper.min(), lower.min()) >= -most:
        return
    across = lips.across(vertices)
    up, down = (np.minimum(gap + most, 0.0)[:, None] * across for gap in (upper, lower))
    vertices += lips.moved(0.4 * up, -0.6 * down).astype(np.float32)
