"""The inside of the mouth: a soft dark cavity behind the lips, tongue, gums and teeth.

Everything lies behind the skin and shows only between the lips (see ``engine.render.layers``); how much light
reaches it is decided frame by frame (``engine.render.light``).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import anchor, resample_line
from engine.avatar.easing import smooth_step
from engine.avatar.head_model import load_head_model
from engine.avatar.parts import LUMA, FittedHead, Float, Image, MeshPart
from engine.avatar.photo_teeth import PhotoTeeth, find_photo_teeth
from engine.avatar.teeth import (
    ARCH,
    COLUMNS,
    LOWER_JAW,
    ROWS,
    UPPER_JAW,
    Jaw,
    arch_strip,
    grid_triangles,
    teeth_texture,
)
from engine.render.layers import LIP_POINTS, SHADOW_LEVELS

Array = NDArray[np.float64]

CAVITY_DEPTH: Final = 0.5  # of the mouth's width
CAVITY_RIM: Final = 0.05  # how far the cavity reaches under the lips, of the mouth's width
CAVITY_STEPS: Final = np.array([0.12, 0.3, 0.5, 0.7, 0.88])  # rows between the lips
SHADOW_STEPS: Final = (0.0, 0.08, 0.2, 0.4, 0.7, 1.0)  # likewise
LIP_ROWS: Final = {
    "mouth_cavity": (0.0, 1.0, 0.0, *CAVITY_STEPS.tolist(), 1.0),
    "mouth_shadow": (0.0, *SHADOW_STEPS, 1.0),
}
"""How far the rows of LIP_POINTS vertices of these parts follow the lower lip, the rest being the upper one's."""

TOOTH_OF_WHITE: Final = np.array([1.03, 1.01, 0.96])
LIP_GLOW: Final = 0.03
"""Share of the light on the teeth that comes off the lips."""
MAX_TINT: Final = 0.1
PALE_SKIN: Final = np.array([1.0, 0.84, 0.76])
"""The palest skin's colour in white light."""
UPPER_SHOW: Final = 0.031
LOWER_SHOW: Final = -0.03
"""How far below the line where the lips meet the front teeth's edges lie, decimetres of the head model."""

TONGUE_FADE: Final = 0.32
"""How far behind its tip the tongue has darkened to 1/e, decimetres of the head model."""
TONGUE_SIDE: Final = 0.2
"""How far beside its middle the tongue has darkened to 1/e, likewise."""
TONGUE_LOW: Final = 0.01
"""How much lower than the head model's the back of the tongue lies, likewise: the model's is swallowing."""
TONGUE_ROUND: Final = 0.02
"""How much lower its sides lie than its middle, likewise."""

SHADE_LOSS: Final = np.array([0.0, 0.34, 0.42])
"""Share of each channel that shadow takes from teeth beyond darkening them: its light comes off lips and gums."""
INSIDE: Final = 0.33
"""Share of such light on the front teeth."""

SHADED_WHITES: Final = 0.8
LIT_WHITES: Final = 0.95
"""Luma of the whites of the eyes over skin's where no light comes from the front, and where all does."""
LIT_SHADOW: Final = 1.2
"""Light from the front: how much thinner it makes the shadow on the teeth, a power of 1 more than this; full shadow stays."""
LIT_LOWER: Final = 0.3
"""Likewise: how much brighter the lower teeth are, which the lower lip shades."""
LIT_RED: Final = 0.35
"""Likewise: share of the reddening that it takes away; without any red, shaded teeth look grey."""

ARC_OF_PHOTO: Final = 0.25

MOLAR_SHADE: Final = 0.25
"""Brightness of the last molar beside the front teeth."""

# Landmarks: the lips' red, upper and lower; eye openings, person's right and left; the irises.
UPPER_LIP: Final = np.array(
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78]
)
LOWER_LIP: Final = np.array(
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78]
)


def build_mouth(head: FittedHead) -> list[MeshPart]:
    """The parts behind the lips: "mouth_cavity", "tongue", "lower_teeth", "upper_teeth", "mouth_shadow".

    The cavity's first 2 * LIP_POINTS vertices are the lips' contact lines, upper then lower.
    """
    colours = MouthColours(head)
    return [
        _cavity(head, colours),
        _tongue(head, colours),
        _teeth(head, "lower_teeth", LOWER_JAW, LOWER_SHOW, colours),
        _teeth(head, "upper_teeth", UPPER_JAW, UPPER_SHOW, colours),
        _shadow(head, colours),
    ]


