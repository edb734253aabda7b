"""The photo's own mouth, drawn over the made one where the face comes back to the expression of its photo."""

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels.composite import composite
from kernels.rasterise import rasterise

SEEN_FROM: Final = 0.5
SOLID_FROM: Final = 0.9
"""Nearness to the photo's expression (see ``engine.render.drive``) at which its mouth begins to show, and is all."""


class PhotoMouth:
    """Blends the photo's mouth in; one instance serves one renderer.

    triangles: int32 [T, 3], the surface it lies on. picture: uint32 [H, W] RGBX with coverage. uv: float32 [V, 2], where
    the vertices lie in it. scale: frame over canvas pixels.
    """

    def __init__(
        self,
        triangles: NDArray[np.int32],
        picture: NDArray[np.uint32],
        uv: NDArray[np.float32],
        scale: float,
    ) -> None:
        self._triangles, self._picture, self._scale = triangles, picture, scale
        self._vertices = np.unique(triangles)
        self._attributes = np.column_stack([uv, np.ones(len(uv))]).astype(np.float32)

    def draw(
        self,
        positions: NDArray[np.float32],
        bright: NDArray[np.float32],
        nearness: float,
        frame: NDArray[np.uint32],
        factor: Literal[1, 2],
    ) -> None:
        """Draw into a frame uint32 [size, size] for driven positions [V, 3], so bright [V]; nearness: in [0, 1]."""
        opacity = float(np.clip((nearness - SEEN_FROM) / (SOLID_FROM - SEEN_FROM), 0.0, 1.0))
        size = len(frame)
        corners = positions[self._vertices, :2] * np.float32(self._scale)
        if opacity == 0.0 or not np.isfinite(corners).all():
            return
        x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int).tolist()
        x1, y1 = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int).tolist()
        if x1 <= x0 or y1 <= y0:
            return
        self._attributes[:, 2] = bright
        height, width = factor * (y1 - y0), factor * (x1 - x0)
        planes, triangle = np.empty((3, height, width), np.float32), np.empty((height, width), np.int32)
        rasterise(
            positions,
            self._triangles,
            self._attributes,
            planes,
            triangle,
            np.empty((height, width), np.int64),
            (x0 / self._scale, y0 / self._scale),
            self._scale * factor,
        )
        under = np.ascontiguousarray(frame[y0:y1, x0:x1])
        box = np.empty_like(under)
        composite(planes, triangle, self._picture, under, box, factor)
        if opacity < 1.0:
            made, photo = (side.view(np.uint8).reshape(*side.shape, 4) for side in (under, box))
            cv2.addWeighted(photo, opacity, made, 1.0 - opacity, 0.0, dst=photo)
        frame[y0:y1, x0:x1] = box
