"""Separates the person from the background of a portrait.

Runs MediaPipe's selfie segmentation network (Apache-2.0) with LiteRT on one thread, and sharpens its coarse matte
along the picture's own edges with a guided filter (He, Sun, Tang, "Guided Image Filtering", ECCV 2010).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.tflite import Network

MODEL_PATH: Final = Path(__file__).parents[1] / "assets" / "models" / "selfie_segmentation.tflite"
MODEL_SIDE: Final = 256

# A matte that can be trusted holds the face and leaves some of the picture's upper border free.
MIN_FACE_COVER: Final = 0.9
MAX_COVER: Final = 0.97
MIN_DECIDED: Final = 0.75

# Landmarks of the face's outline, around.
FACE_OVAL: Final = np.array(
    """10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 93
    234 127 162 21 54 103 67 109""".split(),
    np.int32,
)

Image = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Matte:
    """Where the person is.

    Convention:
        alpha: float32 [H, W] in [0, 1], 1 on the person.
        confidence: in [0, 1]; the share of the picture where the network is decided, times how well it holds the
            face. ``trusted`` is False where it misses the face, covers everything or is mostly undecided.
    """

    alpha: Float
    confidence: float
    trusted: bool


class PersonMatte:
    """Cuts persons out. Holds the network's buffers: one per thread."""

    def __init__(self) -> None:
        self._network = Network(MODEL_PATH.read_bytes())

    def __call__(self, photo: Image, landmarks: Float | None = None) -> Matte:
        """Find the person in a square portrait.

        Convention:
            photo: uint8 [H, W, 3], RGB. landmarks: float32 [478, 2 or 3], photo pixels, to judge the matte by.
        """
        height, width = photo.shape[:2]
        coarse = self._coarse(photo)
        large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        refined = _refine(photo, np.asarray(large, np.float32))
        decided = float(((refined < 0.1) | (refined > 0.9)).mean())
        face = 1.0 if landmarks is None else _mean_in_face(refined, landmarks)
        trusted = face >= MIN_FACE_COVER and float(refined.mean()) <= MAX_COVER and decided >= MIN_DECIDED
        return Matte(refined, decided * face, trusted)

    def _coarse(self, photo: Image) -> Float:
        """The network's matte, mean over the picture and its mirror image: float32 [256, 256]."""
        small = cv2.resize(photo, (MODEL_SIDE, MODEL_SIDE), interpolation=cv2.INTER_AREA)
        values = small.astype(np.float32) / np.float32(255.0)
        sides = [self._run(values), self._run(values[:, ::-1])[:, ::-1]]
        return np.asarray(np.mean(sides, axis=0), np.float32)

    def _run(self, values: Float) -> Float:
        return self._network(values)[0][0, :, :, 0]


def person_matte(photo: Image) -> Float:
    """The person in a portrait: float32 [H, W] in [0, 1]; photo: uint8 [H, W, 3], RGB."""
    return PersonMatte()(photo).alpha


def guided_filter(guide: Float, values: Float, radius: int, epsilon: float) -> Float:
    """Smooth ``values`` but keep the edges of ``guide``: in each window the result is affine in the guide's colour.

    Convention:
        guide: float32 [H, W, 3] in [0, 1]. values: float32 [H, W]. radius: half the window, pixels, at least 2.
        epsilon: variance of the guide below which it counts as flat.

    The coefficients vary slowly, so they are found at half the size (He and Sun, arXiv 1505.00996).
    """
    height, width = values.shape
    half = (max(1, width // 2), max(1, height // 2))
    small = np.asarray(cv2.resize(guide, half, interpolation=cv2.INTER_AREA), np.float32)
    small_values = np.asarray(cv2.resize(values, half, interpolation=cv2.INTER_AREA), np.float32)
    window = (radius | 1, radius | 1)

    def mean(image: Float) -> Float:
        return np.asarray(cv2.blur(image, window, borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, value_mean = mean(small), mean(small_values)
    covariance = mean(small * small_values[:, :, None]) - guide_mean * value_mean[:, :, None]
    products = (small[:, :, :, None] * small[:, :, None, :]).reshape(*small_values.shape, 9)
    spread = mean(products).reshape(*small.shape, 3) - guide_mean[:, :, :, None] * guide_mean[:, :, None, :]
    slope = np.linalg.solve(spread + np.float32(epsilon) * np.eye(3, dtype=np.float32), covariance[..., None])
    slope = slope[..., 0].astype(np.float32)
    offset = value_mean - (slope * guide_mean).sum(axis=2, dtype=np.float32)
    slope = cv2.resize(mean(slope), (width, height), interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(mean(offset), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((slope * guide).sum(axis=2) + offset, np.float32)


def _refine(photo: Image, matte: Float) -> Float:
    """Fit the matte to the picture's edges near its own edge; elsewhere it is 0 or 1."""
    side = min(photo.shape[:2])
    guide = photo.astype(np.float32) / np.float32(255.0)
    fitted = guided_filter(guide, matte, max(2, round(side / 64)), 1e-3)
    fitted = np.clip((fitted - 0.1) / 0.8, 0.0, 1.0)
    reach = max(3, round(side / 40)) * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    inside = cv2.erode((matte > 0.9).astype(np.uint8), kernel)
    outside = cv2.erode((matte < 0.1).astype(np.uint8), kernel)
    return np.where(inside > 0, 1.0, np.where(outside > 0, 0.0, fitted)).astype(np.float32)


def _mean_in_face(matte: Float, landmarks: Float) -> float:
    """Mean of the matte inside the face's outline."""
    mask = np.zeros(matte.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[FACE_OVAL, :2]).astype(np.int32)], 1)
    return float(matte[mask > 0].mean()) if mask.any() else 0.0
