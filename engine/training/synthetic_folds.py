"""Folds that skin throws when a face moves: where they lie on the unrolled skin, and which units raise them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float
from engine.conventions import ARKIT_INDEX
from engine.training.synthetic_atlas import Atlas, slopes
from engine.training.synthetic_mesh import SKIN_HEIGHT, SKIN_WIDTH, fine_skin

Array = NDArray[Any]

Line = tuple[tuple[float, float], ...]
"""Points x, y on the front of the average head, decimetres, on the viewer's right."""


@dataclass(frozen=True)
class Kind:
    """One kind of fold. lines: on the viewer's right, mirrored for the other side. width: of the groove, decimetres.
    depth: in texels. units: what raises it, by unit without its side. age: how much of it the old have at rest.
    pads: how much the skin beside the groove swells, over the groove's depth; hangs: how much more so outside."""

    lines: tuple[Line, ...]
    width: float
    depth: float
    units: Mapping[str, float]
    age: float
    pads: float = 0.5
    hangs: float = 0.0


KINDS: Final[dict[str, Kind]] = {
    "nasolabial": Kind(
        (((0.155, -0.10), (0.215, -0.03), (0.27, 0.07), (0.31, 0.18), (0.335, 0.29), (0.33, 0.36)),),
        0.05, 7.0,
        {"mouthSmile": 1.0, "noseSneer": 0.8, "mouthUpperUp": 0.7, "cheekSquint": 0.35, "mouthDimple": 0.3},
        0.75, 0.8, 0.7,
    ),
    "corner": Kind(
        (((0.262, 0.235), (0.285, 0.285), (0.28, 0.335)),), 0.024, 3.6,
        {"mouthSmile": 0.7, "mouthDimple": 1.0, "mouthStretch": 0.6, "mouthPress": 0.5}, 0.25,
    ),
    "cheek": Kind(
        (((0.37, 0.02), (0.43, 0.14), (0.44, 0.28), (0.41, 0.40)),), 0.03, 2.6,
        {"mouthSmile": 0.9, "mouthStretch": 0.4}, 0.3,
    ),
    "marionette": Kind(
        (((0.27, 0.315), (0.295, 0.40), (0.30, 0.50)),), 0.026, 3.6,
        {"mouthFrown": 1.0, "mouthStretch": 0.5, "mouthPress": 0.4, "mouthShrugLower": 0.3}, 0.65,
    ),
    "crow": Kind(
        (
            ((0.46, -0.41), (0.52, -0.455), (0.57, -0.51)),
            ((0.465, -0.385), (0.53, -0.395), (0.60, -0.42)),
            ((0.46, -0.355), (0.53, -0.335), (0.59, -0.325)),
            ((0.445, -0.325), (0.50, -0.285), (0.55, -0.25)),
        ),
        0.016, 1.5, {"eyeSquint": 1.0, "cheekSquint": 0.7, "mouthSmile": 0.55, "eyeBlink": 0.25}, 0.6,
    ),
    "under eye": Kind(
        (
            ((0.17, -0.30), (0.25, -0.262), (0.34, -0.262), (0.41, -0.30)),
            ((0.18, -0.26), (0.26, -0.215), (0.35, -0.215), (0.43, -0.265)),
        ),
        0.018, 2.0, {"eyeSquint": 0.9, "cheekSquint": 0.9, "mouthSmile": 0.5}, 0.5,
    ),
    "forehead": Kind(
        tuple(
            ((0.0, y + 0.012), (0.14, y), (0.28, y - 0.012), (0.42, y + 0.02))
            for y in (-0.69, -0.755, -0.82, -0.885)
        ),
        0.015, 2.6, {"browInnerUp": 0.75, "browOuterUp": 0.6}, 0.5,
    ),
    "glabella": Kind(
        (((0.045, -0.68), (0.05, -0.60), (0.04, -0.53)),), 0.018, 3.0,
        {"browDown": 1.0, "eyeSquint": 0.15, "noseSneer": 0.35}, 0.45,
    ),
    "bunny": Kind(
        (
            ((0.06, -0.33), (0.10, -0.31), (0.13, -0.27)),
            ((0.07, -0.285), (0.11, -0.255), (0.135, -0.21)),
            ((0.0, -0.41), (0.04, -0.405), (0.08, -0.39)),
        ),
        0.013, 1.8, {"noseSneer": 1.0, "mouthUpperUp": 0.2}, 0.15,
    ),
    "chin": Kind(
        (((0.0, 0.475), (0.09, 0.47), (0.17, 0.445)),), 0.03, 2.6,
        {"mouthShrugLower": 1.0, "mouthPress": 0.4, "mouthFrown": 0.4, "mouthClose": 0.2}, 0.35,
    ),
    "whistle": Kind(
        tuple(((x, 0.165), (x * 1.06, 0.215)) for x in (0.03, 0.075, 0.12, 0.165))
        + tuple(((x, 0.40), (x * 1.08, 0.44)) for x in (0.04, 0.1, 0.15)),
        0.014, 0.8, {"mouthPucker": 1.0, "mouthFunnel": 0.35}, 0.3,
    ),
}  # fmt: skip
DARK: Final = 0.2
"""Share of the light that a full groove takes besides its relief."""
TEXELS_DM: Final = 415.0
"""Texels of the unrolled skin for one decimetre of the face."""
DEEPEST: Final = 1.4
CENTRAL: Final = ("browInnerUp", "mouthShrugLower", "mouthPucker", "mouthFunnel", "mouthClose")
"""Units without a side."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One side of a kind on the unrolled skin.

    corner: left and top texel. slope: int16 [h, w, 2] at full depth. dark: float32 [h, w], how much light it takes.
    weight: float32 [52].
    """

    kind: str
    corner: tuple[int, int]
    slope: NDArray[np.int16]
    dark: Float
    weight: Float


