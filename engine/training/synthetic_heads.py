"""Made people for training the learned renderer: any number of heads, in any expression, pose and light.

One seed makes one person: shape, skin, hair, teeth, eyes, clothes, background, light and camera.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.head_model import load_head_model
from engine.avatar.parts import Float, Image
from engine.conventions import ARKIT_NAMES
from engine.render.drive import CAMERA_DISTANCE, head_rotation
from engine.training import synthetic_eyes, synthetic_hair, synthetic_mouth, synthetic_skin
from engine.training.synthetic_atlas import BLOCKS, SLOPE_UNIT, Atlas
from engine.training.synthetic_body import (
    EYE,
    FACE,
    MOUTH,
    Body,
    behind_skin,
    follows,
    make_body,
)
from engine.training.synthetic_camera import PLATE_SIDE, Camera, background, make_camera
from engine.training.synthetic_clothes import cloth_pictures, garment_shells, make_garment
from engine.training.synthetic_folds import PersonalFolds, apply_folds, make_folds
from engine.training.synthetic_glasses import frame_picture, make_glasses
from engine.training.synthetic_light import LUMA, Lighting, make_lighting, scaled, shade, visibility
from engine.training.synthetic_mesh import fine_skin, skin_triangles
from engine.training.synthetic_shape import SIDES, HeadShape, Traits, make_shape, make_traits
from kernels.rasterise import rasterise

Array = NDArray[Any]

CANVAS: Final = 512
PLANES: Final = 11
STRIP_ROWS: Final = 48
"""Rows shaded at a time: few enough to stay in the cache."""
DEEP_LIGHT: Final = (0.08, 0.4)
"""Share of the light that reaches the depth of a mouth. With less, mouths wide open were far darker against the
skin than those of the five GRID clips (CC BY 4.0) that lips were measured in."""
IRISES: Final = {"right": slice(468, 473), "left": slice(473, 478)}
IRIS_RING: Final = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]])
"""Where the five landmarks of an iris lie, in its radii."""


@dataclass(frozen=True, eq=False)
class SyntheticHead:
    """One made person.

    Convention: canvas pixels count on a 512 px canvas that shows head and shoulders, (0.5, 0.5) the centre of the
    first; blendshapes: float32 [52], ``ARKIT_NAMES`` order; pose: float32 [6], ``POSE_NAMES`` order and signs.
    """

    seed: int
    body: Body
    atlas: Atlas
    folds: PersonalFolds
    lighting: Lighting
    camera: Camera
    plate: Float
    head_width: float
    iris_dm: float
    _colour: NDArray[np.uint8]
    _slope: NDArray[np.int16]

    @classmethod
    def make(cls, seed: int) -> "SyntheticHead":
        """Make the person of a seed; takes one to two seconds of one core."""
        dice = np.random.default_rng(seed)
        traits = make_traits(dice)
        shape = make_shape(traits, dice)
        atlas, body, iris_dm = _dress(traits, shape, dice)
        folds = make_folds(traits.age, traits.weight, dice)
        lighting = _exposed(body, make_lighting(dice), dice)
        return cls(
            seed, body, atlas, folds, lighting, make_camera(dice), background(dice),
            _head_width(shape.neutral), iris_dm, atlas.colour.copy(), atlas.slope.copy(),
        )  # fmt: skip

    def render(
        self,
        blendshapes: Float,
        pose: Float,
        size: int = CANVAS,
        view: NDArray[np.float64] | None = None,
        supersample: int = 2,
    ) -> Image:
        """The person as a camera takes it: uint8 [size, size, 3].

        view: float64 [2, 3], output pixels from canvas pixels; the whole canvas where None. supersample: samples
        along each side of a pixel.
        """
        view = _whole(size) if view is None else np.asarray(view, float)
        view_scale = float(np.sqrt(abs(np.linalg.det(view[:, :2]))))
        planes, found, (left, top) = self._draw(blendshapes, pose, size * supersample, view * supersample)
        person: Array = np.zeros((size * supersample, size * supersample, 4), np.float32)
        rows, columns = found.shape
        _colour(planes, found, self._colour, self._slope, person[top : top + rows, left : left + columns])
        if supersample > 1:
            person = cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA)
        picture = self._background(size, view)
        picture *= 1 - person[..., 3:]
        picture += person[..., :3]
        token = zlib.crc32(
            np.asarray(blendshapes, np.float32).tobytes() + np.asarray(pose, np.float32).tobytes()
        )
        return self.camera.develop(picture, view_scale, np.random.default_rng([self.seed, token]))

    def landmarks(self, blendshapes: Float, pose: Float) -> Float:
        """Where the 478 face landmarks lie: float32 [478, 3], canvas pixels.

        They are those of the head model, except that the irises' lie on the irises drawn.
        """
        control, gaze = self.body.shape.drive(_checked(blendshapes))
        posed = self._posed(control, follows(self.body.shape.neutral), pose)
        points = load_head_model().landmarks(posed)
        for side, iris in IRISES.items():
            eye = self.body.shape.eyes[side]
            ring = np.zeros((5, 3))
            ring[:, :2] = self.iris_dm * IRIS_RING
            ring[:, 2] = -np.sqrt(eye.radius**2 - (ring**2).sum(axis=1))
            ring = ring @ gaze[side].T + eye.centre
            points[iris] = self._posed(ring.astype(np.float32), np.ones(5, np.float32), pose)
        return np.asarray(self._on_canvas(points), np.float32)

    def mask(
        self, blendshapes: Float, pose: Float, size: int = CANVAS, view: NDArray[np.float64] | None = None
    ) -> Image:
        """How much of each pixel is skin, inside of the mouth, and eye: uint8 [size, size, 3]."""
        fine = 2 * size
        view = 2 * (_whole(size) if view is None else np.asarray(view, float))
        _, vertices = self.body.drive(_checked(blendshapes))
        placed = self._placed(self._posed(vertices, self.body.rigid, pose), view)
        shown = self.body.facing(placed)
        none = np.empty((1, fine, fine), np.float32)
        found = np.empty((fine, fine), np.int32)
        triangles = np.ascontiguousarray(self.body.triangles[shown])
        rasterise(placed, triangles, placed[:, 2:].copy(), none, found, np.empty(found.shape, np.int64))
        kind = np.where(found >= 0, self.body.kinds[shown][found], 0)
        parts = np.stack([kind == which for which in (FACE, MOUTH, EYE)], axis=-1)
        return np.asarray(
            cv2.resize(255 * parts.astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA), np.uint8
        )

    def _placed(self, posed: Float, view: Array) -> Float:
        """Positions [V, 3] in the picture of posed vertices."""
        placed = self._on_canvas(posed)
        placed[:, :2] = placed[:, :2] @ view[:, :2].T + view[:, 2]
        return placed.astype(np.float32)

    def _draw(
        self, blendshapes: Float, pose: Float, side: int, view: Array
    ) -> tuple[Float, Array, tuple[int, int]]:
        """Attribute planes [PLANES, H, W] and triangle numbers of the box that the person fills; its left and top."""
        blendshapes = _checked(blendshapes)
        body = self.body
        control, vertices = body.drive(blendshapes)
        normals = body.normals(vertices)
        rotation = head_rotation(*(float(a) for a in pose[:3]))
        posed = self._posed(vertices, body.rigid, pose)
        turn = body.rigid[:, None]
        turned = [(field @ rotation.T) * turn + field * (1 - turn) for field in (normals, *body.tangents)]
        away = turned[0][:, 2] > 0.05
        thin = slice(body.parts["shell0"].start, None) if "shell0" in body.parts else slice(0, 0)
        turned[0][thin][away[thin]] *= -1
        hidden, lamp_hidden = body.hidden(control, vertices)
        key = self.lighting.key.direction
        casters = self._posed(control, follows(body.shape.neutral), pose)
        seen = visibility(posed, *self._casters(casters, posed), key, self.lighting.softness)
        shading = shade(
            self.lighting, turned[0], (turned[1], turned[2]), seen * lamp_hidden, body.open_ * hidden, body.wrap,
            body.gleam * (0.15 + 0.85 * hidden),
        )  # fmt: skip
        attributes = np.column_stack(
            [body.uv - 0.5, shading.light, shading.bend, shading.near, shading.shine]
        ).astype(np.float32)
        placed = self._placed(posed, view)
        apply_folds(self.atlas, self.folds.depth(blendshapes), self._colour, self._slope)
        low = np.clip(np.floor(placed[:, :2].min(axis=0)), 0, side - 1).astype(int)
        high = np.clip(np.ceil(placed[:, :2].max(axis=0)), low + 1, side).astype(int)
        columns, rows = (high - low).tolist()
        planes = np.empty((PLANES, rows, columns), np.float32)
        found = np.empty((rows, columns), np.int32)
        corner = (int(low[0]), int(low[1]))
        triangles = np.ascontiguousarray(body.triangles[body.facing(placed)])
        rasterise(placed, triangles, attributes, planes, found, np.empty(found.shape, np.int64), corner)
        return planes, found, corner

    def _casters(self, control: Float, posed: Float) -> tuple[Float, Array]:
        """Vertices and triangles that cast shadows: the model's skin, and hair and clothes."""
        body = self.body
        if "shell0" not in body.parts:
            return control, skin_triangles()
        start = body.parts["shell0"].start
        first = int(np.searchsorted(body.triangles[:, 0], start))
        shells = body.triangles[first:] - start + len(control)
        return np.concatenate([control, posed[start:]]), np.concatenate([skin_triangles(), shells]).astype(
            np.int32
        )

    def _posed(self, vertices: Float, rigid: Float, pose: Float) -> Float:
        """Vertices [V, 3] turned and moved with the head as far as they follow it."""
        yaw, pitch, roll, tx, ty, tz = (float(value) for value in pose)
        nearer = CAMERA_DISTANCE / max(CAMERA_DISTANCE - tz, 1.0)
        rotation = head_rotation(yaw, pitch, roll) * np.float32(nearer)
        shift = np.array([tx, ty, -tz], np.float32) * np.float32(self.head_width)
        moved = vertices @ (rotation - np.eye(3, dtype=np.float32)).T + shift
        return np.asarray(vertices + rigid[:, None] * moved, np.float32)

    def _on_canvas(self, vertices: Array) -> Array:
        """Canvas pixels, and depth in pixels, [V, 3] of decimetres."""
        nearer = self.camera.distance / (self.camera.distance + vertices[:, 2:] + 0.7)
        placed = self.camera.scale * vertices
        placed[:, :2] = placed[:, :2] * nearer + self.camera.middle
        return np.asarray(placed)

    def _background(self, size: int, view: Array) -> Float:
        to_canvas = np.array(
            [[1.0, 0, -(PLATE_SIDE - CANVAS) / 2], [0, 1, -(PLATE_SIDE - CANVAS) / 2], [0, 0, 1]]
        )
        matrix = view @ to_canvas
        half = np.array([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1]])
        matrix = (np.linalg.inv(half) @ np.vstack([matrix, [0, 0, 1]]) @ half)[:2]
        return np.asarray(
            cv2.warpAffine(
                self.plate, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            ),
            np.float32,
        )


