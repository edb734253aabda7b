"""The geometric quality level: driven mesh, rasterised and textured, with mouth and eyes drawn twice as fine."""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.conventions import DEFAULT_FRAME_SIZE, POSE_NAMES
from engine.errors import SettingError
from engine.motion.values import Motion
from engine.render.drive import Driver, head_rotation
from engine.render.head_light import HeadLight
from engine.render.layers import SHADOW_LEVELS, Detail, split_layers
from engine.render.light import inner_lights, mouth_shadow
from engine.render.photo_mouth import PhotoMouth
from engine.timing import StageTimer
from kernels.composite import composite
from kernels.rasterise import rasterise

SMALLEST_SIZE: Final = 64
SHRINK_BELOW: Final = 0.8  # of the canvas' side


@dataclass(frozen=True)
class _Grid:
    """Where in the canvas one rasterised grid lies: its corner in frame pixels, its size in frame pixels."""

    x: int
    y: int
    width: int
    height: int
    factor: Literal[1, 2]


class GeometricRenderer:
    """Draws one avatar; holds every buffer that a frame needs, so one renderer serves one thread.

    Convention: frames are uint32 [size, size] RGBX, opaque, top-left origin.
    """

    def __init__(self, avatar: Avatar, size: int = DEFAULT_FRAME_SIZE) -> None:
        if size < SMALLEST_SIZE or size % 2:
            raise SettingError(f"expected an even frame size of at least {SMALLEST_SIZE} px, got {size}")
        self.avatar = avatar
        self.size = size
        self._scale = size / avatar.side
        self._driver = Driver(avatar)
        self._layers = split_layers(avatar)
        self._lights = inner_lights(avatar)
        self._head_light = HeadLight(avatar)
        self._atlas, uv = _texture_for(avatar.atlas, avatar.uv, self._scale)
        self._attributes = np.column_stack([uv, avatar.shade]).astype(np.float32)
        self._shadow = mouth_shadow(avatar)
        if self._shadow is not None:
            self._no_shadow = self._attributes[self._shadow.lit, 0]
            self._shadow_texels = np.float32(
                (SHADOW_LEVELS - 1) * self._atlas.shape[1] / avatar.atlas.shape[1]
            )
        self._background = _resized(avatar.background, size)
        self._planes = np.empty(3 * size * size, np.float32)
        self._triangle = np.empty(size * size, np.int32)
        self._keys = np.empty(size * size, np.int64)
        self._photo_mouth = self._make_photo_mouth()

    def render(
        self,
        motion: Motion,
        timer: StageTimer,
        out: NDArray[np.uint32] | None = None,
        supersample: bool = True,
    ) -> NDArray[np.uint32]:
        """Draw one frame.

        Convention: ``timer`` gets the stages "drive", "rasterise", "composite" and "detail". ``out`` is filled if
        given, else a new frame is made. ``supersample`` draws mouth and eyes twice as fine.

        Returns:
            The frame, uint32 [size, size].
        """
        frame = np.empty((self.size, self.size), np.uint32) if out is None else out
        with timer.stage("drive"):
            positions = self._driver.drive(motion)
            bright = self._head_light.at(head_rotation(*motion.clamped().pose[:3].tolist()))
            np.multiply(self.avatar.shade, bright, out=self._attributes[:, 2])
            for light in self._lights:
                self._attributes[light.lit, 2] *= light.at(positions)
            if self._shadow is not None:
                dark = 1 - self._shadow.at(positions)
                self._attributes[self._shadow.lit, 0] = self._no_shadow + self._shadow_texels * dark
        whole = _Grid(0, 0, self.size, self.size, 1)
        with timer.stage("rasterise"):
            planes, triangle = self._rasterise(positions, self._layers.skin, whole)
        with timer.stage("composite"):
            composite(planes, triangle, self._atlas, self._background, frame)
        with timer.stage("detail"):
            for detail in self._layers.details:
                self._draw_detail(detail, positions, frame, 2 if supersample else 1)
            if self._photo_mouth is not None:
                near = self._driver.nearness(motion) * self._driver.lips_free(motion)
                self._photo_mouth.draw(positions, bright, near, frame, 2 if supersample else 1)
        return frame

    def _make_photo_mouth(self) -> PhotoMouth | None:
        avatar = self.avatar
        if "photo_mouth" not in avatar.extras:
            return None
        pose = np.zeros(len(POSE_NAMES), np.float32)
        in_photo = self._driver.drive(Motion(0, avatar.extras["photo_blendshapes"], pose))
        uv = in_photo[:, :2] - avatar.extras["photo_mouth_corner"]
        picture, uv = _texture_for(avatar.extras["photo_mouth"], uv, self._scale)
        return PhotoMouth(avatar.extras["photo_mouth_triangles"], picture, uv, self._scale)

    def _draw_detail(
        self, detail: Detail, positions: NDArray[np.float32], frame: NDArray[np.uint32], factor: Literal[1, 2]
    ) -> None:
        """Redraw the box around one opening: background, what lies behind the skin, the skin, what lies on it."""
        outline = positions[detail.outline, :2] * np.float32(self._scale)
        margin = 2.0 + detail.margin * self.avatar.inter_ocular * self._scale
        if not np.isfinite(outline).all():
            return
        x0, y0 = np.clip(np.floor(outline.min(axis=0) - margin), 0, self.size).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(outline.max(axis=0) + margin), 0, self.size).astype(int).tolist()
        if x1 <= x0 or y1 <= y0:
            return
        if (x1 - x0) * (y1 - y0) * factor**2 > self.size**2:
            factor = 1
        grid = _Grid(x0, y0, x1 - x0, y1 - y0, factor)
        box = frame[y0:y1, x0:x1]
        box[:] = self._background[y0:y1, x0:x1]
        for triangles in (*detail.under, detail.skin, *detail.over):
            planes, triangle = self._rasterise(positions, triangles, grid)
            composite(planes, triangle, self._atlas, box, box, factor)

    def _rasterise(
        self, positions: NDArray[np.float32], triangles: NDArray[np.int32], grid: _Grid
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Planes [3, H, W] (u, v, shade) and triangle numbers [H, W] of one grid, in this renderer's buffers."""
        height, width = grid.height * grid.factor, grid.width * grid.factor
        cells = height * width
        planes = self._planes[: 3 * cells].reshape(3, height, width)
        triangle = self._triangle[:cells].reshape(height, width)
        origin = (grid.x / self._scale, grid.y / self._scale)
        rasterise(
            positions,
            triangles,
            self._attributes,
            planes,
            triangle,
            self._keys[:cells].reshape(height, width),
            origin,
            self._scale * grid.factor,
        )
        return planes, triangle


def _texture_for(
    texture: NDArray[np.uint32], uv: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Texture and its coordinates; made smaller for frames much smaller than the canvas, or it would flicker."""
    if scale > SHRINK_BELOW:
        return texture, uv
    height, width = texture.shape
    smaller = (max(round(width * scale), 1), max(round(height * scale), 1))
    channels = texture.view(np.uint8).reshape(height, width, 4)
    shrunk = np.ascontiguousarray(cv2.resize(channels, smaller, interpolation=cv2.INTER_AREA))
    ratio = np.array([smaller[0] / width, smaller[1] / height], np.float32)
    return shrunk.view(np.uint32)[..., 0], uv * ratio


def _resized(image: NDArray[np.uint32], size: int) -> NDArray[np.uint32]:
    """A square RGBX picture at another size."""
    channels = image.view(np.uint8).reshape(*image.shape, 4)
    smaller = size < image.shape[0]
    resized = cv2.resize(channels, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.ascontiguousarray(resized).view(np.uint32)[..., 0]