class MouthColours:
    """Colours of what the photo does not show, from what it shows: RGB in [0, 255]."""

    def __init__(self, head: FittedHead) -> None:
        lips = np.concatenate(
            [_pixels(head.photo, head.landmarks[line, :2]) for line in (UPPER_LIP, LOWER_LIP)]
        )
        luma = lips @ LUMA
        typical = lips[(luma > np.quantile(luma, 0.3)) & (luma < np.quantile(luma, 0.8))]
        self.lip: Array = typical.mean(axis=0) if len(typical) else np.array([150.0, 90.0, 85.0])
        white = tooth_white(head) * TOOTH_OF_WHITE
        self.tooth: Array = (1 - LIP_GLOW) * white + LIP_GLOW * self.lip * (white.max() / self.lip.max())
        self.filled = light_in_openings(head)
        self.photo_teeth = find_photo_teeth(head)
        if self.photo_teeth is not None:
            # In a narrow gap they are dark and mixed with the lips.
            both = np.stack([self.tooth, self.photo_teeth.colour])
            tint = (both / both.max(axis=1, keepdims=True)).max(axis=0)
            self.tooth = tint * both.max()
        light = float(self.tooth.max()) / 230
        self.gum: Array = 0.45 * self.lip + 0.55 * light * np.array([188.0, 108.0, 104.0])
        self.tongue: Array = 0.4 * self.lip + 0.6 * light * np.array([184.0, 84.0, 80.0])
        self.throat: Array = 0.22 * self.lip * (1.1, 0.8, 0.75) + light * np.array([14.0, 3.0, 3.0])


def tooth_white(head: FittedHead) -> Array:
    """The colour of a white thing on this face, RGB in [0, 255], from the whites of the eyes."""
    skin, white = _skin(head), _eye_white(head)
    light = float(skin.max(axis=1).mean())
    if white is None:
        return np.asarray(0.95 * light * np.array([1.0, 0.97, 0.93]))
    colour = white / white.max()
    # Whites of eyes are reddish and in the lids' shadow: part of their red stays, the light is the skin's, or theirs where
    # skin is dark. What they have less of blue than of green is the light's own, and no white thing is redder than skin.
    tint = 1 - np.minimum(0.5 * (1 - colour), MAX_TINT)
    tint[2] = tint[1] * min(1.0, colour[2] / colour[1])
    of_skin = skin.mean(axis=0) / PALE_SKIN
    of_skin /= of_skin[0]
    tint = np.maximum(tint, of_skin)
    if "glasses" in head.flags:  # what shows behind lenses is partly what they mirror
        tint = np.minimum(tint, 0.5 * (tint + of_skin))
    return np.asarray(tint / tint.max() * max(white.max(), 0.9 * light))


def light_in_openings(head: FittedHead) -> float:
    """How much of the light falls in between lids and lips, 0 (it comes from above or a side) to 1 (from the front)."""
    white = _eye_white(head)
    if white is None:
        return 0.0
    share = float(white @ LUMA / np.median(_skin(head) @ LUMA))
    return float(smooth_step(np.array((share - SHADED_WHITES) / (LIT_WHITES - SHADED_WHITES))))


def _skin(head: FittedHead) -> Array:
    """Skin of both cheeks and the forehead, RGB [3, 3]."""
    at = np.rint(head.landmarks[[50, 280, 151], 1::-1].T).astype(int)
    return np.asarray(head.photo[tuple(np.clip(at, 0, head.side - 1))], np.float64)


def _eye_white(head: FittedHead) -> Array | None:
    """The mean of the whites of the eyes, RGB [3]; None where hardly any show."""
    found = []
    for side in ("left", "right"):
        lids = [head.in_photo[head.groups[f"{side}_{lid}_lid"], :2] for lid in ("upper", "lower")]
        found.append(_pixels(head.photo, np.concatenate([lids[0], lids[1][::-1]])))
    eyes = np.concatenate(found)
    if not len(eyes):
        return None
    brightness = eyes.max(axis=1)
    saturation = (brightness - eyes.min(axis=1)) / np.maximum(brightness, 1)
    white = eyes[(brightness >= np.quantile(brightness, 0.8)) & (saturation < 0.45)]
    return np.asarray(white.mean(axis=0)) if len(white) > 3 else None


def _lip_line(head: FittedHead, lip: str) -> tuple[Array, Array]:
    """LIP_POINTS points along one lip's contact line, [P, 3], and their deltas, [52, P, 3]."""
    mine = head.groups[f"{lip}_lip_contact"]
    weights = resample_line(head.neutral[mine], LIP_POINTS)
    return weights @ head.neutral[mine], np.einsum("pv,bvc->bpc", weights, head.deltas[:, mine])


