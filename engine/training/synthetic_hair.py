"""Hair and hats of made heads: shells of locks that grow from the crown, over the skull, and hang."""

from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float, Int
from engine.avatar.teeth import grid_triangles
from engine.training.synthetic_atlas import BLOCKS, block_uv, fractal, noise
from engine.training.synthetic_mesh import ribbon_triangles, skin_triangles
from engine.training.synthetic_shape import Traits
from engine.training.synthetic_skin import SkinLooks, regions
from kernels.rasterise import rasterise

Array = NDArray[Any]

CENTRE: Final = np.array([0.0, -0.5, 0.05])
"""Middle of the skull, decimetres: directions are counted from it."""
COLUMNS: Final = 180
ROWS: Final = 20
TORN_DM: Final = 0.35
WISPS: Final = 300
WISP_JOINTS: Final = 7
MAP: Final = (96, 192)
"""Rows (from straight up to straight down) and columns (all around) of the map of the skull's radius."""

HAIRLINE: Final = np.array(
    [[0, 22, 40, 52, 62, 72, 80, 88, 100, 112, 125, 150, 180], [-1.0, -1.0, -0.95, -0.80, -0.70, -0.42, -0.22, -0.42, -0.50, -0.2, 0.22, 0.36, 0.4]]
)  # fmt: skip
"""Degrees from the face's middle, and the height where hair begins there, decimetres: temples, sideburns, round the
ears, nape."""


@dataclass(frozen=True)
class Style:
    """A hair style. kind: "bald", "buzz", "short", "long" or "hat". volume: decimetres over the skull. line: how much
    higher the hairline of the forehead is. fringe: 0 none to 1 down to the brows. length: height where long hair ends,
    decimetres. wave, curl: strength of waves along and between locks. part: degrees, where the hair is parted.
    ears: whether short hair covers them."""

    kind: str
    volume: float
    line: float
    fringe: float
    length: float
    wave: float
    curl: float
    part: float
    ears: bool


@dataclass(frozen=True, eq=False)
class Shell:
    """A surface of hair or hat: vertices float32 [V, 3], triangles, texels."""

    vertices: Float
    triangles: Int
    uv: Float


def make_style(traits: Traits, dice: np.random.Generator) -> Style:
    """Any style for anyone, some more often."""
    male = traits.male > 0.5
    odds = (
        {"bald": 0.08 + 0.2 * traits.age, "buzz": 0.18, "short": 0.56, "long": 0.08, "hat": 0.1}
        if male
        else {"bald": 0.01, "buzz": 0.03, "short": 0.26, "long": 0.62, "hat": 0.08}
    )
    p = np.array(list(odds.values()))
    kind = str(dice.choice(list(odds), p=p / p.sum()))
    return Style(
        kind=kind,
        volume=float(np.clip(dice.lognormal(np.log(0.12), 0.5), 0.04, 0.42)),
        line=float(np.clip(dice.normal(0.02 + 0.10 * traits.age * male, 0.05), -0.06, 0.3)),
        fringe=float(dice.uniform(0.4, 1.0)) if dice.random() < (0.22 if male else 0.38) else 0.0,
        length=float(dice.uniform(0.35, 1.75)),
        wave=float(abs(dice.normal(0, 0.5))),
        curl=float(abs(dice.normal(0, 0.6))) * (1 + traits.ethnicity[0]),
        part=float(dice.normal(0, 30)),
        ears=bool(dice.random() < 0.4),
    )


def bald_map(style: Style, dice: np.random.Generator) -> Array:
    """Where no hair grows on the unrolled skin, 1, and where it does, 0."""
    at = regions()
    angle = np.degrees(np.abs(np.arctan2(at.x, -(at.z - CENTRE[2]))))
    line = _hairline(style, angle) + 0.018 * fractal(at.x.shape, 24, 3, dice)
    above = (line - at.y) / 0.09 + 0.25
    if style.kind == "bald":
        # Shaved, or a wreath.
        rest = smooth_step((at.y + 0.95) / 0.25) * smooth_step((angle - 62) / 18)
        above = np.minimum(above, rest) * dice.uniform(0.0, 0.7)
    ear = (np.abs(at.x) > 0.68) & (angle > 72) & (angle < 112) & (at.y > -0.55)
    return np.asarray(1 - np.clip(above, 0, 1) * ~ear, np.float32)


