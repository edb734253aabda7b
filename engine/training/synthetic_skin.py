"""Skin of made heads: tone, redness, freckles, pores, lips, brows, beard and make-up on the unrolled surface."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.head_model import load_head_model
from engine.avatar.landmarks import MOUTH_OUTLINE
from engine.training.synthetic_atlas import fractal, noise
from engine.training.synthetic_mesh import SKIN_HEIGHT, SKIN_WIDTH, fine_skin, unroll
from engine.training.synthetic_shape import Traits

Array = NDArray[Any]

SHAPE: Final = (SKIN_HEIGHT, SKIN_WIDTH)
TONES: Final = np.array(
    [[240, 212, 198], [230, 190, 166], [214, 168, 138], [192, 142, 106], [158, 108, 76], [118, 76, 54],
     [84, 54, 41], [58, 38, 31]]
) / 255  # fmt: skip
"""Display colours from the palest to the darkest skin."""
HAIR_COLOURS: Final = np.array(
    [[22, 18, 17], [44, 30, 24], [72, 48, 34], [104, 74, 48], [150, 112, 70], [196, 162, 112], [132, 62, 34]]
) / 255  # fmt: skip
DYED: Final = 0.03
"""Share of people whose hair, but not their brows, has a colour that no hair has."""
BROWS: Final = {
    "right": ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
    "left": ((300, 293, 334, 296, 336), (276, 283, 282, 295, 285)),
}
"""Landmarks along the upper and lower edges of the brows, from the temple to the nose."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Masks on the unrolled skin, float32 [SKIN_HEIGHT, SKIN_WIDTH]. x, y, z: of the average head, decimetres;
    lips: texels inside their outline (negative outside); lid: texels from the lids' lines."""

    x: Array
    y: Array
    z: Array
    lips: Array
    lid: Array


@dataclass(frozen=True, eq=False)
class SkinLooks:
    """What is common to skin and hair of one person; colours are display RGB in [0, 1]."""

    tone: Array
    darkness: float
    lip: Array
    hair: Array
    brow: Array
    beard: float
    beard_long: bool
    moustache: float
    makeup: float
    gloss: float
    hair_dark: float


@cache
def regions() -> Regions:
    """Where things are on the average head."""
    skin, head = fine_skin(), load_head_model()
    x, y, z = np.moveaxis(skin.place, -1, 0)
    landmarks = head.landmarks(head.vertices)
    outline = unroll(landmarks[MOUTH_OUTLINE])
    lids = [
        unroll(head.vertices[head.groups[f"{side}_{lid}_lid"]])
        for side in ("left", "right")
        for lid in ("upper", "lower")
    ]
    line = np.zeros(SHAPE, np.uint8)
    for points in lids:
        cv2.polylines(line, [np.rint(points).astype(np.int32)], False, 255, 1)
    lid = cv2.distanceTransform(255 - line, cv2.DIST_L2, 5)
    return Regions(x, y, z, _signed(outline), lid)


