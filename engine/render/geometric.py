"""The geometric quality level: driven mesh, rasterised and textured, with mouth and eyes drawn twice as fine."""

from typing import Final

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_NAMES, DEFAULT_FRAME_SIZE, POSE_NAMES
from engine.errors import SettingError
from engine.motion.values import Motion
from engine.render.boxes import Boxes, Outline
from engine.render.clothing import in_front
from engine.render.drive import Driver, head_rotation
from engine.render.head_light import HeadLight
from engine.render.layers import CLOTHING, SHADOW_LEVELS, part_triangles, part_vertices, split_layers
from engine.render.light import inner_lights, mouth_shadow
from engine.render.photo_mouth import photo_mouth_opacity
from engine.timing import StageTimer
from kernels.frame import Layer, Scene, painter

SMALLEST_SIZE: Final = 64
SHRINK_BELOW: Final = 0.8  # of the canvas' side
SOFT_EDGE_PX: Final = 2.0
LANCZOS: Final = PIL.Image.Resampling.LANCZOS
BETWEEN: Final = np.array([3, -25, 150, 150, -25, 3], np.float32) / 256
"""Interpolates the middle of six points (Deslauriers and Dubuc, Constr. Approx. 1989)."""
READ_BEYOND: Final = 2  # texels: the next one, and what snapped corners add


class GeometricRenderer:
    """Draws one avatar; holds every buffer that a frame needs, so one renderer serves one thread.

    Convention: frames are uint32 [size, size] RGBX, opaque, top-left origin.
    """

    def __init__(self, avatar: Avatar, size: int = DEFAULT_FRAME_SIZE) -> None:
        if size < SMALLEST_SIZE or size % 2:
            raise SettingError(f"expected an even frame size of at least {SMALLEST_SIZE} px, got {size}")
        self.avatar = avatar
        self.size = size
        self.scale = size / avatar.side
        self.driver = Driver(avatar)
        self.lights = inner_lights(avatar)
        self.head_light = HeadLight(avatar)
        atlas, uv = _texture_for(avatar.atlas, avatar.uv, self.scale)
        self.shadow = mouth_shadow(avatar)
        self.shadow_texels = np.float32((SHADOW_LEVELS - 1) * atlas.shape[1] / avatar.atlas.shape[1])
        self.background = _resized(avatar.background, (size, size))
        layers, self.outlines = _stack(avatar, atlas, self.scale)
        self.attributes = np.column_stack([uv, avatar.shade]).astype(np.float32)[None]
        if "photo_mouth" in avatar.extras:
            self._add_photo_mouth(layers)
        self.layers = tuple(layers)
        self._boxes = Boxes(tuple(self.outlines), size, self.scale)
        if self.shadow is not None:
            self.no_shadow = self.attributes[0, self.shadow.lit, 0]
        self.positions = avatar.positions  # of the last frame
        self._painter = painter(self.layers, self.background, len(uv), self.scale)

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
            scene = self.scene(motion, supersample)
        with timer.stage("rasterise"):
            self._painter.depth(scene)
        with timer.stage("composite"):
            self._painter.paint(scene, frame)
        with timer.stage("detail"):
            self._painter.details(scene, frame)
        return frame

    def scene(self, motion: Motion, supersample: bool = True) -> Scene:
        """Everything that is drawn for a motion; its arrays are overwritten by the next call."""
        motion = motion.clamped()
        rotation, nearness = head_rotation(*motion.pose[:3].tolist()), self.driver.nearness(motion)
        self.positions = positions = self.driver.moved(motion, rotation, nearness)
        bright = self.head_light.at(rotation)
        main = self.attributes[0]
        np.multiply(self.avatar.shade, bright, out=main[:, 2])
        for light in self.lights:
            main[light.lit, 2] *= light.at(positions)
        if self.shadow is not None:
            main[self.shadow.lit, 0] = self.no_shadow + self.shadow_texels * (1 - self.shadow.at(positions))
        if len(self.attributes) > 1:
            self.attributes[1, :, 2] = bright
        boxes = self._boxes.at(positions, supersample)
        return Scene(positions, self.attributes, boxes, self.photo_opacity(motion, nearness))

    def photo_motion(self) -> Motion:
        """What the avatar does in its photo."""
        shapes = self.avatar.extras.get("photo_blendshapes", np.zeros(len(ARKIT_NAMES), np.float32))
        return Motion(0, shapes, np.zeros(len(POSE_NAMES), np.float32))

    def photo_opacity(self, motion: Motion, nearness: float) -> int:
        """How much the photo's own mouth shows, of 256; nearness: ``Driver.nearness`` of the motion."""
        if len(self.attributes) == 1:
            return 0
        return photo_mouth_opacity(nearness * self.driver.lips_free(motion))

    def _add_photo_mouth(self, layers: list[Layer]) -> None:
        """One more layer with a picture, coordinates and a box of its own."""
        extras = self.avatar.extras
        in_photo = self.driver.drive(self.photo_motion())
        uv = in_photo[:, :2] - extras["photo_mouth_corner"]
        picture, uv = _texture_for(extras["photo_mouth"], uv, self.scale)
        triangles = extras["photo_mouth_triangles"]
        self.outlines.append(Outline(np.unique(triangles).astype(np.int32), 0.0))
        layers.append(Layer(triangles, picture, len(self.outlines), attributes=1, fades=True))
        of_photo = np.column_stack([uv, np.ones(len(uv))]).astype(np.float32)
        self.attributes = np.concatenate([self.attributes, of_photo[None]])