def _hairline(style: Style, angle_deg: Array) -> Array:
    line = np.interp(angle_deg, *HAIRLINE)
    front = np.interp(angle_deg, [0, 45, 70], [1, 0.8, 0])
    temple = np.exp(-(((angle_deg - 38) / 14) ** 2))
    return np.asarray(line - style.line * front - 0.6 * style.line * temple)


def skull_radius(skin: Float) -> Array:
    """Distance of the skin from ``CENTRE`` for all directions, [MAP]; skin: the head model's vertices at rest."""
    triangles = skin_triangles()
    away = skin - CENTRE
    radius = np.maximum(np.linalg.norm(away, axis=1), 1e-6)
    rows, columns = MAP
    flat = np.stack(
        [
            (np.degrees(np.arctan2(away[:, 0], -away[:, 2])) + 180) / 360 * columns,
            np.degrees(np.arccos(np.clip(-away[:, 1] / radius, -1, 1))) / 180 * rows,
            -radius,
        ],
        1,
    ).astype(np.float32)
    triangles = np.ascontiguousarray(triangles[np.ptp(flat[triangles, 0], axis=1) < columns / 2])
    plane, found = np.empty((1, rows, columns), np.float32), np.empty(MAP, np.int32)
    rasterise(flat, triangles, radius[:, None].astype(np.float32), plane, found, np.empty(MAP, np.int64))
    _, nearest = distance_transform_edt(found < 0, return_indices=True)
    return np.asarray(cv2.GaussianBlur(plane[0][tuple(nearest)], (0, 0), 1.2))


def _sample(radius: Array, angle: Array, fall: Array) -> Array:
    """``skull_radius`` for radians around and down from the crown."""
    rows, columns = MAP
    wrapped = np.concatenate([radius, radius[:, :2]], axis=1).astype(np.float32)
    x = ((angle + np.pi) / (2 * np.pi) % 1.0) * columns - 0.5
    y = np.clip(fall / np.pi * rows - 0.5, 0, rows - 1)
    return cv2.remap(
        wrapped, np.clip(x, 0, columns).astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR
    )


def hair_shells(style: Style, skin: Float, dice: np.random.Generator) -> list[tuple[str, Shell]]:
    """The shells of a style on this head, each with its kind of surface; none for the bald and for a buzz cut."""
    if style.kind in ("bald", "buzz"):
        return []
    radius = skull_radius(skin)
    angle = np.linspace(-np.pi, np.pi, COLUMNS + 1)
    side = np.degrees(np.abs(angle))
    shells: list[tuple[str, Shell]] = []
    for layer in range(1 if style.kind == "hat" else 2):
        ends = _ends(style, side, layer, dice)
        shells.append(("hair", _shell(style, radius, angle, ends, layer, dice)))
    if style.kind != "hat":
        grid = shells[0][1].vertices.reshape(ROWS, -1, 3)
        shells.append(("wisp", _wisps(style, grid, dice)))
    if style.kind == "hat":
        kind, volume = ("long", 0.05) if style.fringe else ("short", 0.04)
        under = replace(style, kind=kind, volume=volume, fringe=0.0, ears=False)
        ends = _ends(under, side, 0, dice)
        shells.append(("hair", _shell(under, radius, angle, ends, 1, dice)))
    return shells


def _ends(style: Style, side: Array, layer: int, dice: np.random.Generator) -> Array:
    """Height where each column ends, decimetres (larger is lower)."""
    line = _hairline(style, side) + 0.03
    n = len(side)

    def ragged(cells: int) -> Array:
        r = np.interp(np.linspace(0, cells, n), np.arange(cells + 1), dice.standard_normal(cells + 1))
        return np.asarray(r)

    if style.kind == "hat":
        return (
            np.full(n, -0.86 + 0.14 * (style.volume > 0.12))
            + 0.22 * smooth_step((side - 40) / 80)
            + 0.004 * ragged(12)
        )
    ends = line.copy()
    if style.ears and style.kind == "short":
        ends = np.maximum(ends, -0.30 + 0.15 * style.fringe - 0.7 * (side < 66))
    if style.kind == "long":
        down = smooth_step((side - 60) / 4)
        ends = ends * (1 - down) + down * (style.length + 0.06 * ragged(24))
    if style.fringe:
        front = smooth_step((62 - side) / 12)
        low = -0.92 + 0.40 * style.fringe + 0.10 * np.sin(np.radians(side * 2 + style.part * 3))
        ends = np.where(front > 0, np.maximum(ends, line * (1 - front) + front * low), ends)
    jag = 0.018 + 0.02 * style.curl + (0.03 if style.fringe or style.kind == "long" else 0.0)
    return np.asarray(ends + jag * (0.7 * ragged(150) + 0.5 * ragged(40)) - 0.02 * layer)