def _whole(size: int) -> Array:
    """The view of the whole canvas."""
    return np.array([[size / CANVAS, 0.0, 0.0], [0.0, size / CANVAS, 0.0]])


def _checked(blendshapes: Float) -> Float:
    if blendshapes.shape != (len(ARKIT_NAMES),):
        raise ValueError(f"expected blendshapes [{len(ARKIT_NAMES)}], got {list(blendshapes.shape)}")
    return np.clip(np.asarray(blendshapes, np.float32), 0.0, 1.0)


def _dress(traits: Traits, shape: HeadShape, dice: np.random.Generator) -> tuple[Atlas, Body, float]:
    """Pictures and surfaces of one person, and the radius of the irises, decimetres."""
    looks = synthetic_skin.make_looks(traits, dice)
    style = synthetic_hair.make_style(traits, dice)
    skin = fine_skin()
    rest = (skin.from_control @ shape.neutral).astype(np.float32)
    atlas = Atlas()
    atlas.put("skin", *synthetic_skin.skin_picture(looks, traits, synthetic_hair.bald_map(style, dice), dice))
    atlas.put("hair", *synthetic_hair.hair_picture(style, looks, dice))
    atlas.put("glass", *frame_picture(dice))
    for block, pictures in cloth_pictures(dice).items():
        atlas.put(block, *pictures)
    eyes = synthetic_eyes.make_looks(traits.ethnicity, traits.age, dice)
    balls = {}
    for side in SIDES:
        radius = shape.eyes[side].radius
        atlas.put(f"{side}_eye", *synthetic_eyes.eye_picture(eyes, radius, f"{side}_eye", dice))
        iris_deg = float(np.degrees(np.arcsin(eyes.iris_dm / radius)))
        balls[side] = synthetic_eyes.make_ball(radius, f"{side}_eye", iris_deg)
    teeth = synthetic_mouth.make_dentition(traits.age, dice)
    atlas.put("teeth", *synthetic_mouth.teeth_picture(teeth, dice))
    atlas.put("gums", *synthetic_mouth.gum_picture(teeth, dice))
    atlas.put("tongue", *synthetic_mouth.tongue_picture(dice))
    dark = np.minimum(looks.brow * 0.5, 0.2) * (1 - 0.5 * looks.makeup)
    _, _, width, height = BLOCKS["lashes"]
    atlas.put("lashes", np.broadcast_to(dark, (height, width, 3)), 0.05)
    length = float(dice.uniform(0.6, 1.0) + 0.35 * looks.makeup)
    lashes = [
        (side, synthetic_eyes.make_lashes(shape, side, lid, length, dice))
        for side in SIDES
        for lid in ("upper", "lower")
    ]
    jaws = [synthetic_mouth.make_jaw(shape, teeth, upper, dice) for upper in (True, False)]
    garment = make_garment(traits.male, dice)
    shells = synthetic_hair.hair_shells(style, shape.neutral, dice)
    shells += [("frame", s) for s in make_glasses(shape, traits.age, dice)]
    shells += [("cloth", s) for s in garment_shells(garment, shape.neutral, dice)]
    swell = np.zeros_like(rest)
    inside = skin.bag > 0.3
    swell[inside] = behind_skin(rest[inside], shape.neutral) - rest[inside]
    jaws = [replace(jaw, rest=behind_skin(jaw.rest, shape.neutral)) for jaw in jaws]
    tongue = synthetic_mouth.make_tongue(shape, dice)
    deep_light = float(dice.uniform(*DEEP_LIGHT))
    return atlas, make_body(shape, swell, balls, lashes, jaws, tongue, shells, deep_light), eyes.iris_dm


