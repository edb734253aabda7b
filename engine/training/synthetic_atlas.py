"""The one picture that all surfaces of a made person take their colour, gloss and relief from."""

from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.training.synthetic_mesh import SKIN_HEIGHT, SKIN_WIDTH

Array = NDArray[Any]

WIDTH, HEIGHT = SKIN_WIDTH + 512, SKIN_HEIGHT
BLOCKS: Final = {
    "skin": (0, 0, SKIN_WIDTH, SKIN_HEIGHT),
    "hair": (SKIN_WIDTH, 0, 512, 320),
    "cloth": (SKIN_WIDTH, 320, 512, 320),
    "left_eye": (SKIN_WIDTH, 640, 192, 192),
    "right_eye": (SKIN_WIDTH, 832, 192, 192),
    "teeth": (SKIN_WIDTH + 192, 640, 320, 128),
    "gums": (SKIN_WIDTH + 192, 768, 320, 64),
    "tongue": (SKIN_WIDTH + 192, 832, 160, 128),
    "collar": (SKIN_WIDTH + 352, 832, 160, 64),
    "lashes": (SKIN_WIDTH + 352, 896, 160, 32),
    "glass": (SKIN_WIDTH + 352, 928, 160, 32),
}
"""Left, top, width and height of each surface's part."""

SLOPE_UNIT: Final = 1 / 2048
"""What one step of the stored slopes means."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Colour and relief of one person's surfaces.

    colour: uint8 [HEIGHT, WIDTH, 4]: the square roots of linear red, green, blue, and gloss. slope: int16
    [HEIGHT, WIDTH, 2]: how steeply the relief rises along u and v, in SLOPE_UNIT.
    """

    colour: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((HEIGHT, WIDTH, 4), np.uint8))
    slope: NDArray[np.int16] = field(default_factory=lambda: np.zeros((HEIGHT, WIDTH, 2), np.int16))

    def put(self, block: str, rgb: Array, gloss: Array | float, relief: Array | None = None) -> None:
        """Fill a block; rgb: [h, w, 3] display values in [0, 1]; gloss: 0 to 1; relief: heights in texels."""
        left, top, width, height = BLOCKS[block]
        assert rgb.shape == (height, width, 3), (block, rgb.shape)
        here = np.s_[top : top + height, left : left + width]
        # Display values are about the 2.2th root of linear light; the square root is kept.
        self.colour[here][..., :3] = np.rint(255 * np.clip(rgb, 0, 1) ** 1.1)
        self.colour[here][..., 3] = np.rint(255 * np.clip(gloss, 0, 1))
        if relief is not None:
            self.slope[here] = slopes(relief)


def slopes(relief: Array) -> NDArray[np.int16]:
    """Slopes of a relief in SLOPE_UNIT, int16 [h, w, 2], at most 4."""
    relief = np.asarray(relief, np.float32)
    across, down = (cv2.Sobel(relief, cv2.CV_32F, *d, ksize=3, scale=0.125) for d in ((1, 0), (0, 1)))
    return np.asarray(np.clip(np.stack([across, down], axis=-1) / SLOPE_UNIT, -8191, 8191).astype(np.int16))


def block_uv(block: str, share: Array) -> Array:
    """Texels of places given as shares [..., 2] of a block, half a texel from its border at most."""
    left, top, width, height = BLOCKS[block]
    inside = np.clip(share, 0, 1) * (width - 2, height - 2) + 1.0
    return np.asarray(inside + (left, top))


def noise(shape: tuple[int, int], cells: tuple[float, float], dice: np.random.Generator) -> Array:
    """Smooth noise of unit variance, float32 [shape], with about so many cells down and across."""
    coarse = dice.standard_normal((max(int(cells[0]), 1) + 3, max(int(cells[1]), 1) + 3)).astype(np.float32)
    fine = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine / max(float(fine.std()), 1e-6), np.float32)


def fractal(shape: tuple[int, int], cells: float, octaves: int, dice: np.random.Generator) -> Array:
    """Octaves of noise, each twice as fine and 0.6 as strong, unit variance, float32 [shape]."""
    aspect = shape[1] / shape[0]
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        many = cells * 2**octave
        total += 0.6**octave * noise(shape, (many, many * aspect), dice)
    return np.asarray(total / total.std(), np.float32)
