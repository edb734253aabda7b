"""The teeth that a toothy photo shows: their colour, and their pixels for the front of the upper arch."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.parts import LUMA, FittedHead, Image

Array = NDArray[np.float64]

CHEEKS: Final = (50, 280)  # landmarks
BRIGHT: Final = 0.55  # of the cheeks' brightness: darker pixels between the lips are no teeth
GREY: Final = 0.66  # least over largest channel: redder pixels are lips, gums or tongue
ENOUGH_PIXELS: Final = 40
LIP_SHADOW_PX: Final = 1.2  # of a 512 px canvas: pixels nearer to a lip mix with it
EDGE_INSET_PX: Final = 1.0  # likewise: how far above the lowest tooth pixel the edge is taken to be


@dataclass(frozen=True, eq=False)
class PhotoTeeth:
    """Teeth found between the lips of a photo.

    photo: uint8 [side, side, 3]. share: float64 [side, side], 1 on a tooth, soft at its border.
    colour: float64 [3], RGB of the well-lit part. middle, reach, curve: the upper teeth end at y = polyval(curve, (x - middle) / reach), canvas pixels.
    """

    photo: Image
    share: Array
    colour: Array
    middle: float
    reach: float
    curve: Array

    def edge(self, x: Array) -> Array:
        """Where the upper teeth end, y for canvas x; level beyond what the photo shows."""
        return np.asarray(np.polyval(self.curve, np.clip((x - self.middle) / self.reach, -1.0, 1.0)))

    def sample(self, places: Array) -> tuple[Array, Array]:
        """Colour [..., 3] and share [...] of teeth at canvas positions [..., 2]."""
        x, y = ((places[..., k] - 0.5).astype(np.float32) for k in (0, 1))
        colour = cv2.remap(self.photo, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.remap(self.share, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(colour, np.float64), np.asarray(share, np.float64)


def find_photo_teeth(head: FittedHead) -> PhotoTeeth | None:
    """The photo's teeth, or None where it shows none."""
    if "toothy" not in head.flags:
        return None
    lines = [head.in_photo[head.groups[f"{lip}_lip_contact"], :2] for lip in ("upper", "lower")]
    mouth = np.zeros(head.photo.shape[:2], np.uint8)
    outline = np.concatenate([lines[0], lines[1][::-1]]) - 0.5
    cv2.fillPoly(mouth, [np.round(outline * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    inside = cv2.distanceTransform(mouth, cv2.DIST_L2, 5) / (head.side / 512)

    photo = head.photo.astype(np.float64)
    x, y = np.rint(head.landmarks[list(CHEEKS), :2].T).astype(int)
    skin = float(photo[y, x].max(axis=1).mean())
    brightest, least = photo.max(axis=2), photo.min(axis=2)
    tooth = (brightest > BRIGHT * skin) & (least > GREY * brightest) & (inside > LIP_SHADOW_PX)
    if tooth.sum() < ENOUGH_PIXELS:
        return None
    pixels = photo[tooth]
    luma = pixels @ LUMA
    colour = pixels[luma >= np.quantile(luma, 0.6)].mean(axis=0)
    whole = cv2.morphologyEx(tooth.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    share = cv2.GaussianBlur(whole.astype(np.float64), (0, 0), 0.8 * head.side / 512)
    share = np.clip(2 * share - 0.9, 0.0, 1.0) * (inside > 0)

    columns = np.flatnonzero(whole.any(axis=0))
    ends = len(whole) - np.argmax(whole[::-1, columns], axis=0) - EDGE_INSET_PX * head.side / 512
    middle, reach = float(columns.mean()), 0.5 * float(np.ptp(columns)) + 1.0
    curve = np.polyfit((columns - middle) / reach, ends, 2)
    off = np.abs(np.polyval(curve, (columns - middle) / reach) - ends)
    kept = off <= np.quantile(off, 0.8)
    curve = np.polyfit((columns[kept] - middle) / reach, ends[kept], 2)
    return PhotoTeeth(head.photo, share, colour, middle, reach, curve)
