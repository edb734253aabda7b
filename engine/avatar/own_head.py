"""A head made of a picture of the face that is tracked, for want of an avatar of it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.landmark_rig import LandmarkRig
from engine.avatar.landmarks import FaceLandmarker, Image, Landmarks
from engine.avatar.photo import SeveralFacesError, open_portrait
from engine.avatar.puppet import PuppetFit

Double = NDArray[np.float64]


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


def make_own_head(image: Image, landmarker: FaceLandmarker, *, nearest: bool = False) -> OwnHead:
    """Make a head of a picture, uint8 [H, W, 3] RGB; takes about a second.

    nearest: take the widest of several faces instead of refusing them.

    Raises:
        PhotoError: the picture does not do as a portrait; the message says why.
    """
    try:
        portrait = open_portrait(image, landmarker)
    except SeveralFacesError as error:
        if not nearest:
            raise
        widest = int(np.argmax([box[2] for box in error.boxes]))
        portrait = open_portrait(image, landmarker, widest)
    avatar = create_avatar(portrait)
    affine = portrait.canvas_from_photo
    seen = portrait.landmarks
    points = seen.points.copy()
    points[:, :2] = (points[:, :2] - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    points[:, 2] /= affine[0, 0]
    fit = PuppetFit(LandmarkRig.of_avatar(avatar), seen.blendshapes)
    return OwnHead(avatar, fit, affine, replace(seen, points=points.astype(np.float32)))
