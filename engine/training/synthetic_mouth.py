"""Teeth, gums and tongue of made heads: single teeth along the dental arch, each a small solid."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.avatar.easing import smooth_step
from engine.avatar.head_model import load_head_model
from engine.avatar.parts import Float, Int
from engine.avatar.teeth import LOWER_JAW, UPPER_JAW, Jaw, arch_line, grid_triangles
from engine.training.synthetic_atlas import BLOCKS, block_uv, fractal, noise
from engine.training.synthetic_mesh import quads_of, subdivide, triangles_of
from engine.training.synthetic_shape import HeadShape

Array = NDArray[Any]

ACROSS: Final = 9
"""Vertices across one tooth."""
LABIAL, EDGE, LINGUAL = 7, 3, 3
"""Rows of vertices: down the front, over the biting edge, and up the back."""
GUM_COLUMNS: Final = 113
GUM_ROWS: Final = np.array(
    [[-0.035, -0.006, 0.012, 0.05, 0.11, 0.2], [-0.016, 0.004, 0.010, 0.008, 0.0, -0.03]]
)
"""Decimetres above the gum's edge, and before the arch there."""


@dataclass(frozen=True)
class Dentition:
    """One person's teeth. colour, gum: RGB in [0, 1]; size, crown: widths and heights over the usual; gap: decimetres
    between the front teeth; crooked: how much teeth differ in place and turn; lower: decimetres that the upper teeth
    stand lower than the model's."""

    colour: tuple[float, float, float]
    size: float
    crown: float
    gap: float
    crooked: float
    gum: tuple[float, float, float]
    lower: float


@dataclass(frozen=True, eq=False)
class JawMesh:
    """Teeth and gum of one jaw: rest float32 [V, 3]; triangles; texels; and how they follow the model's own teeth:
    weight float32 [V, 68], of these vertices' way from their rest."""

    rest: Float
    triangles: Int
    uv: Float
    weight: Float
    group: str

    def drive(self, shape: HeadShape, vertices: Float) -> Float:
        """Vertices [V, 3] of the driven jaw."""
        members = load_head_model().groups[self.group]
        return np.asarray(self.rest + self.weight @ (vertices[members] - shape.neutral[members]))


def make_dentition(age: float, dice: np.random.Generator) -> Dentition:
    """Whiter when young, longer and yellower when old."""
    white = np.array([0.88, 0.85, 0.79]) * dice.uniform(0.9, 1.1)
    tint = np.clip(dice.normal(0.25 + 0.5 * age, 0.3), 0, 1.2) * np.array([0.05, 0.09, 0.19])
    gum = np.array([0.72, 0.42, 0.42]) * dice.uniform(0.75, 1.1) + dice.normal(0, 0.02, 3)
    r, g, b = np.clip(white - tint, 0.3, 0.97)
    return Dentition(
        (float(r), float(g), float(b)),
        size=float(np.clip(dice.normal(1.0, 0.06), 0.85, 1.15)),
        crown=float(np.clip(dice.normal(1.0 + 0.08 * age, 0.08), 0.8, 1.25)),
        gap=float(max(dice.normal(-0.004, 0.008), 0.0)),
        crooked=float(abs(dice.normal(0, 0.6))),
        gum=(float(gum[0]), float(gum[1]), float(gum[2])),
        lower=float(dice.uniform(-0.005, 0.05) * (1 - 0.7 * age)),
    )


