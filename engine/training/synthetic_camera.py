"""What stands behind made heads and the camera that takes them: backgrounds, tone, blur, grain, compression."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Image
from engine.training.synthetic_atlas import fractal, noise

Array = NDArray[Any]

GRAIN_SIDE: Final = 1200
GRAIN_SEED: Final = 11
PLATE_SIDE: Final = 640
"""Pixels of the background's picture; the middle 512 are the canvas."""


@dataclass(frozen=True, eq=False)
class Camera:
    """One person's camera. distance: from the head in decimetres. scale: canvas pixels for one decimetre. middle: [2],
    where the pivot lies on the canvas. curve: uint8 [256, 3], display value of each channel. blur: sigma in canvas
    pixels; grain: standard deviation in levels; sharpen: strength; quality: JPEG's, 0 without."""

    distance: float
    scale: float
    middle: Array
    curve: NDArray[np.uint8]
    blur: float
    grain: float
    sharpen: float
    quality: int

    def develop(self, linear: Array, view_scale: float, dice: np.random.Generator) -> Image:
        """Display picture uint8 [H, W, 3] of square roots of linear light, float32 [H, W, 3], 1 the white point.

        view_scale: output pixels for one canvas pixel.
        """
        picture: Array = linear
        sigma = self.blur * view_scale
        if sigma > 0.25:
            picture = cv2.GaussianBlur(picture, (0, 0), sigma)
        if self.sharpen:
            picture = picture + self.sharpen * (
                picture - cv2.GaussianBlur(picture, (0, 0), 1.1 * max(view_scale, 0.5))
            )
        if self.grain:
            picture = picture + self._grain(picture.shape, view_scale, dice) / 255
        levels: Array = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        levels = cv2.LUT(levels, self.curve[:, None])
        if self.quality:
            coded = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            levels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
        return np.ascontiguousarray(levels, np.uint8)

    def _grain(self, shape: tuple[int, ...], view_scale: float, dice: np.random.Generator) -> Array:
        store = _grain_store()
        side = max(shape[:2])
        wanted = int(np.clip(round(side / view_scale), 1, len(store)))
        row, column = dice.integers(len(store) - wanted + 1, size=2)
        grain: Array = store[row : row + wanted, column : column + wanted] * np.float32(self.grain)
        if wanted != side:
            grain = cv2.resize(grain, (side, side), interpolation=cv2.INTER_LINEAR)
        return np.asarray(grain[: shape[0], : shape[1]])


@cache
def _grain_store() -> Array:
    """Grain that all pictures cut theirs from: mostly of brightness, some of colour."""
    dice = np.random.default_rng(GRAIN_SEED)
    shape = (GRAIN_SIDE, GRAIN_SIDE)
    return 0.85 * dice.standard_normal((*shape, 1), np.float32) + 0.5 * dice.standard_normal(
        (*shape, 3), np.float32
    )


def make_camera(dice: np.random.Generator) -> Camera:
    """Webcams near, portraits far; soft and sharp, clean and noisy, neutral and tinted."""
    level = np.linspace(0, 1, 256)
    gamma = dice.uniform(0.9, 1.08) / 1.1
    curve = level**gamma
    curve = curve * (1 + dice.uniform(0, 0.25) * (1 - curve))
    contrast = dice.uniform(0.0, 0.35)
    curve = curve * (1 - contrast) + contrast * smooth_step(curve)
    cast = 1 + dice.normal(0, 0.035, 3)
    lift = dice.uniform(0, 0.03)
    graded = np.clip(lift + (1 - lift) * curve[:, None] * cast, 0, 1)
    noisy = dice.random() < 0.4
    return Camera(
        distance=float(np.exp(dice.uniform(np.log(7.0), np.log(30.0)))),
        scale=float(dice.uniform(146, 176)),
        middle=np.array([256 + dice.normal(0, 7), 268 + dice.normal(0, 8)]),
        curve=np.rint(255 * graded).astype(np.uint8),
        blur=float(max(dice.normal(0.25, 0.4), 0.0)),
        grain=float(dice.uniform(1.5, 6.0) if noisy else dice.uniform(0.2, 1.5)),
        sharpen=float(max(dice.normal(0.1, 0.3), 0.0)),
        quality=int(dice.integers(55, 96)) if dice.random() < 0.6 else 0,
    )


def background(dice: np.random.Generator) -> Array:
    """Square roots of linear light, float32 [PLATE_SIDE, PLATE_SIDE, 3]: walls, blurred rooms, outdoors."""
    side = PLATE_SIDE
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    kind = dice.choice(["wall", "wall", "room", "room", "bokeh", "outside", "studio"])
    base = dice.uniform(0.15, 0.95) * (1 + dice.normal(0, dice.exponential(0.08), 3))
    turn = dice.uniform(0, 2 * np.pi)
    ramp = (np.cos(turn) * (x - 0.5) + np.sin(turn) * (y - 0.5))[..., None]
    picture = base * (1 + dice.uniform(0.0, 0.5) * ramp)
    if kind == "studio":
        away = np.hypot(x - 0.5, y - 0.45)[..., None]
        picture = base * (1.15 - dice.uniform(0.2, 1.1) * away)
    elif kind == "outside":
        sky, ground = (
            np.array([0.65, 0.78, 0.9]) * dice.uniform(0.7, 1.1),
            np.array([0.28, 0.36, 0.2]) * dice.uniform(0.5, 1.4),
        )
        horizon = dice.uniform(0.3, 0.8) + 0.05 * noise((side, side), (2, 8), dice)
        mix = np.clip((y - horizon) / 0.05 + 0.5, 0, 1)[..., None]
        picture = sky * (1 - mix) + ground * mix * (1 + 0.4 * fractal((side, side), 10, 5, dice)[..., None])
    if kind in ("room", "bokeh"):
        picture = picture * np.ones((side, side, 1))
        for _ in range(int(dice.integers(4, 22))):
            colour = np.clip(
                dice.uniform(0.03, 1.0) * (1 + dice.normal(0, dice.exponential(0.1), 3)), 0, 1.2
            ).tolist()
            a = (dice.uniform(-0.1, 1.1, 2) * side).astype(int)
            if kind == "bokeh" and dice.random() < 0.6:
                cv2.circle(picture, a.tolist(), int(dice.uniform(8, 45)), colour, -1, cv2.LINE_AA)
            else:
                b = a + (dice.uniform(0.04, 0.6, 2) * side).astype(int)
                cv2.rectangle(picture, a.tolist(), b.tolist(), colour, -1)
    picture = picture * (1 + dice.uniform(0, 0.05) * fractal((side, side), 6, 6, dice)[..., None])
    blur = dice.choice([0.0, 1.5, 4.0, 9.0, 16.0])
    if kind in ("room", "bokeh"):
        blur = max(blur, 1.2)
    picture = picture.astype(np.float32)
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.asarray(np.clip(picture, 0.01, 1.1) ** 1.1, np.float32)
