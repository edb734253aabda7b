"""Does a slow movement look smooth? Each frame is compared with the one before, moved as the mesh moved."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.expressions import motion_of
from engine.avatar.measure import SIZE, Viewer
from engine.avatar.parts import Float
from engine.motion.values import Motion
from engine.render.layers import split_layers
from kernels.rasterise import rasterise

FRAMES: Final = 100
BLOCK: Final = 8
"""A triangle that pops changes a whole patch: residuals are averaged over blocks of so many pixels."""
POP_LEVELS: Final = 8.0
"""A block whose residual rises by this much above the same place's frames around it, for one frame, pops."""
POP_WINDOW: Final = 5
"""Frames about it, itself included, that make up "the frames around it"."""

MOVES_PX: Final = 0.02
"""What moves less between two frames stands still."""

_CENTRES: Final = np.stack(np.meshgrid(*[np.arange(SIZE, dtype=np.float32) + np.float32(0.5)] * 2))


@dataclass(frozen=True)
class Flicker:
    """What is left of the difference between neighbouring frames after the known motion, in levels of 255.

    mean: absolute, over what moves of the person, all frames. worst: the largest block's mean in any frame.
    pops: blocks that change for one frame only. pop_frame, pop_x, pop_y: the worst of them, picture pixels.
    """

    mean: float
    worst: float
    pops: int
    pop_frame: int
    pop_x: int
    pop_y: int


def yaw_sweep(frames: int = FRAMES) -> list[Motion]:
    """The head turns slowly from one side to the other."""
    return [motion_of({}, (angle, 0, 0)) for angle in np.linspace(-12, 12, frames).tolist()]


def jaw_sweep(frames: int = FRAMES) -> list[Motion]:
    """The mouth opens slowly."""
    return [motion_of({"jawOpen": jaw}) for jaw in np.linspace(0, 0.6, frames).tolist()]


def flicker(avatar: Avatar, sweep: list[Motion], draw: type[Viewer] = Viewer) -> Flicker:
    """Draw a sweep and compare its frames."""
    viewer, flow = draw(avatar), _Flow(avatar)
    residuals, drawn = [], 0
    total, before = 0.0, viewer.show(sweep[0])
    for motion in sweep[1:]:
        now = viewer.show(motion)
        source, person = flow(before.positions, now.positions)
        mask = person & (np.abs(source - _CENTRES).max(axis=0) > MOVES_PX)
        moved = cv2.remap(
            before.picture,
            source[0] - 0.5,
            source[1] - 0.5,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        off = np.abs(now.picture.astype(np.float32) - moved).mean(axis=2) * person
        total, drawn = total + float(off[mask].sum()), drawn + int(mask.sum())
        residuals.append(cv2.resize(off, (SIZE // BLOCK, SIZE // BLOCK), interpolation=cv2.INTER_AREA))
        before = now
    return judge(np.array(residuals, np.float32), total / max(drawn, 1))


def judge(blocks: Float, mean: float) -> Flicker:
    """What stands out of the residuals; blocks: float32 [N, H, W], their means. mean: over everything that moves."""
    half = POP_WINDOW // 2
    padded = np.pad(blocks, ((half, half), (0, 0), (0, 0)), mode="reflect")
    around = np.median([padded[k : k + len(blocks)] for k in range(POP_WINDOW)], axis=0)
    rise = blocks - around
    frame, row, column = np.unravel_index(int(rise.argmax()), rise.shape)
    return Flicker(
        mean,
        float(blocks.max()),
        int((rise > POP_LEVELS).sum()),
        int(frame) + 1,
        int(column) * BLOCK + BLOCK // 2,
        int(row) * BLOCK + BLOCK // 2,
    )


class _Flow:
    """Where what a pixel shows was one frame before, by the mesh of all layers in drawing order."""

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        layers = split_layers(avatar)
        inner = np.concatenate([t for detail in layers.details for t in detail.under])
        self._layers = np.ascontiguousarray(inner), layers.skin
        self._planes = np.empty((4, SIZE, SIZE), np.float32)
        self._triangle = np.empty((SIZE, SIZE), np.int32)
        self._keys = np.empty((SIZE, SIZE), np.int64)
        self._solid = (avatar.atlas >> 24 > 127).ravel()

    def __call__(self, before: Float, now: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Source places float32 [2, SIZE, SIZE], and where the person is drawn at all."""
        source = _CENTRES.copy()
        person = np.zeros((SIZE, SIZE), bool)
        attributes = np.ascontiguousarray(np.column_stack([before[:, :2], self._avatar.uv]), np.float32)
        for triangles in self._layers:
            rasterise(now, triangles, attributes, self._planes, self._triangle, self._keys)
            texel = self._planes[3].astype(np.int32) * self._avatar.atlas.shape[1] + self._planes[2].astype(
                np.int32
            )
            shown = (self._triangle >= 0) & self._solid[texel]
            np.copyto(source, self._planes[:2], where=shown)
            person |= shown
        return source, person
