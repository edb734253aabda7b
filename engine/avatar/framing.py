"""Cuts a photo to the square canvas of a video call: head and shoulders, padded only where the photo ends."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import Landmarks

MIN_SIDE: Final = 512
MAX_SIDE: Final = 768

FACE_SHARE: Final = 0.35  # width of the face over the side of the canvas
MAX_FACE_SHARE: Final = 0.62  # a tighter photo is padded to this
HAIR_SHARE: Final = (
    0.45  # top of hair or hat above the forehead, over the face's height; a guess on the safe side
)
TOP_MARGIN: Final = 0.06  # of the side, above the hair
CHIN_MARGIN: Final = 0.1  # of the side, below the chin, which nods and opens; hair gives way to it
TIGHTEST: Final = 0.5  # share of a face for whose hair and chin a tall photo has room
SURELY_CUT: Final = (
    0.15  # heads whose forehead is so near to the photo's top, over the face's height, are cut by it
)
OFF_CENTRE: Final = 0.14  # of the side, how far a face near the photo's edge may lie from the middle

FOREHEAD: Final = 10
CHIN: Final = 152

Image = NDArray[np.uint8]
Double = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Framing:
    """Which square of a photo is the canvas.

    Convention:
        side: pixels of the canvas. canvas_from_photo: float64 [2, 3], affine, in pixels counted from the pictures'
        top left corners. padded: whether the square reaches past the photo.
    """

    side: int
    canvas_from_photo: Double
    padded: bool


def frame_face(shape: tuple[int, ...], face: Landmarks) -> Framing:
    """Choose the square around a face; shape: the photo's [height, width, ...]."""
    height, width = shape[:2]
    x, _, face_width, _ = face.box
    forehead, chin = float(face.points[FOREHEAD, 1]), float(face.points[CHIN, 1])
    wanted = face_width / FACE_SHARE
    head_top = forehead - HAIR_SHARE * (chin - forehead)
    roomy = face_width / TIGHTEST
    whole = min(chin + CHIN_MARGIN * roomy, height) - max(head_top - TOP_MARGIN * roomy, 0.0)
    square = min(wanted, max(float(min(height, width)), face_width / MAX_FACE_SHARE, min(whole, roomy)))
    centre_x = x + face_width / 2
    left = _inside(centre_x - square / 2, square, width)
    slack = OFF_CENTRE * square
    left = float(np.clip(left, centre_x - square / 2 - slack, centre_x - square / 2 + slack))
    middle = (forehead + chin) / 2 - square / 2
    top = _inside(min(head_top - TOP_MARGIN * square, middle), square, height)
    top = max(top, min(chin + CHIN_MARGIN * square, height) - square)
    if forehead < SURELY_CUT * (
        chin - forehead
    ):  # what continues the edge there would be a forehead without end
        top = max(top, 0.0)
    side = 2 * int(np.clip(round(square / 2), MIN_SIDE // 2, MAX_SIDE // 2))  # frames have even sides
    scale = side / square
    canvas_from_photo = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    tolerance = 0.5
    inside = left >= -tolerance and top >= -tolerance
    inside = inside and left + square <= width + tolerance and top + square <= height + tolerance
    return Framing(side, canvas_from_photo, not inside)


def cut_canvas(photo: Image, framing: Framing) -> Image:
    """The canvas: uint8 [side, side, 3]; what lies past the photo continues its edge, ever softer."""
    to_canvas = np.vstack([framing.canvas_from_photo, [0.0, 0.0, 1.0]])
    height, width = photo.shape[:2]
    picture = photo
    if to_canvas[0, 0] < 0.5:  # average first, so that nothing aliases
        size = max(1, round(width * 2 * to_canvas[0, 0])), max(1, round(height * 2 * to_canvas[0, 0]))
        picture = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        to_canvas = to_canvas @ np.diag([width / size[0], height / size[1], 1.0])
    scale, side = to_canvas[0, 0], framing.side
    sampling = cv2.INTER_LANCZOS4
    if scale < 1.0:  # a slight blur leaves what the smaller picture can carry
        picture = cv2.GaussianBlur(picture, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1) + 1e-3).astype(np.uint8)
        sampling = cv2.INTER_CUBIC
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])  # OpenCV counts from pixel centres
    affine = (np.linalg.inv(half) @ to_canvas @ half)[:2]
    canvas = cv2.warpAffine(picture, affine, (side, side), flags=sampling, borderMode=cv2.BORDER_REPLICATE)
    if not framing.padded:
        return canvas.astype(np.uint8)
    return _soften_padding(canvas.astype(np.uint8), inside_mask(photo.shape, framing))


def _inside(start: float, part: float, length: float) -> float:
    """Move a part into a length; where it is longer, keep its place but leave no gap on one side only."""
    if part >= length:
        return float(np.clip(start, length - part, 0.0))
    return float(np.clip(start, 0.0, length - part))


def inside_mask(shape: tuple[int, ...], framing: Framing) -> NDArray[np.uint8]:
    """255 where the canvas shows the photo."""
    scale = framing.canvas_from_photo[0, 0]
    left, top = np.ceil(framing.canvas_from_photo[:, 2] - 1e-6).astype(int)
    right, bottom = np.floor(framing.canvas_from_photo[:, 2] + scale * np.array([shape[1], shape[0]])).astype(
        int
    )
    mask = np.zeros((framing.side, framing.side), np.uint8)
    mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 255
    return mask


def _soften_padding(canvas: Image, mask: NDArray[np.uint8]) -> Image:
    """Blur the repeated edge pixels, more with distance, so that they do not read as streaks."""
    distance = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 3)[:, :, None]
    side = len(canvas)
    result = canvas.astype(np.float32)
    for sigma in (0.006 * side, 0.02 * side, 0.05 * side):
        blurred = cv2.GaussianBlur(result, (0, 0), sigma)
        share = np.clip(distance / (3.0 * sigma), 0.0, 1.0)
        result = result + share * (blurred - result)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)
