"""Finds faces in a picture, and on each face 478 landmarks and the scores of the ARKit blendshapes.

Runs the three networks of MediaPipe's Face Landmarker bundle (Apache-2.0) with LiteRT on one thread: a BlazeFace
detector (Bazarevsky et al., arXiv 1907.05047), an attention face mesh (Grishchenko et al., arXiv 2006.10962)
and a blendshape regressor. Boxes and crops follow the model cards; landmark numbers are MediaPipe's.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.tflite import Network
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES

MODEL_PATH: Final = Path(__file__).parents[1] / "assets" / "models" / "face_landmarker.task"

LANDMARKS: Final = 478

DETECTOR_SIDE: Final = 128
MESH_SIDE: Final = 256
CROP_SCALE: Final = 1.5  # side of the mesh network's crop over the longer side of the face's box
MIN_FACE_SCORE: Final = 0.5
MIN_EXTRA_FACE_SCORE: Final = 0.7  # in shrunken or enlarged parts, where texture looks like a face more often
MIN_PRESENCE: Final = 0.5
MAX_OVERLAP: Final = 0.3  # boxes that overlap more are the same face

VIEWER_LEFT_EYE_CORNER: Final = 33
VIEWER_RIGHT_EYE_CORNER: Final = 263
MOUTH_OUTLINE: Final = np.array(
    [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185], np.int32
)
"""The outer border of the lips, from the viewer's left corner along the lower lip and back along the upper."""

# The landmarks that the blendshape network reads, in its order (its model card; all irises come last).
BLENDSHAPE_LANDMARKS: Final = np.array(
    """0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95
    103 105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172
    173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297
    300 308 310 311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381
    382 384 385 386 387 388 389 390 397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476
    477""".split(),
    np.int32,
)

# The network's 52 scores are "_neutral" and then the ARKit shapes by alphabet, without tongueOut.
_SCORE_ORDER: Final = np.array([ARKIT_INDEX[name] for name in sorted(ARKIT_NAMES) if name != "tongueOut"])

