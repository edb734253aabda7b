"""What the skin around an eye looks like when it is shut, guessed from the photo of it open."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.avatar.layers import spread
from engine.avatar.parts import FittedHead, Float
from engine.conventions import ARKIT_INDEX
from kernels.rasterise import rasterise

Array = NDArray[np.float64]

EVENED: Final = 80
"""How often the filled lid is averaged with its neighbours."""


@dataclass(frozen=True, eq=False)
class ShutEye:
    """A piece of the photo, [H, W] pixels, and where a blink takes them.

    goes: float32 [H, W, 2], where what each pixel shows goes; in the opening, as its nearest neighbour goes.
    stretch: float32 [H, W], how many times as tall it gets. came: float32 [H, W, 2], which place each pixel of the shut
    eye shows. covered: bool [H, W], false in a slit that stays open. All places in pixels of the piece, (0.5, 0.5) the
    first's centre.
    """

    goes: Float
    stretch: Float
    came: Float
    covered: NDArray[np.bool_]

    @classmethod
    def of(cls, head: FittedHead, side: str, corner: tuple[int, int], shape: tuple[int, int]) -> "ShutEye":
        """corner: x, y of the piece in the photo."""
        blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
        shut = head.neutral + head.deltas[blink]
        goes, there = _drawn(head, head.in_photo, shut[:, :2], corner, shape)
        came, covered = _drawn(head, shut, head.in_photo[:, :2], corner, shape)
        here = np.stack(np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5), axis=-1)
        nearest = distance_transform_edt(~there, return_distances=False, return_indices=True)
        moved = (goes - corner - here)[tuple(nearest)]
        stretch = np.where(there, 1.0 + np.gradient(moved[..., 1], axis=0), 1.0)
        return cls(
            (here + moved).astype(np.float32),
            stretch.astype(np.float32),
            (came - np.array(corner)).astype(np.float32),
            covered,
        )

    def shown(self, picture: NDArray[np.floating]) -> Float:
        """The shut eye's picture made of one of the piece, [H, W] or [H, W, C]."""
        return _read(picture, self.came)

    def taken_back(self, picture: NDArray[np.floating]) -> Float:
        """What to put into the photo for the shut eye to look like ``picture``."""
        return _read(picture, self.goes)


def filled(picture: Array, known: NDArray[np.bool_]) -> Array:
    """The picture with what is not known led over from its border as evenly as can be."""
    smooth = np.where(known[..., None], picture, spread(picture.astype(np.float32), known))
    for _ in range(EVENED):
        smooth = np.where(known[..., None], picture, cv2.blur(smooth, (3, 3)))
    return np.asarray(smooth, np.float64)


def _read(picture: NDArray[np.floating], places: Float) -> Float:
    x, y = places[..., 0] - np.float32(0.5), places[..., 1] - np.float32(0.5)
    return np.asarray(
        cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


def _drawn(
    head: FittedHead, positions: Float, values: Float, corner: tuple[int, int], shape: tuple[int, int]
) -> tuple[Float, NDArray[np.bool_]]:
    """Values of the skin's vertices, [V, 2], where they lie in a piece of the canvas: [H, W, 2], and where any do."""
    found = np.empty((2, *shape), np.float32)
    triangle = np.empty(shape, np.int32)
    rasterise(
        np.ascontiguousarray(positions, np.float32),
        head.skin_triangles,
        np.ascontiguousarray(values, np.float32),
        found,
        triangle,
        np.empty(shape, np.int64),
        origin=corner,
    )
    return np.ascontiguousarray(found.transpose(1, 2, 0)), triangle >= 0
