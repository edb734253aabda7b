"""The small "AI-generated" badge in a corner of live pictures and, by option, of rendered files."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

BADGE_TEXT: Final = "AI-generated"

_HEIGHT_SHARE: Final = 1 / 26  # of the frame's side
_MARGIN_SHARE: Final = 1 / 64
_PLATE_OPACITY: Final = 0.55
_TEXT_OPACITY: Final = 0.92


def add_badge(frame: NDArray[np.uint32]) -> None:
    """Draw the badge into the lower right corner, in place.

    Convention: frame uint32 [size, size] RGBX.
    """
    plate, text, margin = badge_parts(frame.shape[0])
    height, width = plate.shape
    corner = frame[-margin - height : -margin, -margin - width : -margin]
    pixels = np.ascontiguousarray(corner).view(np.uint8).reshape(height, width, 4)
    pixels[:] = (pixels * plate[..., None] >> 8) + text[..., None]
    corner[:] = pixels.view(np.uint32)[..., 0] | np.uint32(0xFF000000)


@cache
def badge_parts(size: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8], int]:
    """What is left of the picture under the badge, uint16 [H, W] in [0, 256], the light text to add, and the margin."""
    height = max(10, round(size * _HEIGHT_SHARE))
    fine = 4
    font = ImageFont.load_default(height * fine * 0.62)
    left, top, right, bottom = font.getbbox(BADGE_TEXT)
    width = round((right - left) / fine + height * 0.8)
    picture = Image.new("L", (width * fine, height * fine))
    outline = Image.new("L", picture.size)
    centre = ((picture.width - right - left) / 2, (picture.height - top - bottom) / 2)
    ImageDraw.Draw(picture).text(centre, BADGE_TEXT, 255, font)
    ImageDraw.Draw(outline).rounded_rectangle(
        (0, 0, picture.width - 1, picture.height - 1), height * fine * 0.3, 255
    )
    text = np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32) / 255 * _TEXT_OPACITY
    plate = (
        np.asarray(outline.resize((width, height), Image.Resampling.BOX), np.float32) / 255 * _PLATE_OPACITY
    )
    left_over = (1 - plate) * (1 - text)
    kept, light = np.round(left_over * 256).astype(np.uint16), np.round(text * 255).astype(np.uint8)
    return kept, light, round(size * _MARGIN_SHARE)