def make_looks(traits: Traits, dice: np.random.Generator) -> SkinLooks:
    """Tone, hair colour, beard and make-up that go with the traits."""
    african, asian, caucasian = traits.ethnicity
    at = np.clip(
        african * dice.uniform(3.6, 7) + asian * dice.uniform(0.7, 4.2) + caucasian * dice.uniform(0, 2.8),
        0,
        7,
    )
    tone = np.array([np.interp(at, np.arange(8), TONES[:, k]) for k in range(3)])
    tone = np.clip(tone * (1 + dice.normal(0, 0.03)) + dice.normal(0, 0.012, 3), 0.05, 0.97)
    lip = tone * np.array([0.86, 0.60, 0.62]) + dice.normal(0, 0.02, 3) + np.array([0.02, 0.0, 0.01])
    makeup = float(dice.beta(0.8, 1.0)) if traits.male < 0.5 and dice.random() < 0.6 else 0.0
    if makeup > 0.3:
        stick = np.array(
            [[170, 30, 44], [190, 80, 90], [140, 40, 60], [205, 110, 105], [120, 50, 45], [215, 90, 110]]
        )
        much = 0.75 * makeup
        lip = lip * (1 - much) + much * stick[dice.integers(len(stick))] / 255 * (0.5 + 0.5 * tone.max())
    hair = _hair_colour(caucasian, traits.age, dice)
    male = traits.male > 0.5
    kind = dice.random()
    beard = float(np.clip(dice.beta(0.7, 0.8), 0, 1)) if male and kind < 0.75 else 0.0
    brow = 0.75 * hair + 0.02 if hair.mean() < 0.45 else 0.5 * hair + 0.04
    return SkinLooks(
        tone=tone,
        darkness=float(at / 7),
        lip=np.clip(lip, 0.06, 0.95),
        hair=0.3 * hair + 0.7 * dice.uniform(0.1, 0.8, 3) if dice.random() < DYED else hair,
        brow=brow,
        beard=beard,
        beard_long=bool(male and beard > 0.55 and dice.random() < 0.6),
        moustache=float(dice.uniform(0.3, 1.0)),
        makeup=makeup,
        gloss=float(np.clip(dice.normal(0.3, 0.08), 0.14, 0.48)),
        hair_dark=float(1 - hair.mean()),
    )


def _hair_colour(caucasian: float, age: float, dice: np.random.Generator) -> Array:
    odds = np.array(
        [1.6, 1.2, 1.0 * caucasian + 0.2, 0.8 * caucasian, 0.6 * caucasian, 0.5 * caucasian, 0.3 * caucasian]
    )
    colour = HAIR_COLOURS[dice.choice(len(odds), p=odds / odds.sum())] * dice.uniform(0.85, 1.2)
    grey = np.clip((age - dice.uniform(0.25, 0.9)) * 2.5, 0, 1)
    colour = colour * (1 - grey) + grey * np.array([0.68, 0.67, 0.66]) * dice.uniform(0.8, 1.15)
    return np.asarray(np.clip(colour, 0.03, 0.92))


def skin_picture(
    looks: SkinLooks, traits: Traits, bald: Array, dice: np.random.Generator
) -> tuple[Array, Array, Array]:
    """RGB, gloss and relief of the skin.

    bald: float32 [SKIN_HEIGHT, SKIN_WIDTH], 0 where hair grows on the scalp.
    """
    at = regions()
    light = 1 - looks.darkness
    rgb = np.empty((*SHAPE, 3), np.float32)
    rgb[:] = looks.tone
    _blotches(rgb, at, looks, light, dice)
    _spots(rgb, at, traits, light, dice)
    relief = _pores(at, traits, dice)
    gloss = np.full(SHAPE, looks.gloss, np.float32)
    shine = np.exp(-((at.x / 0.28) ** 2)) * (at.y < 0.15) + 0.5 * np.exp(-(((at.y - 0.6) / 0.12) ** 2))
    gloss *= 0.8 + 0.35 * np.clip(shine, 0, 1) + 0.1 * fractal(SHAPE, 10, 2, dice)
    _eyes(rgb, at, looks, traits, dice)
    _lips(rgb, gloss, relief, at, looks, dice)
    _scalp(rgb, gloss, relief, bald, looks, dice)
    if looks.beard > 0.03:
        _beard(rgb, gloss, relief, at, looks, dice)
    _brows(rgb, gloss, looks, traits, dice)
    return np.clip(rgb, 0, 1), np.clip(gloss, 0.02, 1), relief


