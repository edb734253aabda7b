"""What a portrait shows besides a face: parted lips, teeth, glasses; and how well it shows the face."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER, Landmarks

PARTED_GAP: Final = 0.035  # gap between the lips over the distance of the outer eye corners
TOOTHY_SHARE: Final = 0.25  # of the pixels between the lips
GLASSES_EDGE: Final = (
    0.09  # brightness step across the nose bridge; bare ones show at most 0.054, glasses 0.24
)

# Landmarks of the inner lip line, around: upper lip from the viewer's left, then lower lip back.
INNER_LIPS: Final = np.array(
    [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
)
UPPER_LIP: Final = np.array([82, 13, 312])
LOWER_LIP: Final = np.array([87, 14, 317])
CHEEKS: Final = np.array([50, 280])
BRIDGE: Final = np.array([168, 5])  # between the eyes, and above the nose tip
INNER_EYE_CORNERS: Final = np.array([133, 362])

Image = NDArray[np.uint8]


def appearance(canvas: Image, face: Landmarks) -> frozenset[str]:
    """Which of "parted_lips", "toothy" and "glasses" hold; canvas: uint8 [side, side, 3], RGB."""
    points = face.points[:, :2]
    flags = set()
    gap = np.linalg.norm(points[UPPER_LIP] - points[LOWER_LIP], axis=1).mean() / face.inter_ocular
    if gap > PARTED_GAP:
        flags.add("parted_lips")
        if _tooth_share(canvas, points) > TOOTHY_SHARE:
            flags.add("toothy")
    if _bridge_edge(canvas, points) > GLASSES_EDGE:
        flags.add("glasses")
    return frozenset(flags)


def clarity(canvas: Image, face: Landmarks) -> dict[str, float]:
    """How well the face can be seen; canvas: uint8 [side, side, 3], RGB.

    Returns:
        "highlights": luma of the face's brightest hundredth, in [0, 255], which skin of any colour has where light falls
        on it. "cheeks": brightness of one over the other's, at least 1. "burnt_out": share of the face that is nearly
        white. "sharpness": what is finer than a hundredth of the face's width over what is up to four times as coarse.
    """
    points = face.points[:, :2]
    luma = cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY)
    reach = max(2, round(0.06 * face.inter_ocular))
    cheeks = [
        float(np.median(luma[y - reach : y + reach + 1, x - reach : x + reach + 1]))
        for x, y in points[CHEEKS].astype(int).clip(reach, len(canvas) - reach - 1)
    ]
    left, top = np.clip(points.min(axis=0), 0, len(canvas) - 16).astype(int)
    right, bottom = np.clip(points.max(axis=0), (left + 16, top + 16), len(canvas)).astype(int)
    inside = luma[top:bottom, left:right]
    height = max(8, round(160 * (bottom - top) / (right - left)))
    small = cv2.resize(inside, (160, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    near, far = cv2.GaussianBlur(small, (0, 0), 1.0), cv2.GaussianBlur(small, (0, 0), 4.0)
    return {
        "highlights": round(float(np.percentile(inside, 99)), 1),
        "cheeks": round(max(cheeks) / max(min(cheeks), 1.0), 2),
        "burnt_out": round(float((inside > 250).mean()), 3),
        "sharpness": round(float((small - near).std() / max(float((near - far).std()), 1e-3)), 3),
    }


def _tooth_share(canvas: Image, points: NDArray[np.float32]) -> float:
    """Share of the pixels between the lips that are bright against the skin, and grey."""
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points[INNER_LIPS] - 0.5).astype(np.int32)], 1)
    inside = canvas[mask > 0].astype(np.float32)
    x, y = np.clip(points[CHEEKS].T.astype(int), 0, len(canvas) - 1)
    skin = float(canvas[y, x].max(axis=-1).mean())
    bright = inside.max(axis=-1) > 0.6 * skin
    grey = inside.min(axis=-1) > 0.6 * inside.max(axis=-1)
    return float((bright & grey).mean())


def _bridge_edge(canvas: Image, points: NDArray[np.float32]) -> float:
    """Strongest step of brightness down the nose bridge, where only a spectacle frame crosses it.

    Seen in a picture turned level in which the outer eye corners lie 64 pixels apart; relative to the skin.
    """
    left, right = points[[VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER]]
    across = (right - left) / 64.0
    axes = np.column_stack([across, (-across[1], across[0])])  # canvas pixels for a level one: x, y
    corner = left - axes @ np.array([32.0, 40.0])
    smooth = cv2.GaussianBlur(canvas, (0, 0), max(0.6, 0.5 * float(np.hypot(*across))))
    canvas_from_level = np.column_stack([axes, corner])
    level = cv2.warpAffine(
        smooth, canvas_from_level, (128, 96), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    middle = (np.linalg.inv(axes) @ (points[INNER_EYE_CORNERS].mean(axis=0) - corner))[0]
    top, bottom = ((np.linalg.inv(axes) @ (points[BRIDGE] - corner).T)[1]).round().astype(int)
    centre = round(float(middle))
    strip = level[max(0, top - 8) : bottom, centre - 3 : centre + 4].astype(np.float32).mean(axis=(1, 2))
    if len(strip) < 2:
        return 0.0
    return float(np.abs(np.diff(strip)).max() / max(float(np.median(strip)), 1.0))
