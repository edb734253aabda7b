"""From a picture file to a portrait that can become an avatar: one large, upright, frontal face on the canvas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.appearance import appearance
from engine.avatar.face_pose import frontal_pose
from engine.avatar.framing import cut_canvas, frame_face, inside_mask
from engine.avatar.landmarks import (
    MIN_PRESENCE,
    VIEWER_LEFT_EYE_CORNER,
    VIEWER_RIGHT_EYE_CORNER,
    FaceLandmarker,
    Landmarks,
)
from engine.avatar.photo_file import check_picture, open_photo
from engine.errors import PhotoError

__all__ = ["Portrait", "SeveralFacesError", "open_photo", "open_portrait"]

MIN_FACE_PX: Final = 64
GOOD_FACE_PX: Final = 200
MAX_TURN_DEG: Final = (35.0, 20.0, 35.0)
"""Yaw, pitch and roll up to which a head makes an avatar."""
TURN_ERROR_DEG: Final = (10.0, 5.0, 5.0)
"""Of their estimates: nobody within MAX_TURN_DEG is to be refused."""
FAR_TURN_DEG: Final = 20.0
"""Yaw or pitch from which the user is told that a frontal photo looks better."""
BACKGROUND_FACE: Final = 0.25  # faces narrower than this share of the widest one are bystanders

TURNED: Final = {3: "by 90 degrees clockwise", 1: "by 90 degrees counter-clockwise", 2: "by 180 degrees"}
"""In words, by the number of quarter turns to the left."""

MAX_CUT_POINTS: Final = 3  # of the lower outline, that may lie past the photo's edge
EDGE_SLACK: Final = 0.04  # of the face's width, that they may lie past it

# The face's outline from ear to ear over the chin.
LOWER_OUTLINE: Final = np.array(
    [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454]
)

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


class SeveralFacesError(PhotoError):
    """The photo shows several people and none was chosen; ``boxes`` are x, y, width, height in photo pixels."""

    def __init__(self, message: str, boxes: list[Box]) -> None:
        super().__init__(message)
        self.boxes = boxes


@dataclass(frozen=True, eq=False)
class Portrait:
    """A face on the canvas.

    Convention:
        photo: uint8 [side, side, 3], RGB. landmarks: on the canvas, in its pixels.
        warnings: one line each, for the user. flags: some of "toothy", "parted_lips", "glasses".
        inside: bool [side, side], where the canvas shows the photo.
        canvas_from_photo: float64 [2, 3], affine, pixels from the top left corners of the upright photo and canvas.
        face_px: width of the face in the photo, pixels.
        angles_deg: yaw, pitch and roll of the head, ``POSE_NAMES`` signs, relative to a frontal face.
    """

    photo: Image
    landmarks: Landmarks
    warnings: tuple[str, ...]
    flags: frozenset[str]
    inside: NDArray[np.bool_]
    canvas_from_photo: NDArray[np.float64]
    face_px: float
    angles_deg: tuple[float, float, float]

    @property
    def side(self) -> int:
        """Side of the canvas, pixels."""
        return len(self.photo)


def open_portrait(
    source: str | Path | bytes | Image, landmarker: FaceLandmarker, face: int | None = None
) -> Portrait:
    """Read a photo, find its face and cut the canvas around it.

    Convention:
        source: a path, the bytes of a file, or uint8 [H, W, 3] RGB. A file's picture that lies on its side, or upside down, is
            turned.
        face: which face to take, counted from 0 at the left; needed only where there are several.

    Raises:
        SeveralFacesError: several faces and ``face`` is None.
        PhotoError: no usable picture or face; the message says why and what to do.
    """
    if isinstance(source, np.ndarray):
        check_picture(source)
        photo = np.ascontiguousarray(source)
    else:
        photo = open_photo(source)
    faces, turns = _upright_faces(photo, landmarker)
    if turns:
        if isinstance(source, np.ndarray):
            raise PhotoError(
                f"expected an upright face, got one that lies turned: turn the picture {TURNED[turns]}"
            )
        photo = np.ascontiguousarray(np.rot90(photo, turns))
    found = _choose(faces, photo, turns, face)
    face_px = found.box[2]
    if face_px < MIN_FACE_PX:
        raise PhotoError(
            f"expected a face at least {MIN_FACE_PX} px wide, got {face_px:.0f} px: use a larger or closer photo"
        )
    outline = found.points[LOWER_OUTLINE, :2]
    slack = EDGE_SLACK * face_px
    beyond = ((outline < -slack) | (outline > np.array(photo.shape[1::-1]) + slack)).any(axis=1)
    if beyond.sum() > MAX_CUT_POINTS:
        raise PhotoError(
            "expected a whole face, got one that the photo's edge cuts: use a photo with room around it"
        )
    angles = frontal_pose(found.points).angles_deg
    _check_turn(angles)
    framing = frame_face(photo.shape, found)
    canvas = cut_canvas(photo, framing)
    on_canvas = _settle(canvas, _moved(found, framing.canvas_from_photo), landmarker)
    if on_canvas.presence < MIN_PRESENCE:
        raise PhotoError(
            "expected a face that can be seen whole, got one that is covered or cut: use another photo"
        )
    warnings = [f"the photo was turned {TURNED[turns]}"] if turns else []
    if face_px < GOOD_FACE_PX:
        warnings.append(
            f"the face is only {face_px:.0f} px wide: the picture will be soft, {GOOD_FACE_PX} px or more look better"
        )
    if max(abs(angles[0]), abs(angles[1])) > FAR_TURN_DEG:
        warnings.append("the head is turned far from the camera: a frontal photo looks better")
    return Portrait(
        photo=canvas,
        landmarks=on_canvas,
        warnings=tuple(warnings),
        flags=appearance(canvas, on_canvas),
        inside=inside_mask(photo.shape, framing) > 0,
        canvas_from_photo=framing.canvas_from_photo,
        face_px=face_px,
        angles_deg=angles,
    )


def _faces(photo: Image, landmarker: FaceLandmarker) -> list[Landmarks]:
    """Faces that the mesh network confirms, bystanders left out, from left to right."""
    found: list[Landmarks] = []
    for face in landmarker.detect(photo):
        first = landmarker.locate(photo, face, blendshapes=False)
        if first.presence < MIN_PRESENCE:
            continue
        second = landmarker.refine(photo, first, blendshapes=False)
        if second.presence >= MIN_PRESENCE and not any(_same(second, other) for other in found):
            found.append(second)
    widest = max((one.box[2] for one in found), default=0.0)
    return sorted(
        (one for one in found if one.box[2] >= BACKGROUND_FACE * widest), key=lambda one: one.box[0]
    )


def _upright_faces(photo: Image, landmarker: FaceLandmarker) -> tuple[list[Landmarks], int]:
    """The faces of a photo once it is upright, and how many quarter turns to the left make it so."""
    for turns in (0, *TURNED):
        if faces := _faces(np.ascontiguousarray(np.rot90(photo, turns)), landmarker):
            points = max(faces, key=lambda one: one.box[2]).points
            across = points[VIEWER_RIGHT_EYE_CORNER] - points[VIEWER_LEFT_EYE_CORNER]
            if lying := round(float(np.degrees(np.arctan2(across[1], across[0]))) / 90) % 4:
                turns = (turns + lying) % 4
                faces = _faces(np.ascontiguousarray(np.rot90(photo, turns)), landmarker)
            if faces:
                return faces, turns
    raise PhotoError(
        "expected a photo with a face, found none: use one that shows the face large and frontal"
    )


def _choose(faces: list[Landmarks], photo: Image, turns: int, number: int | None) -> Landmarks:
    """The face of this number; photo: after so many quarter turns to the left."""
    boxes = [_turned_back(face.box, photo.shape, turns) for face in faces]
    listed = ", ".join(f"{i}: {w} x {h} px at ({x}, {y})" for i, (x, y, w, h) in enumerate(boxes))
    if number is None:
        if len(faces) > 1:
            raise SeveralFacesError(
                f"expected one face, found {len(faces)} ({listed}): choose one by its number (--face N)",
                boxes,
            )
        return faces[0]
    if not 0 <= number < len(faces):
        raise PhotoError(f"expected a face number from 0 to {len(faces) - 1}, got {number}; found {listed}")
    return faces[number]


def _turned_back(box: tuple[float, float, float, float], shape: tuple[int, ...], turns: int) -> Box:
    """Where a box of a photo of this shape lies before so many quarter turns to the left."""
    x, y, width, height = (round(value) for value in box)
    tall, wide = shape[:2]
    for _ in range(turns):
        x, y, width, height = tall - y - height, x, height, width
        tall, wide = wide, tall
    return x, y, width, height


def _check_turn(angles: tuple[float, float, float]) -> None:
    camera = "use a photo that looks into the camera"
    ways = (
        ("turned sideways", camera),
        ("turned up or down", camera),
        ("tilted", "turn the photo by as much"),
    )
    checks = zip(angles, MAX_TURN_DEG, TURN_ERROR_DEG, ways, strict=True)
    for angle, most, error, (how, remedy) in reversed(list(checks)):
        if abs(angle) > most + error:
            raise PhotoError(
                f"expected a face {how} by at most {most:.0f} degrees, got one {how} by about {abs(angle):.0f}: {remedy}"
            )


def _same(a: Landmarks, b: Landmarks) -> bool:
    """Whether two detections ended on one face."""
    distance = np.linalg.norm(a.points.mean(axis=0)[:2] - b.points.mean(axis=0)[:2])
    return bool(distance < 0.5 * max(a.box[2], b.box[2]))


def _moved(face: Landmarks, affine: NDArray[np.float64]) -> Landmarks:
    """The same landmarks on the canvas."""
    points = np.empty_like(face.points)
    points[:, :2] = face.points[:, :2] @ affine[:, :2].T + affine[:, 2]
    points[:, 2] = face.points[:, 2] * affine[0, 0]
    return Landmarks(points, face.presence, face.blendshapes)


def _settle(canvas: Image, near: Landmarks, landmarker: FaceLandmarker) -> Landmarks:
    """Mean over a few crops, each from the one before: steadier than one look."""
    looks = [landmarker.refine(canvas, near)]
    for _ in range(3):
        looks.append(landmarker.refine(canvas, looks[-1]))
    return Landmarks(
        np.mean([look.points for look in looks[1:]], axis=0).astype(np.float32),
        min(look.presence for look in looks),
        np.mean([look.blendshapes for look in looks[1:]], axis=0).astype(np.float32),
    )