def _blotches(rgb: Array, at: Regions, looks: SkinLooks, light: float, dice: np.random.Generator) -> None:
    """Redder cheeks, nose, ears and chin, uneven tone."""

    def spot(x: float, y: float, wide: float, high: float) -> Array:
        return np.exp(-(((np.abs(at.x) - x) / wide) ** 2) - ((at.y - y) / high) ** 2) * (at.z < -0.2)

    red = dice.uniform(0.3, 1.4) * spot(0.42, -0.05, 0.2, 0.2)
    red = red + dice.uniform(0.2, 1.2) * spot(0.0, -0.02, 0.13, 0.13)
    red = red + dice.uniform(0.0, 0.7) * spot(0.0, 0.55, 0.2, 0.12)
    red = red + 0.8 * ((np.abs(at.x) > 0.66) & (at.y < 0.2) & (at.y > -0.6))
    red = red + dice.uniform(0.1, 0.5) * fractal(SHAPE, 7, 4, dice) * 0.35
    strength = (0.35 + 0.65 * light) * (1 + 0.8 * (looks.makeup > 0.5) * spot(0.45, -0.12, 0.18, 0.12))
    rgb += (strength * red)[..., None].astype(np.float32) * np.array([0.012, -0.055, -0.05], np.float32)
    # The forehead is yellower, the beard's region of men bluer.
    rgb += spot(0.0, -0.8, 0.5, 0.2)[..., None].astype(np.float32) * np.array(
        [0.005, 0.006, -0.012], np.float32
    )
    uneven = (0.018 * fractal(SHAPE, 5, 5, dice) + 0.012 * noise(SHAPE, (180, 200), dice)) * dice.uniform(
        0.6, 1.5
    )
    rgb *= 1 + uneven[..., None]


def _spots(rgb: Array, at: Regions, traits: Traits, light: float, dice: np.random.Generator) -> None:
    """Freckles, moles and, on old skin, age spots."""
    layer: Array = np.zeros(SHAPE, np.float32)
    face = (at.z < -0.3) & (np.abs(at.x) < 0.7) & (at.y < 0.7) & (at.lips < -4)
    rows, columns = np.nonzero(face)
    freckled = dice.random() < 0.12 + 0.2 * light * traits.ethnicity[2]
    many = (
        int(freckled * dice.uniform(80, 900)) + int(dice.uniform(0, 14)) + int(120 * max(traits.age - 0.5, 0))
    )
    for pick in dice.integers(len(rows), size=many):
        spread = np.exp(-((at.y[rows[pick], columns[pick]] + 0.15) ** 2) / 0.08) if freckled else 1.0
        if dice.random() > spread:
            continue
        radius = dice.uniform(0.8, 2.4) if freckled else dice.uniform(1.0, 3.4)
        _dot(layer, columns[pick], rows[pick], radius, dice.uniform(0.1, 0.5))
    for pick in dice.integers(len(rows), size=int(dice.integers(0, 5))):
        _dot(layer, columns[pick], rows[pick], dice.uniform(2, 4.5), dice.uniform(0.5, 1.0))
    layer = cv2.GaussianBlur(layer, (0, 0), 0.8)[..., None]
    rgb *= 1 - np.clip(layer, 0, 1) * np.array([0.32, 0.48, 0.52], np.float32) * (0.5 + 0.5 * light)


def _dot(layer: Array, x: int, y: int, radius: float, value: float) -> None:
    cv2.ellipse(
        layer,
        (int(x * 8), int(y * 8)),
        (int(radius * 8), int(radius * 7)),
        0,
        0,
        360,
        value,
        -1,
        cv2.LINE_AA,
        3,
    )


def _pores(at: Regions, traits: Traits, dice: np.random.Generator) -> Array:
    """Relief of the skin, in texels."""
    rough = dice.uniform(0.6, 1.5) * (0.7 + 0.6 * traits.age + 0.25 * (traits.male > 0.5))
    fine = dice.standard_normal(SHAPE).astype(np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), 1.1) - cv2.GaussianBlur(fine, (0, 0), 2.4)
    fine /= fine.std()
    relief = 0.10 * rough * (fine - 0.4 * np.maximum(-fine - 0.6, 0))
    relief += 0.07 * rough * fractal(SHAPE, 60, 3, dice)
    relief += 1.2 * traits.age * fractal(SHAPE, 16, 3, dice) * 0.5
    return np.asarray(relief, np.float32)