def _stack(avatar: Avatar, atlas: NDArray[np.uint32], scale: float) -> tuple[list[Layer], list[Outline]]:
    """The avatar's layers in drawing order, and the outlines of their boxes after the whole frame's.

    Clothing lies over the skin, and parts of the skin again over that. Each opening: what lies behind the skin over the
    background, the skin again, what lies on it.
    """
    split = split_layers(avatar)
    layers, outlines = [Layer(split.skin, atlas, 0, first=True)], []
    if CLOTHING in avatar.part_names:
        outlines.append(Outline(part_vertices(avatar, CLOTHING), 0.0, fine=False))
        head, picture = in_front(avatar)
        layers.append(Layer(part_triangles(avatar, CLOTHING), atlas, 1))
        layers.append(Layer(head, _read_by(head, *_texture_for(picture, avatar.uv, scale)), 1))
    for box, detail in enumerate(split.details, 1 + len(outlines)):
        outlines.append(Outline(detail.outline, SOFT_EDGE_PX + detail.margin * avatar.inter_ocular * scale))
        for number, triangles in enumerate((*detail.under, detail.skin, *detail.over)):
            layers.append(Layer(triangles, atlas, box, first=number == 0))
    return layers, outlines


def _texture_for(
    texture: NDArray[np.uint32], uv: NDArray[np.float32], scale: float
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Texture and its coordinates as kernels read them: twice as fine, so that a face that moves stays as sharp as one that
    does not; made smaller first for frames much smaller than the canvas, or it would flicker."""
    if scale <= SHRINK_BELOW:
        height, width = texture.shape
        smaller = max(round(width * scale), 1), max(round(height * scale), 1)
        texture = _resized(texture, smaller)
        uv = uv * np.array([smaller[0] / width, smaller[1] / height], np.float32)
    return _doubled(texture), uv * np.float32(2) - np.float32(0.5)


def _doubled(texture: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Every texel, and between each two what ``BETWEEN`` makes of six: texel (x, y) becomes (2 x, 2 y)."""
    height, width = texture.shape
    texels = _channels(texture)
    fine = np.empty((2 * height, 2 * width, 4), np.uint8)
    fine[::2, ::2] = texels
    fine[::2, 1::2] = cv2.filter2D(texels, -1, BETWEEN[None], anchor=(2, 0), borderType=cv2.BORDER_REPLICATE)
    fine[1::2] = cv2.filter2D(fine[::2], -1, BETWEEN[:, None], anchor=(0, 2), borderType=cv2.BORDER_REPLICATE)
    return fine.view(np.uint32)[..., 0]


def _read_by(
    triangles: NDArray[np.int32], texture: NDArray[np.uint32], uv: NDArray[np.float32]
) -> NDArray[np.uint32]:
    """What these triangles read of a texture: its upper left part, so that coordinates stay as they are."""
    right, bottom = np.ceil(uv[triangles.ravel()].max(axis=0, initial=0.0)).astype(int) + READ_BEYOND
    return np.ascontiguousarray(texture[:bottom, :right])


def _resized(image: NDArray[np.uint32], size: tuple[int, int]) -> NDArray[np.uint32]:
    """A picture at another width and height; coverage apart, as colours count where nothing is covered, too."""
    channels = _channels(image)
    colour, coverage = (
        np.asarray(PIL.Image.fromarray(part).resize(size, LANCZOS))
        for part in (channels[..., :3], channels[..., 3])
    )
    return np.dstack([colour, coverage]).view(np.uint32)[..., 0]


def _channels(image: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Packed pixels as [H, W, 4]."""
    return image.view(np.uint8).reshape(*image.shape, 4)