def make_jaw(shape: HeadShape, dentition: Dentition, upper: bool, dice: np.random.Generator) -> JawMesh:
    """Teeth and gum of the upper or the lower jaw, where the person has them."""
    jaw = UPPER_JAW if upper else LOWER_JAW
    group = "upper_teeth" if upper else "lower_teeth"
    vertices, triangles, uv = [], [], []
    count = 0
    number_of_teeth = len(jaw.widths)
    for side in (-1, 1):
        start = dentition.gap / 2 + 0.001
        for k in range(number_of_teeth):
            width = jaw.widths[k] * dentition.size
            points, tri, share = _tooth(jaw, k, side, start, width, dentition, dice)
            vertices.append(points)
            triangles.append(tri + count)
            place = (share * [0.9, 0.9] + 0.05 + [(k + number_of_teeth * (side > 0)), 0]) / [
                2 * number_of_teeth,
                1,
            ]
            uv.append(block_uv("teeth", place * [1, 0.5] + [0, 0.0 if upper else 0.5]))
            count += len(points)
            start += width
    gum, gum_triangles, gum_uv = _gum(jaw, dentition)
    model = load_head_model()
    members = model.groups[group]
    home = np.concatenate([*vertices, gum])
    before = np.column_stack([model.vertices[members].astype(float), np.ones(len(members))])
    to_own = np.linalg.lstsq(before, shape.neutral[members].astype(float), rcond=None)[0]
    home = home + (np.array([0.0, dentition.lower, 0.0]) if upper else np.array([0.0, 0.03, 0.02]))
    rest = np.column_stack([home, np.ones(len(home))]) @ to_own
    # The same map carries every later way of the model's teeth over to these.
    weight = np.column_stack([home, np.ones(len(home))]) @ np.linalg.pinv(before)
    return JawMesh(
        rest.astype(np.float32),
        np.concatenate([*triangles, gum_triangles + count]).astype(np.int32),
        np.concatenate([*uv, gum_uv]).astype(np.float32),
        weight.astype(np.float32),
        group,
    )