def _shell(
    style: Style, radius: Array, angle: Array, ends: Array, layer: int, dice: np.random.Generator
) -> Shell:
    """One surface: down over the skull while it widens, then straight down."""
    n = len(angle)
    hat = style.kind == "hat"
    t = np.linspace(0.0, 1.0, ROWS)[:, None]
    fall = np.radians(np.linspace(0, 175, 200))[:, None]
    around = np.broadcast_to(angle, (200, n))
    r = _sample(radius, around, np.broadcast_to(fall, around.shape))
    lumps: Array = np.zeros((200, n), np.float32)
    if not hat:
        lumps = (
            fractal((200, n), 7, 3, dice) * (0.02 + 0.03 * style.curl)
            + noise((200, n), (3, 60), dice) * 0.010
        )
    lumps = lumps * smooth_step(fall / np.radians(45))
    thick: Array = style.volume * (0.75 if layer else 1.0) * np.ones_like(r)
    parted = np.exp(-(((np.degrees(around) - style.part) / 12) ** 2)) * np.exp(
        -(((np.degrees(fall) - 35) / 30) ** 2)
    )
    thick = thick * (1 - 0.5 * parted) + lumps * (0.5 + style.volume / 0.12 * 0.5) + 0.012 * (1 - layer)
    if hat:
        thick = 0.06 + 0.10 * np.exp(-((np.degrees(fall) / 40) ** 2)) * style.volume * 5
    path = np.stack(
        [
            (r + thick) * np.sin(fall) * np.sin(around),
            -(r + thick) * np.cos(fall) * np.ones_like(r),
            -(r + thick) * np.sin(fall) * np.cos(around),
        ],
        -1,
    )
    # Below its widest the hair hangs: the distance from the axis does not shrink any more, or only a little.
    flat = np.hypot(path[..., 0], path[..., 2])
    hang = np.maximum.accumulate(flat, axis=0)
    low = path[..., 1] + CENTRE[1]
    keep = smooth_step((low + 0.2) / 0.3) if style.kind == "long" else np.zeros_like(low)
    wanted = flat + keep * (np.minimum(hang, 0.80 + style.volume) - flat) * 0.9
    path[..., [0, 2]] *= (wanted / np.maximum(flat, 1e-6))[..., None]
    path += CENTRE
    # Walk each column down to its end.
    height = np.maximum.accumulate(path[..., 1], axis=0) + 1e-4 * np.arange(200)[:, None]
    places = np.empty((ROWS, n, 3))
    for k in range(n):
        top = height[0, k]
        at = top + (max(ends[k], top + 0.05) - top) * (0.35 * t[:, 0] ** 2 + 0.65 * t[:, 0])
        for axis in range(3):
            places[:, k, axis] = np.interp(at, height[:, k], path[:, k, axis])
        places[:, k, 1] = at
    waves = 0.02 * style.wave * np.sin(at[:, None] * 9 + np.cumsum(dice.normal(0, 0.25, n)))
    if not hat:
        places[..., 0] += waves * smooth_step(t * 2)
    # The front edge lies on the skin where hair starts there, not on the shell's height.
    starts = np.degrees(np.abs(angle)) < 70 if style.kind != "hat" and not style.fringe else np.zeros(n, bool)
    root = smooth_step((t - 0.55) / 0.45) * starts
    inner = places - CENTRE
    lengths = np.linalg.norm(inner, axis=-1)
    bare = _sample(
        radius, np.arctan2(inner[..., 0], -inner[..., 2]), np.arccos(np.clip(-inner[..., 1] / lengths, -1, 1))
    )
    places = CENTRE + inner * (1 + root * (np.minimum(bare + 0.004, lengths) / lengths - 1))[..., None]
    share = np.stack(np.meshgrid(np.linspace(0, 1, n), t[:, 0]), -1).reshape(-1, 2)
    # Where a lock ends far above its neighbour there is no sheet between them.
    apart = np.append(np.abs(np.diff(ends)) > TORN_DM, False)
    triangles = grid_triangles(ROWS, n)
    triangles = np.ascontiguousarray(triangles[~apart[triangles.min(axis=1) % n]])
    block = "cloth" if hat else "hair"
    return Shell(
        places.reshape(-1, 3).astype(np.float32), triangles, block_uv(block, share).astype(np.float32)
    )


