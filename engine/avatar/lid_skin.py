"""The skin of the upper lids: the photo with the lashes taken off, in colours that look right when the eye is shut.

A blink makes a lid that is a few pixels tall many times as tall. What the photo shows there, lashes, creases, shadows and
reflections, would be drawn out to bars, so the lid is coloured backwards: the eye is drawn shut, everything that was
stretched or hidden is led over from the skin around it, and that is put where the blink will take it from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import resample_line
from engine.avatar.easing import smooth_step
from engine.avatar.layers import to_levels
from engine.avatar.parts import LUMA, FittedHead, Image
from engine.avatar.shut_eye import ShutEye, filled

Array = NDArray[np.float64]

# Lengths in eye widths.
ROOT: Final = 0.07
"""Up to here above the margin all that the photo shows is lashes and their shadow."""
ROOT_FADE: Final = 0.1
RIM: Final = 0.03
"""Nearer to the margin than this, what is brighter than the lid is the white of the eye."""
REACH: Final = 0.26
"""Single lashes reach as far above the margin, and what a blink stretches is no farther."""
STROKE: Final = 0.14
"""Dark strokes narrower than this along the margin are lashes."""
BESIDE: Final = 0.15
"""So far past the corners the lid goes over into the photo."""
LOWER_LASHES: Final = 0.12
"""Nearer to where the lids meet, no colour of the skin is taken."""
LID_SAMPLE: Final = (0.1, 0.26)
"""Where above the margin the photo shows lid skin."""
LOWER_SAMPLE: Final = (0.15, 0.4)
"""Where below the lower one it shows the skin under the eye."""
UNDER_EYE_SHARE: Final = 0.3

STRETCHED: Final = (1.1, 1.6)
"""From the first to the second a lid that gets so many times as tall loses what the photo shows on it."""
GLARE: Final = 1.3
"""What is brighter than so many times the skin is a reflection on glasses."""
FRINGE: Final = 0.4
"""Where all that lies above the eye is darker than so much of the skin under it, it is hair."""
DARK: Final = 0.6
"""Rims, brows and fringes are darker than this share of the skin."""
BRIGHTEST: Final = 1.3
"""What lies over the lid is at most so many times as bright as it: a reflection would shine along the lashes of a blink."""


@dataclass(frozen=True, eq=False)
class LidBand:
    """The piece of the photo around one upper lid.

    rows, columns: where it lies in the photo. picture: uint8 [H, W, 3], what the photo shows of lid and lashes.
    skin: the same without lashes. lash: float64 [3], the lashes' colour.
    """

    rows: slice
    columns: slice
    picture: Image
    skin: Image
    lash: Array

    @classmethod
    def of(cls, head: FittedHead, side: str) -> "LidBand":
        eye = _Eye.of(head, side)
        low = np.clip(np.floor(eye.outline.min(axis=0) - 0.6 * eye.width), 0, head.side - 1).astype(int)
        high = np.clip(np.ceil(eye.outline.max(axis=0) + 0.6 * eye.width), low + 1, head.side).astype(int)
        rows, columns = slice(low[1], high[1]), slice(low[0], high[0])
        picture = head.photo[rows, columns]
        x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
        places = np.stack([x, y], axis=-1)
        along, above = eye.along(places), eye.above(places)

        # Strokes across the margin vanish in a closing along it.
        size = max(3, round(STROKE * eye.width) | 1)
        closed = cv2.morphologyEx(picture, cv2.MORPH_CLOSE, np.ones((1, size), np.uint8)).astype(np.float64)
        closed = np.asarray(
            cv2.GaussianBlur(closed, (0, 0), 0.5 * STROKE * eye.width, sigmaY=0.02 * eye.width), np.float64
        )
        skin_light = _skin_light(closed @ LUMA, low, eye)
        light = skin_light(along)
        own = smooth_step((0.5 + BESIDE - np.abs(along - 0.5)) / BESIDE) * smooth_step(above / 0.02 + 1.0)
        still = own * (1.0 - _beyond(picture, above, light, eye.width))
        strands = still * smooth_step((REACH - above) / (0.5 * REACH))
        combed = picture + strands[..., None] * (closed - picture)

        shut = ShutEye.of(head, side, (int(low[0]), int(low[1])), picture.shape[:2])
        stretched = smooth_step((shut.stretch - STRETCHED[0]) / (STRETCHED[1] - STRETCHED[0]))
        stretched = np.asarray(cv2.GaussianBlur(stretched, (0, 0), 0.02 * eye.width), np.float64)
        shine = smooth_step(5.0 * (picture @ LUMA / light - GLARE))
        lost = still * (1.0 - shine) * smooth_step((ROOT + ROOT_FADE - above) / ROOT_FADE)
        lost = np.maximum(lost, own * stretched * (above < REACH))

        came = shut.came + low
        here = eye.along(came)
        seen = shut.shown(combed).astype(np.float64)
        brightness = seen @ LUMA / skin_light(here)
        known = shut.covered & (shut.shown(lost) < 0.02) & (brightness > DARK) & (brightness < GLARE)
        known &= (np.abs(here - 0.5) > 0.55) | (np.abs(eye.below(came)) > LOWER_LASHES)
        lid = shut.taken_back(filled(seen, known))
        skin = combed + lost[..., None] * (lid - combed)

        luma = picture @ LUMA
        near = (np.abs(above) < ROOT) & (np.abs(along - 0.5) < 0.5)
        dark = near & (luma <= np.quantile(luma[near], 0.1)) if near.any() else np.ones_like(near)
        shown = np.minimum(picture, np.where(above < RIM, 1.0, BRIGHTEST)[..., None] * skin)
        return cls(rows, columns, to_levels(shown), to_levels(skin), picture[dark].mean(axis=0))


@dataclass(frozen=True, eq=False)
class _Eye:
    """One eye in the photo: its margins, float64 [N, 2] canvas pixels, its width, and unit vectors along and across it."""

    upper: Array
    lower: Array
    width: float
    right: Array
    down: Array

    @classmethod
    def of(cls, head: FittedHead, side: str) -> "_Eye":
        upper, lower = (
            head.in_photo[head.groups[f"{side}_{lid}_lid"], :2].astype(np.float64)
            for lid in ("upper", "lower")
        )
        width = float(np.linalg.norm(upper[-1] - upper[0]))
        right = (upper[-1] - upper[0]) / width
        return cls(upper, lower, width, right, np.array([-right[1], right[0]]))

    @property
    def outline(self) -> Array:
        return np.concatenate([self.upper, self.lower])

    def along(self, places: Array) -> Array:
        """Where places [..., 2] lie along the eye: 0 and 1 at its corners."""
        return np.asarray((places - self.upper[0]) @ self.right / self.width)

    def above(self, places: Array) -> Array:
        """How far they lie above the upper margin, eye widths."""
        return -self._under(places, self.upper)

    def below(self, places: Array) -> Array:
        """How far they lie below the lower margin, eye widths."""
        return self._under(places, self.lower)

    def _under(self, places: Array, line: Array) -> Array:
        height = (line - self.upper[0]) @ self.down
        edge = np.interp(self.along(places), self.along(line), height)
        return np.asarray(((places - self.upper[0]) @ self.down - edge) / self.width)


def _beyond(picture: Image, above: Array, light: Array, width: float) -> Array:
    """1 where dark things reach into the band that also lie above it: brows, fringes and the rims of glasses."""
    dark = (picture @ LUMA < DARK * light) & (above > 0.5 * ROOT)
    _, number = cv2.connectedComponents(dark.astype(np.uint8))
    outside = np.unique(number[dark & (above > REACH)])
    size = 2 * max(1, round(0.03 * width)) + 1
    found = cv2.dilate((np.isin(number, outside) & dark).astype(np.uint8), np.ones((size, size), np.uint8))
    return np.asarray(cv2.GaussianBlur(found.astype(np.float64), (0, 0), 0.02 * width))


def _skin_light(luma: Array, corner: NDArray[np.integer], eye: _Eye) -> Callable[[Array], Array]:
    """How bright the skin around the eye is, by place along it. luma: [H, W], the piece of the photo at ``corner``."""
    count = 32
    lines = []
    for line, reach in ((eye.upper, (-LID_SAMPLE[0], -LID_SAMPLE[1])), (eye.lower, LOWER_SAMPLE)):
        margin = resample_line(line, count) @ line - corner
        distance = np.linspace(*reach, 12)[:, None, None] * eye.width
        x, y = np.moveaxis((margin[None] + distance * eye.down - 0.5).astype(np.float32), -1, 0)
        seen = cv2.remap(luma.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # The brighter of what lies there is skin; lashes, brows and frames of glasses are dark.
        bright = np.sort(seen, axis=0)[4:9].mean(axis=0)
        lines.append(np.minimum(bright, GLARE * np.median(bright)))
    above, under = lines
    sides = np.stack([np.where(above < FRINGE * under, under, above), under])
    smooth = [
        cv2.GaussianBlur(line[None], (0, 0), count / 7, borderType=cv2.BORDER_REPLICATE)[0] for line in sides
    ]
    light = np.maximum((1 - UNDER_EYE_SHARE) * smooth[0] + UNDER_EYE_SHARE * smooth[1], 1.0)
    return lambda along: np.interp(along, np.linspace(0.0, 1.0, count), light)
