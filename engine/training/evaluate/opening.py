"""How far the lips are apart, how wide the mouth is and what moves as they part, measured on landmarks."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.face_pose import frontal_pose
from engine.avatar.landmarks import VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER

# Inner lip line: the middle and its neighbours.
UPPER_LIP: Final = np.array([82, 13, 312])
LOWER_LIP: Final = np.array([87, 14, 317])
MOUTH_CORNERS: Final = np.array([61, 291])
"""The viewer's left one, then the right one."""
PARTS: Final = (UPPER_LIP, MOUTH_CORNERS, np.array([148, 152, 377]))
"""What ``part_heights`` measures: upper lip, corners, chin."""
STILL: Final = np.array([33, 133, 362, 263, 168, 6, 197, 195])
"""Corners of the eyes and bridge of the nose, which speech does not move."""


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
    return float(gap / _eye_distance(flat, right))


def mouth_width(points: NDArray[np.floating]) -> float:
    """Distance of the mouth's corners over that of the outer eye corners; else as ``lip_opening``.

    About 0.55 at rest. Both distances lie along the face's own horizontal, so only their depths differ when it turns.
    """
    if not np.isfinite(points).all():
        return float("nan")
    flat = np.asarray(points, np.float64)[:, :2]
    right = frontal_pose(points).rotation[:2, 0]
    left_corner, right_corner = flat[MOUTH_CORNERS]
    return float((right_corner - left_corner) @ right / (right @ right) / _eye_distance(flat, right))


def part_heights(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How far each of ``PARTS`` lies below the eyes, over the distance of the outer eye corners, float64 [3].

    Else as ``lip_opening``.
    """
    if not np.isfinite(points).all():
        return np.full(len(PARTS), np.nan)
    flat = np.asarray(points, np.float64)[:, :2]
    right, down = frontal_pose(points).rotation[:2, :2].T
    below = np.array([flat[part].mean(axis=0) for part in PARTS]) - flat[STILL].mean(axis=0)
    return np.asarray(below @ down / (down @ down) / _eye_distance(flat, right))


def lip_openings(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """``lip_opening`` of each frame; points: [N, 478, 2 or 3]."""
    return np.array([lip_opening(frame) for frame in points], np.float64)


def mouth_widths(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """``mouth_width`` of each frame; points: [N, 478, 2 or 3]."""
    return np.array([mouth_width(frame) for frame in points], np.float64)


def parts_heights(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """``part_heights`` of each frame, [N, 3]; points: [N, 478, 2 or 3]."""
    return np.array([part_heights(frame) for frame in points], np.float64).reshape(-1, len(PARTS))


def _eye_distance(flat: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float((flat[VIEWER_RIGHT_EYE_CORNER] - flat[VIEWER_LEFT_EYE_CORNER]) @ right / (right @ right))
