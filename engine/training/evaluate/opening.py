"""How far the lips are apart, measured on landmarks."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.face_pose import frontal_pose
from engine.avatar.landmarks import VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER

# Inner lip line: the middle and its neighbours.
UPPER_LIP: Final = np.array([82, 13, 312])
LOWER_LIP: Final = np.array([87, 14, 317])


def lip_opening(points: NDArray[np.floating]) -> float:
    """Gap between the lips over the distance of the outer eye corners, both as a frontal view would show them.

    Convention: points: [478, 2 or 3], picture pixels. The gap is taken along the face's own vertical, the eyes along
    its horizontal, each stretched by the foreshortening that the head's pitch and yaw cause. 0: shut; a wide
    open mouth: about 0.5; lips that the tracker lets overlap: slightly negative; NaN: no face.
    """
    if not np.isfinite(points).all():
        return float("nan")
    flat = np.asarray(points, np.float64)[:, :2]
    right, down = frontal_pose(points).rotation[:2, :2].T
    gap = (flat[LOWER_LIP] - flat[UPPER_LIP]).mean(axis=0) @ down / (down @ down)
    eyes = (flat[VIEWER_RIGHT_EYE_CORNER] - flat[VIEWER_LEFT_EYE_CORNER]) @ right / (right @ right)
    return float(gap / eyes)


def lip_openings(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """``lip_opening`` of each frame; points: [N, 478, 2 or 3]."""
    return np.array([lip_opening(frame) for frame in points], np.float64)