def _cavity(head: FittedHead, colours: MouthColours) -> MeshPart:
    """A dark bag whose mouth is the lips' contact lines, reaching a little under the lips on both sides."""
    (upper, upper_move), (lower, lower_move) = _lip_line(head, "upper"), _lip_line(head, "lower")
    width = float(np.linalg.norm(upper[-1] - upper[0]))
    rim = np.array([0.0, CAVITY_RIM * width, 0.02 * width])
    rows = [upper, lower, upper - rim * (1, 1, -1)]
    row_moves = [upper_move, lower_move, upper_move]
    shares = [0.55, 0.55, 0.55]
    for t in CAVITY_STEPS:
        back = np.array([0.0, 0.0, CAVITY_DEPTH * width * np.sin(np.pi * t)])
        rows.append((1 - t) * upper + t * lower + back)
        row_moves.append((1 - t) * upper_move + t * lower_move)
        shares.append(0.55 * (1 - np.sin(np.pi * t)) ** 2)
    rows.append(lower + rim)
    row_moves.append(lower_move)
    shares.append(0.55)

    # Rows are stored contact lines first; the surface goes from the upper rim to the lower one.
    order = [2, 0, *range(3, 3 + len(CAVITY_STEPS)), 1, 3 + len(CAVITY_STEPS)]
    number = np.concatenate([r * LIP_POINTS + np.arange(LIP_POINTS) for r in order])
    triangles = number[grid_triangles(len(rows), LIP_POINTS)].astype(np.int32)
    positions = np.concatenate(rows)
    share = np.repeat(shares, LIP_POINTS)
    ramp = np.linspace(0, 1, 32)[None, :, None]
    texture = np.repeat(colours.throat * (1 - ramp) + colours.lip * ramp, 4, axis=0)
    uv = np.stack([0.5 + 31 * share, np.full(len(share), 2.0)], axis=1)
    return _part(
        "mouth_cavity",
        positions,
        np.concatenate(row_moves, axis=1),
        triangles,
        uv,
        np.ones(len(share)),
        texture,
    )


def _shadow(head: FittedHead, colours: MouthColours) -> MeshPart:
    """A strip from under one lip to under the other; its texture goes from no to full coverage."""
    (upper, upper_move), (lower, lower_move) = _lip_line(head, "upper"), _lip_line(head, "lower")
    rim = np.array([0.0, CAVITY_RIM * float(np.linalg.norm(upper[-1] - upper[0])), 0.0])
    rows = [upper - rim, *((1 - t) * upper + t * lower for t in SHADOW_STEPS), lower + rim]
    moves = [upper_move, *((1 - t) * upper_move + t * lower_move for t in SHADOW_STEPS), lower_move]
    levels = 255 * np.linspace(0, 1, SHADOW_LEVELS) ** (1 + LIT_SHADOW * colours.filled)
    coverage = np.tile(levels.round().astype(np.uint8), (8, 1))
    count = len(rows) * LIP_POINTS
    return _part(
        "mouth_shadow",
        np.concatenate(rows),
        np.concatenate(moves, axis=1),
        grid_triangles(len(rows), LIP_POINTS),
        np.tile([0.5, 4.0], (count, 1)),
        np.ones(count),
        np.tile(colours.throat, (*coverage.shape, 1)),
        coverage,
    )


def _tongue(head: FittedHead, colours: MouthColours) -> MeshPart:
    """The head model's tongue, lit from the lips, with a soft groove."""
    mine = head.groups["tongue"]
    place = np.full(len(head.neutral), -1)
    place[mine] = np.arange(len(mine))
    triangles = place[head.triangles[(place[head.triangles] >= 0).all(axis=1)]].astype(np.int32)
    model = load_head_model().vertices[mine].astype(np.float64)
    depth = (model[:, 2] - model[:, 2].min()) / TONGUE_FADE
    side = np.abs(model[:, 0]) / TONGUE_SIDE
    lower = TONGUE_LOW * np.clip(depth, 0, 1) + TONGUE_ROUND * side**2
    model[:, 1] += lower
    anchored = anchor(head, "tongue")
    positions = head.neutral[mine] + (anchored.scale * lower)[:, None] * anchored.rotation[:, 1]
    corners = model[triangles]
    normals = np.zeros_like(model)
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    normals *= np.sign(np.einsum("vc,vc->", normals, model - model.mean(axis=0)))
    lit = np.clip(normals @ np.array([0.0, -0.5, -0.87]), 0, 1)
    groove = 1 - 0.07 * np.exp(-((model[:, 0] / 0.035) ** 2)) * (normals[:, 1] < 0)
    front = (0.55 + 0.45 * lit) * np.exp(-(depth**1.6)) * groove * np.exp(-(side**3))
    # Where it ends it is as dark as the throat behind it, or its outline would show.
    dark = float(colours.throat.max() / colours.tongue.max())
    shade = dark + (1 - dark) * front

    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (48, 48)), (0, 0), 1.2)
    texture = colours.tongue * (1 + 0.02 * grain / grain.std())[..., None]
    span = np.ptp(model, axis=0)
    uv = 4 + 40 * (model[:, [0, 2]] - model[:, [0, 2]].min(axis=0)) / span[[0, 2]]
    return _part("tongue", positions, head.deltas[:, mine], triangles, uv, shade, texture)