def _wisps(style: Style, grid: Array, dice: np.random.Generator) -> Shell:
    """Single locks along a shell [ROWS, N, 3] that leave it and run on past its end: they break its outline."""
    number = np.arange(1, grid.shape[1] - 1)
    steps = np.abs(np.diff(grid[-1, :, 1]))
    whole = (steps[number] < 0.12) & (steps[number - 1] < 0.12)
    columns = dice.choice(number[whole], WISPS)
    t = np.linspace(0, 1, WISP_JOINTS)
    start = dice.uniform(0.1, 0.85, WISPS)
    past = dice.uniform(0.0, 0.11, WISPS) * (0.5 + 0.5 * (style.kind == "long" or style.fringe > 0))
    row = (start[:, None] + (1 - start[:, None]) * t) * (ROWS - 1)
    low = np.minimum(row.astype(int), ROWS - 2)
    share = (row - low)[..., None]
    path = grid[low, columns[:, None]] * (1 - share) + grid[low + 1, columns[:, None]] * share
    end = grid[-1, columns] - grid[-3, columns]
    end /= np.maximum(np.linalg.norm(end, axis=1, keepdims=True), 1e-6)
    path = path + end[:, None] * (past[:, None] * t**2)[..., None]
    outward = path - CENTRE
    outward[..., 1] *= 0.3
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    lift = dice.exponential(0.006 + 0.01 * style.curl, WISPS)[:, None] * np.sin(np.pi * (0.15 + 0.7 * t))
    path = path + outward * np.minimum(lift + 0.004, 0.09)[..., None]
    beside = grid[low, columns[:, None] + 1] - grid[low, columns[:, None] - 1]
    beside /= np.maximum(np.linalg.norm(beside, axis=-1, keepdims=True), 1e-6)
    drift = np.cumsum(dice.normal(0, 0.006 + 0.008 * style.curl, (WISPS, WISP_JOINTS)), axis=1)
    path = path + beside * drift[..., None]
    half = (dice.uniform(0.004, 0.009, WISPS)[:, None] * (1 - 0.8 * t**2))[..., None]
    along = np.gradient(path, axis=1)
    across = np.stack(
        [-along[..., 1], along[..., 0], np.zeros(along.shape[:2])], axis=-1
    )  # seen from the front
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    ribbon = np.stack([path - across * half, path + across * half], axis=2)
    place = np.broadcast_to((columns / grid.shape[1])[:, None, None], (WISPS, WISP_JOINTS, 2))
    down = np.broadcast_to((row / (ROWS - 1))[..., None], (WISPS, WISP_JOINTS, 2))
    uv = block_uv("hair", np.stack([place, down], axis=-1).reshape(-1, 2))
    return Shell(
        ribbon.reshape(-1, 3).astype(np.float32), ribbon_triangles(WISPS, WISP_JOINTS), uv.astype(np.float32)
    )


def hair_picture(style: Style, looks: SkinLooks, dice: np.random.Generator) -> tuple[Array, Array, Array]:
    """RGB, gloss and relief of the hair's block: locks run down."""
    _, _, width, height = BLOCKS["hair"]
    streaks = noise((height, width), (4, 500), dice) + 0.8 * noise((height, width), (6, 160), dice)
    streaks += 0.7 * noise((height, width), (5 + 10 * style.curl, 50), dice)
    streaks += style.curl * 0.8 * fractal((height, width), 24, 3, dice)
    streaks /= streaks.std()
    t = np.linspace(0, 1, height)[:, None, None]
    tips = dice.normal(0, 0.12) * t + 0.25 * dice.random() * (t - 0.5) * (looks.hair.mean() > 0.25)
    rgb = looks.hair * (1 + 0.22 * streaks[..., None]) * (1 + tips)
    rgb = rgb * (1 - 0.25 * np.exp(-t / 0.02))
    return np.clip(rgb, 0, 1), np.full((height, width), dice.uniform(0.22, 0.42)), 0.9 * streaks
