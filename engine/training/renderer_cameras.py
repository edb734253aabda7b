"""Other cameras for the pairs of the learned renderer: light, colour, sharpness and compression, changed at random.

What a frame lacks is learned from made people. Taken by one camera, photo, drawn and true picture differ as those of any
other camera would; so all three are changed alike, and what separates the true picture from the drawn one stays.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class OtherCamera:
    """How a picture is changed. curves: uint8 [256, 3], each channel's new levels. colour: factor on the distance from
    grey. sigma: of the blur, pixels, 0 without; quality: JPEG's, 0 without."""

    curves: NDArray[np.uint8]
    colour: float = 1.0
    sigma: float = 0.0
    quality: int = 0

    def take(self, picture: NDArray[Any]) -> Image:
        """picture: uint8 [H, W, 3], RGB."""
        levels: NDArray[Any] = cv2.LUT(np.ascontiguousarray(picture), self.curves[:, None])
        if self.colour != 1.0:
            grey = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
            levels = cv2.addWeighted(
                levels, self.colour, cv2.merge([grey, grey, grey]), 1.0 - self.colour, 0.0
            )
        if self.sigma:
            levels = cv2.GaussianBlur(levels, (0, 0), self.sigma)
        if self.quality:
            coded = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            levels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
        return np.asarray(levels, np.uint8)


def same_camera() -> OtherCamera:
    """Changes nothing."""
    return OtherCamera(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))


def other_camera(rng: np.random.Generator) -> OtherCamera:
    """Darker or brighter, flatter or steeper, warmer or cooler, paler; every other one softer, every fourth compressed."""
    level = np.linspace(0.0, 1.0, 256)[:, None]
    level = level ** np.exp(rng.normal(0.0, 0.15))
    level = 0.5 + (level - 0.5) * np.exp(rng.normal(0.0, 0.12))
    level = level * np.exp(rng.normal(0.0, 0.12) + rng.normal(0.0, 0.06, 3)) + rng.normal(0.0, 0.03)
    return OtherCamera(
        np.rint(255.0 * np.clip(level, 0.0, 1.0)).astype(np.uint8),
        colour=float(np.exp(rng.normal(0.0, 0.15))),
        sigma=float(rng.uniform(0.3, 1.4)) if rng.random() < 0.5 else 0.0,
        quality=int(rng.integers(35, 95)) if rng.random() < 0.25 else 0,
    )