def _eyes(rgb: Array, at: Regions, looks: SkinLooks, traits: Traits, dice: np.random.Generator) -> None:
    """Thin skin around the eyes: darker rings, pink margins, lash line, shadow and liner."""
    ring = np.exp(-(((np.abs(at.x) - 0.29) / 0.17) ** 2) - ((at.y + 0.30) / 0.09) ** 2) * (at.z < -0.5)
    ring = ring * dice.uniform(0.0, 0.9) * (0.6 + 0.7 * traits.age)
    rgb *= 1 - ring[..., None].astype(np.float32) * np.array([0.10, 0.17, 0.13], np.float32)
    socket = np.exp(-(((np.abs(at.x) - 0.29) / 0.15) ** 2) - ((at.y + 0.46) / 0.06) ** 2) * (at.z < -0.5)
    rgb *= 1 - socket[..., None].astype(np.float32) * dice.uniform(0.02, 0.14) * np.array(
        [0.7, 1.0, 0.9], np.float32
    )
    if looks.makeup > 0.25:
        tint = dice.uniform(0.1, 0.6, 3) * [1.0, 0.8, 0.8]
        much = (np.clip(socket * 1.3, 0, 1) * 0.55 * looks.makeup)[..., None]
        rgb[:] = rgb * (1 - much) + much * tint
    margin = np.exp(-((at.lid / 2.0) ** 2))[..., None]
    rgb[:] = rgb * (1 - 0.5 * margin) + 0.5 * margin * (looks.tone * np.array([0.95, 0.66, 0.64]))
    upper = at.y < -0.372
    liner = np.exp(-(((at.lid - 3.0) / (1.6 + 2.0 * looks.makeup)) ** 2)) * np.where(upper, 1.0, 0.35)
    dark = np.clip((0.35 + 0.6 * looks.makeup + 0.15 * looks.hair_dark) * liner, 0, 0.9)[..., None]
    rgb[:] = rgb * (1 - dark) + dark * np.minimum(looks.brow * 0.6, 0.2)


def _lips(
    rgb: Array, gloss: Array, relief: Array, at: Regions, looks: SkinLooks, dice: np.random.Generator
) -> None:
    """Red of the lips with upright creases."""
    edge, thin = dice.uniform(3.0, 8.0), dice.uniform(-1.0, 7.0)
    wobble = 0.8 * fractal(SHAPE, 40, 2, dice)
    inside = smooth_step((at.lips - thin + wobble) / edge + 0.5)
    upper = smooth_step((0.29 - at.y) / 0.02)
    lip = looks.lip * (1 - 0.10 * upper[..., None] * dice.uniform(0.3, 1.0))
    lip = lip * (1 + 0.05 * fractal(SHAPE, 60, 3, dice)[..., None])
    rgb[:] = rgb * (1 - inside[..., None]) + inside[..., None] * lip
    wet = dice.uniform(0.38, 0.62) + 0.2 * (looks.makeup > 0.6)
    gloss[:] = gloss * (1 - inside) + inside * wet
    creases = noise(SHAPE, (90, 330), dice) + 0.7 * noise(SHAPE, (60, 190), dice)
    relief *= 1 - 0.8 * inside
    relief += inside * dice.uniform(0.08, 0.24) * creases
    border = np.exp(-(((at.lips - 1) / 5) ** 2)) * dice.uniform(0.1, 0.8)
    relief += border
    # Shut lips meet in a darker, redder line.
    seam = np.exp(-(((at.y - 0.285) / 0.012) ** 2)) * (np.abs(at.x) < 0.24) * (at.lips > 0)
    rgb *= 1 - 0.35 * seam[..., None] * np.array([0.8, 1.0, 1.0], np.float32)