def _tooth(
    jaw: Jaw, k: int, side: int, start: float, width: float, dentition: Dentition, dice: np.random.Generator
) -> tuple[Array, Int, Array]:
    """One tooth in the model's frame: vertices, triangles, and shares of its picture."""
    crown = jaw.crowns[k] * dentition.crown * (1 + 0.03 * dice.normal())
    molar = k >= 5
    deep = 0.028 + 0.012 * (k >= 2) + 0.03 * (k >= 3) + 0.03 * molar
    edge = jaw.recess[k] + dentition.crooked * 0.0035 * dice.normal()
    turn = dentition.crooked * 0.0045 * dice.normal()
    s = np.linspace(-1, 1, ACROSS)
    h = np.concatenate([np.linspace(1.0, 0.04, LABIAL), np.zeros(EDGE), np.linspace(0.05, 1.0, LINGUAL)])
    back = np.concatenate([np.zeros(LABIAL), np.linspace(0.15, 0.85, EDGE), np.ones(LINGUAL)])
    # Narrower at the neck; corners of the biting edge rounded, the canine's to a point.
    taper = 1 - (0.2 if not molar else 0.1) * h**1.5
    point = 0.3 if k == 2 else (0.10 if k in (0, 1) else 0.18)
    rounding = edge + point * 0.06 * np.abs(s) ** (1.6 if k == 2 else 4)
    across = np.outer(taper, s) * width / 2 * 0.985
    rise = (h * crown)[:, None] + rounding * np.clip(1 - h / 0.5, 0, 1)[:, None]
    cusps = 0.012 * np.cos(np.pi * 1.5 * s) * ((back > 0.1) & (back < 0.9))[:, None] if k >= 3 else 0.0
    rise = rise - 0.35 * cusps
    bulge = 0.02 * (1 - np.abs(s) ** 2.6) + np.zeros_like(rise)
    bulge += (
        0.010 * np.sin(np.pi * np.clip(h, 0, 1) * 0.9)[:, None]
        - 0.012 * np.clip(1 - h / 0.15, 0, 1)[:, None] ** 2
    )
    bulge += turn * s
    length, points = _smooth_arch()
    place = side * (start + width / 2) + across
    far = np.abs(place)
    x = np.sign(place) * np.interp(far, length, points[:, 0])
    z = np.interp(far, length, points[:, 1])
    ahead = 0.002
    tangent = np.stack(
        [
            np.interp(far + ahead, length, points[:, i])
            - np.interp(np.maximum(far - ahead, 0), length, points[:, i])
            for i in (0, 1)
        ],
        -1,
    )
    tangent[..., 0] = np.abs(tangent[..., 0])
    normal = np.stack([np.sign(place) * tangent[..., 1], -tangent[..., 0]], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    inward = bulge - 0.012 - (back * deep)[:, None] * (1 - 0.35 * s**4)
    x, z = (
        x * (1 - jaw.behind) + normal[..., 0] * inward,
        z + jaw.behind + normal[..., 1] * inward + 0.12 * rise,
    )
    y = jaw.edge_y + jaw.up * rise - jaw.molar_rise * (far / length[-1]) ** 2
    rows = len(h)
    u = np.broadcast_to((s + 1) / 2, (rows, ACROSS))
    v = np.broadcast_to(np.where(back > 0, 0.02 + 0.1 * h, h)[:, None], (rows, ACROSS))
    triangles = grid_triangles(rows, ACROSS)
    if jaw.up < 0:
        triangles = triangles[:, ::-1]
    return np.stack([x, y, z], -1).reshape(-1, 3), triangles, np.stack([u, v], -1).reshape(-1, 2)


def _gum(jaw: Jaw, dentition: Dentition) -> tuple[Array, Int, Array]:
    """The gum as a scalloped band over the teeth's necks."""
    length, points = _smooth_arch()
    along = np.linspace(-length[-1], length[-1], GUM_COLUMNS)
    far = np.abs(along)
    ends = np.cumsum(np.asarray(jaw.widths) * dentition.size) + dentition.gap / 2
    number = np.minimum(np.searchsorted(ends, far), len(ends) - 1)
    width = np.asarray(jaw.widths)[number] * dentition.size
    x = (far - (ends[number] - width / 2)) / (width / 2)
    crown = np.asarray(jaw.crowns)[number] * dentition.crown
    line = crown * (0.93 - 0.24 * np.minimum(np.abs(x), 1.0) ** 2.2)
    below = GUM_ROWS[0] * (0.55 if jaw.up > 0 else 1.0)  # little room before the chin
    rise = line + below[:, None]
    forward = GUM_ROWS[1][:, None] + 0.006 * (1 - np.minimum(np.abs(x), 1) ** 2)
    px = np.sign(along) * np.interp(far, length, points[:, 0])
    pz = np.interp(far, length, points[:, 1])
    slope = np.gradient(np.stack([px, pz], -1), axis=0)
    normal = np.stack([slope[:, 1], -slope[:, 0]], -1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    gx = (px + normal[:, 0] * forward) * (1 - jaw.behind)
    gz = pz + jaw.behind + normal[:, 1] * forward + 0.12 * rise + 0.5 * np.maximum(below, 0)[:, None]
    gy = jaw.edge_y + jaw.up * rise - jaw.molar_rise * (far / length[-1]) ** 2
    rows = len(GUM_ROWS[0])
    share = np.stack(np.meshgrid(np.linspace(0, 1, GUM_COLUMNS), np.linspace(0, 1, rows)), -1).reshape(-1, 2)
    triangles = grid_triangles(rows, GUM_COLUMNS)
    if jaw.up > 0:
        triangles = triangles[:, ::-1]
    return np.stack([gx, gy, gz], -1).reshape(-1, 3), triangles, block_uv("gums", share)


@cache
def _smooth_arch() -> tuple[Array, Array]:
    """``arch_line`` with more points and without corners."""
    walked, points = arch_line()
    fine = np.linspace(0, walked[-1], 60)
    smooth = np.stack([_smooth(np.interp(fine, walked, points[:, k])) for k in (0, 1)], -1)
    return fine, smooth


def _smooth(values: Array) -> Array:
    padded = np.concatenate([2 * values[0] - values[3:0:-1], values, 2 * values[-1] - values[-2:-5:-1]])
    return np.convolve(padded, np.array([1, 3, 5, 6, 5, 3, 1]) / 24, "valid")


def teeth_picture(dentition: Dentition, dice: np.random.Generator) -> tuple[Array, Array, Array]:
    """RGB, gloss and relief of the teeth's block."""
    _, _, width, height = BLOCKS["teeth"]
    base = np.asarray(dentition.colour)
    v = (np.arange(height) % (height // 2) + 0.5) / (height // 2)  # biting edge to neck
    u = (np.arange(width) % (width // 16) + 0.5) / (width // 16) * 2 - 1
    each = 1 + 0.025 * np.repeat(dice.standard_normal(16), width // 16)
    warm = v[:, None, None] ** 2 * np.array([0.03, 0.09, 0.17])
    clear = np.exp(-v / 0.1)[:, None, None] * np.array([0.05, 0.035, 0.015])
    side = 0.06 * np.abs(u)[None, :, None] ** 3
    rgb = base * (1 - warm) * (1 - side) * each[None, :, None] - clear
    rgb = (
        rgb
        + 0.012 * noise((height, width), (10, 160), dice)[..., None]
        + 0.01 * fractal((height, width), 8, 3, dice)[..., None]
    )
    relief = 0.25 * noise((height, width), (40, 60), dice)
    return np.clip(rgb, 0, 1), np.full((height, width), 0.72), relief


def gum_picture(dentition: Dentition, dice: np.random.Generator) -> tuple[Array, Array, Array]:
    """RGB, gloss and relief of the gums' block."""
    _, _, width, height = BLOCKS["gums"]
    base = np.asarray(dentition.gum)
    rgb = base * (1 + 0.05 * fractal((height, width), 6, 3, dice)[..., None])
    rgb = rgb * (1 - 0.18 * np.linspace(0, 1, height)[:, None, None])
    return np.clip(rgb, 0, 1), np.full((height, width), 0.6), 0.5 * noise((height, width), (20, 100), dice)


@dataclass(frozen=True, eq=False)
class Tongue:
    """The model's tongue subdivided: from_control [F, V] sparse, triangles, texels; sink: float32 [F, 3], how much
    lower than the model's it lies."""

    from_control: csr_matrix
    triangles: Int
    uv: Float
    sink: Float


def make_tongue(shape: HeadShape, dice: np.random.Generator) -> Tongue:
    """The tongue; its picture is seen from above. The model's fills the whole mouth: it is made lower."""
    head = load_head_model()
    quads = quads_of(head.triangles)
    inside = np.zeros(len(head.vertices), bool)
    inside[head.groups["tongue"]] = True
    matrix, fine = subdivide(quads[inside[quads].all(axis=1)], len(head.vertices))
    used = np.unique(fine)
    number = np.full(matrix.shape[0], -1)
    number[used] = np.arange(len(used))
    mean = matrix[used] @ head.vertices
    low, high = mean.min(axis=0), mean.max(axis=0)
    rest = matrix[used] @ shape.neutral.astype(float)
    floor, tip = rest[:, 1].max(), rest[:, 2].min()
    sink = np.zeros_like(rest)
    flat = dice.uniform(0.30, 0.52)
    sink[:, 1] = (1 - flat) * (floor - rest[:, 1]) + dice.uniform(-0.02, 0.03)
    sink[:, 2] = dice.uniform(0.02, 0.09) * np.clip(1 - (rest[:, 2] - tip) / 0.5, 0, 1)
    share = (mean[:, [0, 2]] - low[[0, 2]]) / (high - low)[[0, 2]]
    share[:, 1] = np.clip(share[:, 1], 0, 1)
    return Tongue(
        csr_matrix(matrix[used], dtype=np.float32),
        triangles_of(number[fine]),
        block_uv("tongue", share).astype(np.float32),
        sink.astype(np.float32),
    )


def tongue_picture(dice: np.random.Generator) -> tuple[Array, Array, Array]:
    """RGB, gloss and relief of the tongue's block: papillae, a groove, a pale coat toward the back."""
    _, _, width, height = BLOCKS["tongue"]
    base = np.array([0.72, 0.38, 0.38]) * dice.uniform(0.85, 1.1) + dice.normal(0, 0.02, 3)
    bumps: Array = dice.standard_normal((height, width)).astype(np.float32)
    bumps = cv2.GaussianBlur(bumps, (0, 0), 1.2)
    bumps = bumps / bumps.std()
    x = np.linspace(-1, 1, width)[None]
    z = np.linspace(0, 1, height)[:, None]
    groove = np.exp(-((x / 0.12) ** 2)) * smooth_step((z - 0.1) / 0.3)
    coat = dice.uniform(0, 0.5) * smooth_step((z - 0.15) / 0.5) * np.exp(-((x / 0.7) ** 2))
    rgb = base * (1 + 0.05 * bumps[..., None] - 0.12 * groove[..., None])
    rgb = rgb * (1 - coat[..., None]) + coat[..., None] * np.array([0.8, 0.66, 0.62])
    return np.clip(rgb, 0, 1), np.full((height, width), 0.55), 0.7 * bumps - 3.0 * groove