def _teeth(head: FittedHead, group: str, jaw: Jaw, show: float, colours: MouthColours) -> MeshPart:
    """One row of teeth, its front edge ``show`` decimetres of the head model below where the lips meet."""
    model, triangles, uv, along = arch_strip(jaw)
    anchored = anchor(head, group)
    lips = head.neutral[head.groups["upper_lip_contact"]].astype(np.float64)
    seam = lips[:1] + resample_line(lips, 3)[1:2] @ (lips - lips[0])
    edge = anchored.place(np.array([[0.0, jaw.edge_y, ARCH[0, 1]]]))
    down = anchored.rotation[:, 1]
    model[:, 1] += ((seam - edge) @ down / anchored.scale + show)[0]
    positions = anchored.place(model)
    texture, coverage = teeth_texture(jaw, colours.tooth, colours.gum)
    reddened = np.minimum(1 - _arch_shade(np.linspace(-1, 1, texture.shape[1])) + INSIDE, 1)
    kept = 1 - (1 - LIT_RED * colours.filled) * SHADE_LOSS * reddened[:, None]
    if group == "lower_teeth":
        kept *= 1 + LIT_LOWER * colours.filled
    texture = np.minimum(np.round(texture * kept), 255).astype(np.uint8)
    if colours.photo_teeth is not None and group == "upper_teeth":
        edge_row = positions[:COLUMNS]
        lower = colours.photo_teeth.edge(edge_row[:, 0]) - edge_row[:, 1]
        # The lips hide the true arc of the edges in a photo: only a part of what shows is theirs.
        positions[:, 1] += ARC_OF_PHOTO * np.tile(lower - lower[COLUMNS // 2], ROWS)
        _bake(colours.photo_teeth, colours.tooth, positions, texture, coverage)
    return _part(
        group, positions, anchored.deltas(positions), triangles, uv, _arch_shade(along), texture, coverage
    )


def _arch_shade(along: Array) -> Array:
    """Brightness along the arch, -1 to 1: full in front, MOLAR_SHADE at the back."""
    return np.asarray(MOLAR_SHADE + (1 - MOLAR_SHADE) * np.exp(-((np.abs(along) / 0.4) ** 2.6)))


def _bake(
    teeth: PhotoTeeth, tooth: Array, positions: Array, texture: Image, coverage: NDArray[np.uint8]
) -> None:
    """Lay the photo's teeth over the made ones of colour ``tooth``, in place; their biting edges meet."""
    height, width = coverage.shape
    across, along = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    grid = cv2.remap(
        positions[:, :2].reshape(ROWS, COLUMNS, 2).astype(np.float32),
        (across * (COLUMNS - 1)).astype(np.float32),
        (along * (ROWS - 1)).astype(np.float32),
        cv2.INTER_LINEAR,
    ).astype(np.float64)
    grid[..., 1] += teeth.edge(grid[0, :, 0]) - grid[0, :, 1]
    colour, share = teeth.sample(grid)
    colour *= tooth / teeth.colour
    # The renderer darkens the arch toward the back; the photo's pixels have that already.
    lit = colour / _arch_shade(np.linspace(-1, 1, width))[None, :, None]
    mixed = texture * (1 - share[..., None]) + lit * share[..., None]
    texture[:] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    solid = np.round(255 * np.clip((np.arange(height)[:, None] - 1) / 2, 0, 1) * share)
    coverage[:] = np.maximum(coverage, solid.astype(np.uint8))


def _part(
    name: str,
    positions: NDArray[np.floating],
    deltas: NDArray[np.floating],
    triangles: NDArray[np.int32],
    uv: NDArray[np.floating],
    shade: NDArray[np.floating],
    texture: NDArray[np.floating] | Image,
    coverage: NDArray[np.uint8] | None = None,
) -> MeshPart:
    """A part that follows the head fully."""
    count = len(positions)
    return MeshPart(
        name=name,
        positions=_float32(positions),
        deltas=_float32(deltas),
        triangles=triangles,
        uv=_float32(uv),
        shade=_float32(shade),
        rigid=np.ones(count, np.float32),
        breath=np.zeros(count, np.float32),
        texture=np.clip(np.round(texture), 0, 255).astype(np.uint8),
        coverage=coverage,
    )


def _float32(values: NDArray[np.floating]) -> Float:
    return np.ascontiguousarray(values, np.float32)


def _pixels(photo: Image, outline: NDArray[np.floating]) -> Array:
    """Pixels inside an outline [N, 2], [P, 3]."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline - 0.5).astype(np.int32)], 1)
    return np.asarray(photo[mask > 0], np.float64)