@cache
def folds() -> tuple[Fold, ...]:
    """Every fold of the average head, both sides."""
    return tuple(_fold(name, kind, side) for name, kind in KINDS.items() for side in ("Left", "Right"))


def _fold(name: str, kind: Kind, side: str) -> Fold:
    skin = fine_skin()
    sign = 1.0 if side == "Left" else -1.0  # the person's left is on the viewer's right
    lines = [skin.texel(_dense(np.array(line) * [sign, 1.0])) for line in kind.lines]
    points = np.concatenate(lines)
    sigma = kind.width * TEXELS_DM / 2
    margin = int(5 * sigma + 4)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, (SKIN_WIDTH, SKIN_HEIGHT))
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
    groove, pads = np.zeros(x.shape), np.zeros(x.shape)
    for line in lines:
        distance, along = _distance(x, y, line)
        fade = smooth_step(np.minimum(along, 1 - along) / 0.3)
        groove = np.maximum(groove, fade * np.exp(-((distance / sigma) ** 2)))
        outer = distance * sign > 0
        swell = np.where(outer, 1.0 + kind.hangs, 1.0 - kind.hangs) * np.exp(
            -(((np.abs(distance) - 2.1 * sigma) / (np.where(outer, 1.5 + kind.hangs, 1.5) * sigma)) ** 2)
        )
        pads = np.maximum(pads, fade * swell)
    relief = kind.depth * (-groove + kind.pads * 0.6 * pads)
    weight = np.zeros(len(ARKIT_INDEX), np.float32)
    for unit, value in kind.units.items():
        weight[ARKIT_INDEX[unit if unit in CENTRAL else unit + side]] = value
    return Fold(name, (int(low[0]), int(low[1])), slopes(relief), (DARK * groove).astype(np.float32), weight)


def _dense(line: Array) -> Array:
    """More points along a line."""
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0, walked[-1], 24)
    return np.stack([np.interp(at, walked, line[:, k]) for k in (0, 1)], axis=1)


def _distance(x: Array, y: Array, line: Array) -> tuple[Array, Array]:
    """Signed distance of places to the nearest point of a line, and where along it that is, 0 to 1."""
    best = np.full(x.shape, np.inf)
    along = np.zeros(x.shape)
    for k in range(len(line) - 1):
        a, edge = line[k], line[k + 1] - line[k]
        t = np.clip(((x - a[0]) * edge[0] + (y - a[1]) * edge[1]) / max(float(edge @ edge), 1e-9), 0, 1)
        distance = np.hypot(x - a[0] - t * edge[0], y - a[1] - t * edge[1])
        near = distance < np.abs(best)
        turn = (x - a[0]) * edge[1] - (y - a[1]) * edge[0]
        best[near] = np.copysign(distance, turn)[near]
        along[near] = (k + t[near]) / (len(line) - 1)
    return best, along


@dataclass(frozen=True, eq=False)
class PersonalFolds:
    """How deep one person's folds are: float [len(folds())] for a full unit, and at rest."""

    moved: Array
    rest: Array

    def depth(self, blendshapes: Float) -> Array:
        """How deep each fold is, 0 none to about 1."""
        raised = np.array([min(float(fold.weight @ blendshapes), 1.3) for fold in folds()])
        return np.asarray(np.minimum(self.rest + self.moved * raised, DEEPEST))


def make_folds(age: float, weight: float, dice: np.random.Generator) -> PersonalFolds:
    """Few and soft when young, with large differences between persons."""
    moved, rest = [], []
    shared = {name: (dice.lognormal(0, 0.45), dice.lognormal(0, 0.4)) for name in KINDS}
    present = {"cheek": 0.4 - 0.2 * weight, "corner": 0.7, "whistle": 0.5}
    shown = {name: dice.random() < present.get(name, 0.95) for name in KINDS}
    for fold in folds():
        both, calm = shared[fold.kind]
        own = dice.normal(1, 0.12) * shown[fold.kind]
        moved.append((0.45 + 0.65 * age) * both * own)
        rest.append(KINDS[fold.kind].age * 1.15 * max(age - 0.12, 0.0) ** 1.3 * calm * own)
    return PersonalFolds(np.clip(moved, 0, 1.6), np.clip(rest, 0, 1.3))


def apply_folds(atlas: Atlas, depth: Array, colour: NDArray[np.uint8], slope: NDArray[np.int16]) -> None:
    """Add folds of these depths to ``colour`` and ``slope``, fresh copies of the atlas's at the folds' places."""
    for fold in folds():
        here = place_of(fold)
        colour[here] = atlas.colour[here]
        slope[here] = atlas.slope[here]
    for fold, much in zip(folds(), depth, strict=True):
        if much < 0.02:
            continue
        here = place_of(fold)
        slope[here] += (fold.slope * np.float32(much)).astype(np.int16)
        dark = np.clip(1 - np.float32(much) * fold.dark, 0.3, 1)[..., None] ** np.array(
            [0.42, 0.5, 0.5], np.float32
        )
        rgb = colour[here][..., :3]
        rgb[:] = (rgb * dark).astype(np.uint8)


def place_of(fold: Fold) -> tuple[slice, slice]:
    """Rows and columns of the atlas."""
    left, top = fold.corner
    height, width = fold.dark.shape
    return slice(top, top + height), slice(left, left + width)