def _scalp(
    rgb: Array, gloss: Array, relief: Array, bald: Array, looks: SkinLooks, dice: np.random.Generator
) -> None:
    """Hair roots under and beside the hair."""
    streaks = noise(SHAPE, (120, 420), dice)
    much = np.clip(1 - bald + 0.12 * streaks * (bald < 0.98), 0, 1)
    much = smooth_step(much)[..., None]
    rgb[:] = rgb * (1 - 0.9 * much) + 0.9 * much * looks.hair * (1 + 0.15 * streaks[..., None])
    gloss *= 1 - 0.6 * much[..., 0]
    relief += 0.5 * much[..., 0] * streaks


def beard_region(looks: SkinLooks, dice: np.random.Generator) -> Array:
    """Where the beard grows, float32 [SKIN_HEIGHT, SKIN_WIDTH] in [0, 1]."""
    at = regions()
    side = np.abs(at.x)
    top = np.interp(side, [0.0, 0.2, 0.34, 0.5, 0.62, 0.75], [0.10, 0.13, 0.30, 0.12, -0.10, -0.25])
    top = top + 0.04 * fractal(SHAPE, 14, 3, dice)
    grows = smooth_step((at.y - top) / 0.12) * smooth_step((0.9 - at.y) / 0.15)
    # Neither on the ears nor far down and back on the neck.
    grows = (
        grows
        * smooth_step((0.69 - side) / 0.04)
        * smooth_step((-0.05 - at.z - 0.5 * smooth_step((at.y - 0.55) / 0.3)) / 0.15)
    )
    bare = np.exp(-(((side - 0.1) / 0.09) ** 2) - ((at.y - 0.46) / 0.035) ** 2) * 0.6
    lip = (at.y < 0.27) & (side < 0.3)
    grows = np.where(lip, grows * looks.moustache, grows) * (1 - bare)
    return np.asarray(grows * smooth_step((-at.lips - 2) / 8), np.float32)


def _beard(
    rgb: Array, gloss: Array, relief: Array, at: Regions, looks: SkinLooks, dice: np.random.Generator
) -> None:
    """From a shadow over stubble to a full beard."""
    region = beard_region(looks, dice)
    region = region * np.clip(0.9 + 0.13 * fractal(SHAPE, 16, 3, dice), 0, 1.1)
    shadow = np.clip(region * (0.2 + 0.25 * looks.beard), 0, 1)[..., None] * (0.5 + 0.5 * looks.hair_dark)
    tint = 0.55 * looks.tone + 0.35 * looks.hair + np.array([-0.03, 0.0, 0.02])
    rgb[:] = rgb * (1 - shadow) + shadow * tint
    hairs = _strands(region, int(6000 + 26000 * looks.beard), 2.0 + 12.0 * max(looks.beard - 0.35, 0), dice)
    much = np.clip(cv2.GaussianBlur(hairs, (0, 0), 0.6) * (0.35 + 1.0 * looks.beard), 0, 0.95)
    if looks.beard_long:
        much = np.clip(much + 0.75 * region, 0, 0.97)
    streaks = 0.16 * noise(SHAPE, (160, 420), dice)[..., None]
    rgb[:] = rgb * (1 - much[..., None]) + much[..., None] * np.clip(looks.hair * 0.9 * (1 + streaks), 0, 1)
    gloss *= 1 - 0.6 * much
    relief += (0.8 if looks.beard_long else 0.35) * region * noise(SHAPE, (170, 430), dice)