def _exposed(body: Body, lighting: Lighting, dice: np.random.Generator) -> Lighting:
    """The light at a strength that suits the face."""
    control, vertices = body.drive(np.zeros(len(ARKIT_NAMES), np.float32))
    normals = body.normals(vertices)
    mean = fine_skin().mean
    face = np.flatnonzero(
        (np.abs(mean[:, 0]) < 0.5) & (mean[:, 1] < 0.6) & (mean[:, 1] > -0.8) & (mean[:, 2] < -0.6)
    )
    some = (normals[face], (normals[face], normals[face]))
    seen = visibility(vertices[face], control, skin_triangles(), lighting.key.direction, lighting.softness)
    light = shade(lighting, *some, seen, body.open_[face], body.wrap[face], body.gleam[face]).light
    return scaled(lighting, float(dice.uniform(0.55, 0.85)) / max(float((light @ LUMA).mean()), 0.05))


def _colour(
    planes: Float, found: Array, colour: NDArray[np.uint8], slope: NDArray[np.int16], out: Float
) -> None:
    """Fill ``out`` [H, W, 4] with square roots of linear light, and coverage, from attribute planes."""
    for top in range(0, len(found), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        columns = np.flatnonzero((found[rows] >= 0).any(axis=0))
        if not len(columns):
            continue
        box = np.s_[rows, int(columns[0]) : int(columns[-1]) + 1]
        _shade_box(planes[(slice(None), *box)], found[box] >= 0, colour, slope, out[box])


def _shade_box(
    planes: Float, covered: Array, colour: NDArray[np.uint8], slope: NDArray[np.int16], out: Float
) -> None:
    """Shade one box of pixels into ``out``."""
    u, v, red, green, blue, bend_u, bend_v, near, near_u, near_v, shine = planes
    u, v = np.ascontiguousarray(u), np.ascontiguousarray(v)
    *albedo, gloss8 = cv2.split(cv2.remap(colour, u, v, cv2.INTER_LINEAR))
    rise_u, rise_v = cv2.split(cv2.remap(slope, u, v, cv2.INTER_LINEAR))
    rise_u, rise_v = rise_u * np.float32(SLOPE_UNIT), rise_v * np.float32(SLOPE_UNIT)
    bent = 1 + bend_u * rise_u + bend_v * rise_v
    np.clip(bent, 0.12, 2.6, out=bent)
    cosine = near + near_u * rise_u + near_v * rise_v
    np.clip(cosine, 0.0, 1.0, out=cosine)
    gloss = gloss8 * np.float32(1 / 255)
    cube = gloss * gloss * gloss
    power = 7 + 320 * cube
    # Schlick's rational stand-in for cosine ** power (1994), squared so that it falls off sooner.
    power *= np.float32(0.5)
    glint = cosine / (power - power * cosine + cosine)
    glint *= glint
    glint *= shine * (0.17 * gloss + 2.2 * cube * cube)
    bent *= np.float32(1 / 255**2)
    for k, light in enumerate((red, green, blue)):
        value = albedo[k].astype(np.float32)
        value *= value
        value *= light
        value *= bent
        value += glint
        np.sqrt(value, out=value)
        value *= covered
        out[..., k] = value
    out[..., 3] = covered


def _head_width(neutral: Float) -> float:
    """Width of the head above the ears, decimetres."""
    skin = neutral[load_head_model().groups["skin"]]
    level = np.abs(skin[:, 1] - skin[:, 1].min() * 0.5) < 0.2
    return float(np.ptp(skin[level, 0]))