Image = NDArray[np.uint8]
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face.

    Convention:
        box: x, y, width, height in image pixels, from the brows to the chin.
        score: the detector's certainty in [0, 1].
        keypoints: float32 [6, 2], image pixels: eye at the viewer's left, eye at the viewer's right, nose tip,
            mouth, ear at the viewer's left, ear at the viewer's right.
    """

    box: tuple[float, float, float, float]
    score: float
    keypoints: Float


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The landmarks of one face.

    Convention:
        points: float32 [478, 3], image pixels; (0, 0) is the picture's top left corner and (0.5, 0.5) the centre
            of its first pixel; z in the same scale, smaller is nearer.
        presence: the network's certainty in [0, 1] that its crop shows a face.
        blendshapes: float32 [52] in [0, 1], ``ARKIT_NAMES`` order; tongueOut is 0 as the network lacks it;
            all zero where they were not asked for.
    """

    points: Float
    presence: float
    blendshapes: Float

    @property
    def inter_ocular(self) -> float:
        """Distance between the outer eye corners in the picture, pixels."""
        corners = self.points[[VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER], :2]
        return float(np.linalg.norm(corners[1] - corners[0]))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height of the smallest upright box around all points, pixels."""
        low, high = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


class FaceLandmarker:
    """Detects and tracks faces. Holds the networks' buffers: one landmarker serves one thread.

    Images are uint8 [H, W, 3] RGB of any size.
    """

    def __init__(self) -> None:
        with zipfile.ZipFile(MODEL_PATH) as bundle:
            self._detector = Network(bundle.read("face_detector.tflite"))
            self._mesh = Network(bundle.read("face_landmarks_detector.tflite"))
            self._scores = Network(bundle.read("face_blendshapes.tflite"))
        self._anchors = _anchors()

    def detect(self, image: Image, thorough: bool = True) -> list[Face]:
        """Find the faces, the most certain first.

        The detector sees faces between about a tenth and eight tenths of its square input; ``thorough`` also
        looks at the image shrunk in a frame, for faces that fill it, and at overlapping parts, for small ones.
        """
        faces: list[Face] = []
        for index, square in enumerate(_squares(image.shape, thorough)):
            faces += self._detect_in(image, *square, MIN_EXTRA_FACE_SCORE if index else MIN_FACE_SCORE)
        return _merge(faces)

    def locate(self, image: Image, face: Face, blendshapes: bool = True) -> Landmarks:
        """Place the landmarks on a detected face."""
        x, y, width, height = face.box
        eyes = face.keypoints[1] - face.keypoints[0]
        return self._locate(image, (x + width / 2, y + height / 2), max(width, height), eyes, blendshapes)

    def track(
        self, image: Image, previous: Landmarks | None, blendshapes: bool = True, thorough: bool = True
    ) -> Landmarks | None:
        """Follow a face from the video frame before; detect it when there is none or it is lost.

        The crop always comes from landmarks, also after a detection, so that the first frame of a video is no
        different from the others. Without ``thorough`` only the quick detection is tried, see ``detect``.

        Returns:
            None when the image shows no face.
        """
        if previous is not None:
            found = self.refine(image, previous, blendshapes)
            if found.presence >= MIN_PRESENCE:
                return found
        for search in (False, True) if thorough else (False,):
            for face in self.detect(image, search):
                found = self.refine(image, self.locate(image, face, False), blendshapes)
                if found.presence >= MIN_PRESENCE:
                    return found
        return None

    def refine(self, image: Image, near: Landmarks, blendshapes: bool = True) -> Landmarks:
        """Place the landmarks on the face that lies about where ``near`` says."""
        x, y, width, height = near.box
        eyes = near.points[VIEWER_RIGHT_EYE_CORNER, :2] - near.points[VIEWER_LEFT_EYE_CORNER, :2]
        return self._locate(image, (x + width / 2, y + height / 2), max(width, height), eyes, blendshapes)

    def _detect_in(self, image: Image, left: float, top: float, side: float, min_score: float) -> list[Face]:
        """Run the detector on one square of the image."""
        scale = DETECTOR_SIDE / side
        crop_from_image = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
        crop = _warp(image, crop_from_image, DETECTOR_SIDE, cv2.BORDER_CONSTANT)
        boxes, logits = self._detector(crop / np.float32(127.5) - np.float32(1.0))
        scores = _sigmoid(logits[0, :, 0])
        faces = []
        for index in np.flatnonzero(scores >= min_score):
            values = boxes[0, index].reshape(-1, 2)  # centre, size, six keypoints
            centre = (values[0] / DETECTOR_SIDE + self._anchors[index]) * side + (left, top)
            size = values[1] / DETECTOR_SIDE * side
            keypoints = (values[2:] / DETECTOR_SIDE + self._anchors[index]) * side + (left, top)
            corner = centre - size / 2
            box = (float(corner[0]), float(corner[1]), float(size[0]), float(size[1]))
            faces.append(Face(box, float(scores[index]), keypoints.astype(np.float32)))
        return faces

    def _locate(
        self, image: Image, centre: tuple[float, float], size: float, eyes: Float, blendshapes: bool
    ) -> Landmarks:
        """Run the mesh network on a square turned so that the vector ``eyes`` lies level."""
        side = size * CROP_SCALE
        angle = float(np.arctan2(eyes[1], eyes[0]))
        cosine, sine = np.cos(angle) * side / MESH_SIDE, np.sin(angle) * side / MESH_SIDE
        rotation = np.array([[cosine, -sine], [sine, cosine]])
        origin = np.array(centre) - rotation @ np.full(2, MESH_SIDE / 2)
        crop_from_image = cv2.invertAffineTransform(np.column_stack([rotation, origin]))
        crop = _warp(image, crop_from_image, MESH_SIDE, cv2.BORDER_REPLICATE)
        mesh, presence, _ = self._mesh(crop / np.float32(255.0))
        points = mesh.reshape(LANDMARKS, 3).astype(np.float32)
        points[:, :2] = points[:, :2] @ rotation.T + origin
        points[:, 2] *= side / MESH_SIDE
        scores = np.zeros(len(ARKIT_NAMES), np.float32)
        if blendshapes:
            (raw,) = self._scores(points[BLENDSHAPE_LANDMARKS, :2])
            scores[_SCORE_ORDER] = np.clip(raw[1:], 0.0, 1.0)
        return Landmarks(points, float(_sigmoid(presence).item()), scores)


def _sigmoid(logits: Float) -> Float:
    """Logistic function; logits beyond +-60 saturate anyway and would overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), np.float32)


