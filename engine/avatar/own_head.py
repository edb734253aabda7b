"""A head made of a picture of the face that is tracked, for want of an avatar of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.landmark_rig import LandmarkRig
from engine.avatar.landmarks import FaceLandmarker, Image, Landmarks
from engine.avatar.photo import Box, SeveralFacesError, open_portrait
from engine.avatar.puppet import PuppetFit
from engine.errors import PhotoError

FACING_DEG: Final = 25.0
"""By the estimate of ``Portrait.angles_deg``. What a face does counts from the picture that its head is made of."""

Double = NDArray[np.float64]
Choose = Callable[[list[Box]], int]
"""Says which of several faces to take, by their boxes in the picture."""


@dataclass(frozen=True, eq=False)
class OwnHead:
    """A head to fit to pictures of the face that it was made of.

    Convention:
        avatar: the head as it is drawn. fit: fits it to landmarks on its canvas.
        canvas_from_picture: float64 [2, 3], where the pictures lie on the head's canvas.
        landmarks: of the face in the picture that it was made of, that picture's pixels.
    """

    avatar: Avatar
    fit: PuppetFit
    canvas_from_picture: Double
    landmarks: Landmarks

    def on_canvas(self, points: NDArray[np.floating]) -> Double:
        """Points of a picture, [N, 2 or more], on the canvas: [N, 2]."""
        affine = self.canvas_from_picture
        return np.asarray(points[:, :2] @ affine[:, :2].T + affine[:, 2], np.float64)


def make_own_head(image: Image, landmarker: FaceLandmarker, choose: Choose | None = None) -> OwnHead:
    """Make a head of a picture, uint8 [H, W, 3] RGB; takes about a second.

    choose: which of several faces, as ``widest``; without it they are refused.

    Raises:
        PhotoError: the picture does not do as a portrait, or the face is turned farther than FACING_DEG, so that one that
            looks into the camera later would count as turned away; the message says why.
    """
    try:
        portrait = open_portrait(image, landmarker)
    except SeveralFacesError as error:
        if choose is None:
            raise
        portrait = open_portrait(image, landmarker, choose(error.boxes))
    turned = max(map(abs, portrait.angles_deg))
    if turned > FACING_DEG:
        raise PhotoError(
            f"expected a face that looks into the camera, got one turned by about {turned:.0f} degrees"
        )
    avatar = create_avatar(portrait)
    affine = portrait.canvas_from_photo
    seen = portrait.landmarks
    points = seen.points.copy()
    points[:, :2] = (points[:, :2] - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    points[:, 2] /= affine[0, 0]
    fit = PuppetFit(LandmarkRig.of_avatar(avatar), seen.blendshapes)
    return OwnHead(avatar, fit, affine, replace(seen, points=points.astype(np.float32)))


def widest(boxes: list[Box]) -> int:
    """The face that is nearest to the camera."""
    return int(np.argmax([width for _, _, width, _ in boxes]))


def face_at(points: NDArray[np.floating]) -> Choose:
    """The face whose middle is nearest to that of these landmarks, [N, 2 or more]."""
    middle = (points[:, :2].min(axis=0) + points[:, :2].max(axis=0)) / 2

    def choose(boxes: list[Box]) -> int:
        away = [np.hypot(x + w / 2 - middle[0], y + h / 2 - middle[1]) for x, y, w, h in boxes]
        return int(np.argmin(away))

    return choose
