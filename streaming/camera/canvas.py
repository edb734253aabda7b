"""Sets the avatar's square picture onto a wide one."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SettingError
from engine.render.badge import add_badge

SMALLEST: Final = 128
LARGEST: Final = 4096
"""Sides of a canvas in pixels."""

FEATHER_SHARE: Final = 1 / 15
"""Over this share of the square its left and right edges melt into the background: shoulders reach there."""

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


class Canvas:
    """A wide I420 picture with the avatar in the middle, as high as the canvas.

    Convention: pictures are planar I420, BT.601 limited range, uint8 [H * 3 // 2, W]. Only the square and the badge
    are drawn anew, in one buffer: a picture is valid until the next one is made. Not for two threads at once.
    """

    def __init__(self, background: NDArray[np.uint8], *, badge: bool = True) -> None:
        """``background`` is uint8 [H, W, 3] RGB, even, at least as wide as high; see ``check_canvas``."""
        height, width = background.shape[:2]
        check_canvas(width, height)
        self.width, self.height = width, height
        self._side = height
        self._left = (width - height) // 2 // 2 * 2
        self._picture = np.asarray(cv2.cvtColor(background, cv2.COLOR_RGB2YUV_I420), np.uint8)
        self._planes = planes(self._picture)
        self._squares = tuple(
            plane[:, self._left // step : (self._left + self._side) // step]
            for plane, step in zip(self._planes, (1, 2, 2), strict=True)
        )
        feather = round(height * FEATHER_SHARE) // 2 * 2 if width > height else 0
        self._edges = [
            edge
            for square, step in zip(self._squares, (1, 2, 2), strict=True)
            for edge in _edges(square, feather // step)
        ]
        self._badge = _Badge(self._planes, height, width) if badge else None

    def compose(self, i420: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw the canvas with one picture of the avatar, uint8 [size * 3 // 2, size]."""
        if self._badge is not None:
            self._badge.lift()
        for plane, square in zip(planes(i420), self._squares, strict=True):
            size = (square.shape[1], square.shape[0])
            square[:] = plane if plane.shape == square.shape else cv2.resize(plane, size)
        for edge in self._edges:
            edge.blend()
        if self._badge is not None:
            self._badge.draw()
        return self._picture


def check_canvas(width: int, height: int) -> None:
    """Refuse sizes that cannot be drawn.

    Raises:
        SettingError: odd, too small, too large, or higher than wide.
    """
    if width % 2 or height % 2 or not SMALLEST <= height <= width <= LARGEST:
        raise SettingError(
            f"expected an even width and height from {SMALLEST} to {LARGEST} px, at least as wide as high, "
            f"got {width} x {height}"
        )


def planes(i420: NDArray[np.uint8]) -> Planes:
    """Views of Y, U and V in a picture uint8 [H * 3 // 2, W] that is contiguous."""
    rows, width = i420.shape
    height = rows * 2 // 3
    luma = height * width
    flat = i420.reshape(-1)
    u, v = flat[luma:].reshape(2, height // 2, width // 2)
    return flat[:luma].reshape(height, width), u, v


class _Edge:
    """One side of one plane of the square, melting into the background that was there."""

    def __init__(self, strip: NDArray[np.uint8], weight: NDArray[np.float32]) -> None:
        """``strip`` shows the background now; ``weight`` is float32 [width], the avatar's share."""
        self._strip = strip
        self._behind = np.ascontiguousarray(strip)
        self._share = np.ascontiguousarray(np.broadcast_to(weight, strip.shape))
        self._rest = 1.0 - self._share

    def blend(self) -> None:
        """Blend what was drawn into the strip."""
        self._strip[:] = cv2.blendLinear(
            np.ascontiguousarray(self._strip), self._behind, self._share, self._rest
        )


def _edges(square: NDArray[np.uint8], width: int) -> list[_Edge]:
    if width == 0:
        return []
    ramp = (np.arange(width, dtype=np.float32) + 0.5) / width
    rising = np.asarray(ramp * ramp * (3.0 - 2.0 * ramp), np.float32)  # no corner at its ends
    falling = np.asarray(rising[::-1], np.float32)
    return [_Edge(square[:, :width], rising), _Edge(square[:, -width:], falling)]


class _Badge:
    """The "AI-generated" badge in the canvas' lower right corner."""

    def __init__(self, canvas: Planes, height: int, width: int) -> None:
        black, white = (np.full((height, height), fill, np.uint32) for fill in (0xFF000000, 0xFFFFFFFF))
        add_badge(black)
        add_badge(white)
        light, most = (frame.view(np.uint8)[:, ::4].astype(np.float32) for frame in (black, white))
        kept = most - light
        rows, columns = (np.flatnonzero((kept < 255).any(axis=axis)) for axis in (1, 0))
        top, left = rows[0] // 2 * 2, columns[0] // 2 * 2
        bottom, right = (rows[-1] + 2) // 2 * 2, (columns[-1] + 2) // 2 * 2
        kept, light = kept[top:bottom, left:right] / np.float32(255), light[top:bottom, left:right]
        self._parts = []
        for plane, step, zero, add in zip(
            canvas,
            (1, 2, 2),
            (16.0, 128.0, 128.0),
            (light * (219 / 255), np.zeros(1, np.float32), np.zeros(1, np.float32)),
            strict=True,
        ):
            box = np.s_[
                top // step : bottom // step,
                (left + width - height) // step : (right + width - height) // step,
            ]
            share = kept[::step, ::step]
            self._parts.append((plane[box], plane[box].copy(), share, zero * (1 - share) + add + 0.5))

    def lift(self) -> None:
        """Uncover the background again, where no square is drawn over it."""
        for part, behind, _, _ in self._parts:
            part[:] = behind

    def draw(self) -> None:
        """Draw the badge over what is there."""
        for part, _, share, add in self._parts:
            part[:] = (part * share + add).astype(np.uint8)