def _anchors() -> Float:
    """Centres of the detector's 896 anchors in [0, 1]: two on each cell of 16 x 16, six on each of 8 x 8."""
    grids = []
    for cells, repeats in ((16, 2), (8, 6)):
        y, x = np.divmod(np.arange(cells * cells), cells)
        grids.append(np.repeat((np.stack([x, y], axis=1) + 0.5) / cells, repeats, axis=0))
    return np.concatenate(grids).astype(np.float32)


def _squares(shape: tuple[int, ...], thorough: bool) -> Iterator[tuple[float, float, float]]:
    """Left, top and side of the squares to look for faces in: the whole image, then the extra ones."""
    height, width = shape[:2]
    side = float(max(height, width))
    yield (width - side) / 2, (height - side) / 2, side
    if not thorough:
        return
    yield (width - 2 * side) / 2, (height - 2 * side) / 2, 2 * side
    for part in (0.6, 0.35):
        part_side = part * side
        for top in _spread(height, part_side):
            for left in _spread(width, part_side):
                yield left, top, part_side


def _spread(length: float, part: float) -> list[float]:
    """Starts of parts that cover a length, neighbours sharing at least a quarter."""
    if length <= part:
        return [(length - part) / 2]
    count = int(np.ceil((length - part) / (0.75 * part))) + 1
    return [float(start) for start in np.linspace(0.0, length - part, count)]


def _merge(faces: list[Face]) -> list[Face]:
    """Blend the boxes of one face, weighted by their scores; the most certain face first."""
    left = sorted(faces, key=lambda face: -face.score)
    merged = []
    while left:
        same = [face for face in left if _overlap(left[0], face) > MAX_OVERLAP]
        left = [face for face in left if _overlap(left[0], face) <= MAX_OVERLAP]
        weights = np.array([face.score for face in same])
        box = np.average([face.box for face in same], axis=0, weights=weights)
        keypoints = np.average([face.keypoints for face in same], axis=0, weights=weights)
        x, y, width, height = (float(value) for value in box)
        merged.append(Face((x, y, width, height), same[0].score, keypoints.astype(np.float32)))
    return merged


def _overlap(a: Face, b: Face) -> float:
    """Intersection over union; a box mostly inside another counts as the same face too."""
    ax, ay, aw, ah = a.box
    bx, by, bw, bh = b.box
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if a is b:
        return 1.0
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return max(shared / (aw * ah + bw * bh - shared), 0.6 * shared / min(aw * ah, bw * bh))


def _warp(image: Image, crop_from_image: NDArray[Any], side: int, border: int) -> Float:
    """Cut a square out of the image: float32 [side, side, 3].

    ``crop_from_image`` maps points whose (0.5, 0.5) is the centre of the first pixel. Where the crop shrinks the
    image, the image's part is averaged first, so that fine texture does not alias.
    """
    height, width = image.shape[:2]
    to_crop = np.vstack([crop_from_image, [0.0, 0.0, 1.0]])
    shrink = 1.0 / float(np.hypot(to_crop[0, 0], to_crop[1, 0]))
    if shrink > 2.0:
        corners = np.linalg.inv(to_crop) @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]])
        left, top = np.clip(np.floor(corners.min(axis=1)[:2] - shrink), 0, (width - 1, height - 1)).astype(
            int
        )
        right, bottom = np.clip(
            np.ceil(corners.max(axis=1)[:2] + shrink), (left + 1, top + 1), (width, height)
        )
        part = image[top : int(bottom), left : int(right)]
        size = max(1, round(part.shape[1] * 2 / shrink)), max(1, round(part.shape[0] * 2 / shrink))
        to_image = np.diag([part.shape[1] / size[0], part.shape[0] / size[1], 1.0])
        to_image[:2, 2] = left, top
        image = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        to_crop = to_crop @ to_image
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])  # OpenCV counts from pixel centres
    to_crop = np.linalg.inv(half) @ to_crop @ half
    crop = cv2.warpAffine(image, to_crop[:2], (side, side), flags=cv2.INTER_LINEAR, borderMode=border)
    return crop.astype(np.float32)
