"""How far each place of the picture follows the head: hair and neck do, what the torso wears does not."""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.avatar.clothing import within_outline
from engine.avatar.easing import smooth_step
from engine.avatar.face_region import face_height, pixel_centres, upright
from engine.avatar.parts import Float

Array = NDArray[Any]

NECK_LENGTH: Final = 0.6
"""Below the chin the head's pose fades out over this many face heights."""
NECK_HALF_WIDTH: Final = 0.35
HAIR_HALF_WIDTH: Final = 0.85
HAIR_TAPER: Final = 0.4
"""What lies farther to the side below the eyes, in face heights, is no hair but a shoulder; at the chin's level that
begins nearer by the taper."""
HAIR_FADE: Final = (0.5, 0.25)
"""Over so much to the side hair stops following the head: at the eyes and at the chin, in face heights."""
SHOULDER_FADE: Final = 0.12
"""Farther from the middle than the neck, in face heights, it fades out sooner: as many times as this distance fits."""
UNDER: Final = 0.3
"""Under clothing what goes on of the head stops moving so far behind its edge, in face heights."""


JAW: Final = 1.04
"""The face reaches beyond the landmark outline to this share of it: the jaw's edge moves with it."""
AT_COLLAR: Final = 0.4
"""Neck skin follows by this much where it meets clothing, and fully at the jaw."""
SMOOTH: Final = 0.06  # face heights: what changes faster would show the mesh
SMALL: Final = 256  # px, side of the picture in which distances on the neck are taken


@dataclass(frozen=True, eq=False)
class Following:
    """How the picture around one head follows it.

    landmarks: float32 [478, 3], canvas pixels. beyond: float32 [side, side], how far each pixel lies from what hangs
    together with the head, in face heights. free: float32 [side, side] in [0, 1], how freely what does moves, and what
    is nearest to it. Both are None where nobody knows what does.
    """

    landmarks: Float
    beyond: Float | None = None
    free: Float | None = None

    @classmethod
    def of(cls, landmarks: Float, coverage: Float, worn: Float) -> "Following":
        """coverage, worn: float32 [side, side] in [0, 1], where the person is, and how far that is clothing."""
        own = (coverage > 0.5) & (worn < 0.5)
        if not own.any():
            return cls(landmarks)
        distance, nearest = distance_transform_edt(~own, return_indices=True)
        beyond = (distance / face_height(landmarks)).astype(np.float32)
        return cls(landmarks, beyond, _freedom(landmarks, own, worn)[tuple(nearest)])

    def loose(self, points: Array) -> Array:
        """How far canvas positions [..., 2] may move with the head, under clothing ever less: in [0, 1]."""
        if self.beyond is None or self.free is None:
            return np.ones(points.shape[:-1])
        place = (points - 0.5).astype(np.float32)
        beyond, free = (
            cv2.remap(field, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for field in (self.beyond, self.free)
        )
        return np.asarray((free * (1.0 - smooth_step(beyond / UNDER))).reshape(points.shape[:-1]), np.float64)

    def pose(self, points: Array) -> Array:
        """How far canvas positions [..., 2] follow the head's pose: 1 beside and above the chin, 0 on the torso."""
        below, aside = upright(self.landmarks, points)
        sideways = np.abs(aside)
        shoulder = 1.0 + np.maximum(sideways - NECK_HALF_WIDTH, 0.0) / SHOULDER_FADE
        torso = smooth_step(below * shoulder / NECK_LENGTH)
        toward_chin = np.clip(1.0 + below / 0.6, 0.0, 1.0)
        fade = HAIR_FADE[0] + (HAIR_FADE[1] - HAIR_FADE[0]) * toward_chin
        beside = smooth_step((sideways - HAIR_HALF_WIDTH + HAIR_TAPER * toward_chin) / fade)
        beside *= smooth_step(2.0 * (below + 0.6))
        return np.asarray((1.0 - torso) * (1.0 - beside) * self.loose(points))


def _freedom(landmarks: Float, own: NDArray[np.bool_], worn: Float) -> Float:
    """1 on the face and on all of the head above the chin, AT_COLLAR where neck meets clothing: [side, side]."""
    side = len(own)
    small = (SMALL, SMALL)
    mine, cloth, jaw = (
        cv2.resize(mask.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0.5
        for mask in (own, worn > 0.5, own * within_outline(landmarks, side, JAW))
    )
    below, _ = upright(landmarks, pixel_centres(side, SMALL))
    head = jaw | (mine & (below < 0.0))
    cloth &= ~head
    if not cloth.any() or not head.any():
        return np.ones(own.shape, np.float32)
    to_head, to_cloth = (distance_transform_edt(~mask) for mask in (head, cloth))
    free = AT_COLLAR + (1.0 - AT_COLLAR) * smooth_step(to_cloth / (to_cloth + to_head))
    even = SMOOTH * face_height(landmarks) * SMALL / side
    soft = cv2.GaussianBlur(free.astype(np.float32), (0, 0), even, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