def _strands(region: Array, count: int, length: float, dice: np.random.Generator) -> Array:
    """Short hairs growing down and outward where ``region`` says, [SKIN_HEIGHT, SKIN_WIDTH]."""
    rows, columns = np.nonzero(region > 0.05)
    layer = np.zeros(SHAPE, np.uint8)
    pick = dice.integers(len(rows), size=count)
    pick = pick[dice.random(count) < region[rows[pick], columns[pick]]]
    x, y = columns[pick] + dice.random(len(pick)), rows[pick] + dice.random(len(pick))
    aside = (x - SKIN_WIDTH / 2) / 400 + dice.normal(0, 0.35, len(pick))
    size = length * dice.uniform(0.5, 1.2, len(pick))
    ends = np.stack([x, y, x + size * aside, y + size], -1) * 8
    for value in (120, 190, 255):
        these = ends[value % 3 :: 3].reshape(-1, 2, 2).astype(np.int32)
        cv2.polylines(layer, list(these), False, value, 1, cv2.LINE_AA, 3)
    return np.asarray(layer.astype(np.float32) / 255)


def _brows(rgb: Array, gloss: Array, looks: SkinLooks, traits: Traits, dice: np.random.Generator) -> None:
    """Brows of single hairs between two edges that the landmarks give."""
    head = load_head_model()
    landmarks = head.landmarks(head.vertices)
    thick = np.clip(dice.normal(0.95 + 0.25 * traits.male - 0.25 * looks.makeup, 0.2), 0.45, 1.6)
    dense = int(np.clip(dice.normal(480, 150), 160, 900) * (1 - 0.35 * traits.age))
    arch, reach = dice.normal(0, 0.012), dice.uniform(0.9, 1.05)
    layer = np.zeros(SHAPE, np.float32)
    for side, (upper, lower) in BROWS.items():
        above, below = unroll(landmarks[list(upper)]), unroll(landmarks[list(lower)])
        lean = 1.0 if side == "right" else -1.0
        strands = np.zeros(SHAPE, np.uint8)
        t = 1 - dice.beta(1.15, 1.0, dense) * reach  # 0 at the temple
        s = np.clip(dice.normal(0, 0.42, dense), -1.0, 1.0)
        k = np.linspace(0, 1, 5)
        middle, half = (above + below) / 2, (below - above) / 2 * thick
        centre = np.stack([np.interp(t, k, middle[:, i]) for i in (0, 1)], -1)
        wide = np.stack([np.interp(t, k, half[:, i]) for i in (0, 1)], -1)
        full = np.interp(t, [0, 0.25, 0.8, 1.0], [0.25, 0.8, 1.0, 0.8])
        start = centre + wide * (s * full)[:, None]
        start[:, 1] += arch * 400 * np.sin(np.pi * t)
        # Near the nose hairs stand up, farther out they lie along the brow.
        angle = (
            np.interp(t, [0, 0.5, 0.85, 1], [0.45, 0.1, -0.6, -1.2]) + dice.normal(0, 0.22, dense) + 0.35 * s
        )
        size = dice.uniform(7, 15, dense) * (0.7 + 0.4 * full)
        ends = start + np.stack([-lean * np.cos(angle), np.sin(angle)], -1) * size[:, None]
        lines = np.stack([start, ends], 1) * 8
        for step, value in enumerate((140, 200, 250)):
            cv2.polylines(strands, list(lines[step::3].astype(np.int32)), False, value, 1, cv2.LINE_AA, 3)
        soft = cv2.GaussianBlur(strands.astype(np.float32) / 255, (0, 0), 4.0) * dice.uniform(0.3, 0.8)
        layer = np.maximum(layer, np.clip(strands.astype(np.float32) / 255 + soft, 0, 1))
    much = (np.clip(layer, 0, 1) * (0.78 + 0.17 * looks.hair_dark))[..., None]
    rgb[:] = rgb * (1 - much) + much * looks.brow
    gloss *= 1 - 0.7 * much[..., 0]


def _signed(outline: Array) -> Array:
    """Texels inside a closed outline, negative outside, float32 [SKIN_HEIGHT, SKIN_WIDTH]."""
    mask = np.zeros(SHAPE, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    return np.asarray(
        cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5)
    )
