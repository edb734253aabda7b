"""Face detection and landmarks on the bundled portraits, against facts about the pictures."""

import cv2
import numpy as np
import pytest

from engine.avatar.landmarks import BLENDSHAPE_LANDMARKS, MIN_PRESENCE, FaceLandmarker, Image
from engine.conventions import ARKIT_INDEX


def test_one_face_is_found_in_each_portrait(
    landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    for image, centre in ((hopper, (264, 241)), (astronaut, (225, 126))):  # read off the pictures by eye
        (face,) = landmarker.detect(image)
        x, y, width, height = face.box
        assert np.hypot(x + width / 2 - centre[0], y + height / 2 - centre[1]) < 0.1 * width


def test_landmarks_lie_where_the_picture_has_them(landmarker: FaceLandmarker, astronaut: Image) -> None:
    found = landmarker.locate(astronaut, landmarker.detect(astronaut)[0])
    assert found.points.shape == (478, 3) and found.points.dtype == np.float32
    assert found.presence > 0.9
    # Pupils at the viewer's left and right, mouth corners, chin; read off the enlarged picture by eye.
    seen = {468: (203, 101), 473: (246, 103), 61: (203, 140), 291: (247, 139), 152: (225, 178)}
    for index, place in seen.items():
        assert np.hypot(*(found.points[index, :2] - place)) < 4, (index, found.points[index])
    assert found.points[1, 2] < found.points[[234, 454], 2].min()  # the nose is nearer than the cheeks


def test_blendshapes_tell_a_smile_from_a_closed_mouth(
    landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    smile = [
        landmarker.locate(image, landmarker.detect(image)[0]).blendshapes[ARKIT_INDEX["mouthSmileLeft"]]
        for image in (hopper, astronaut)
    ]
    assert smile[0] < 0.2 and smile[1] > 0.6
    face = landmarker.detect(hopper)[0]
    assert not landmarker.locate(hopper, face, blendshapes=False).blendshapes.any()


def test_left_is_the_persons_own_left(landmarker: FaceLandmarker, astronaut: Image) -> None:
    found = landmarker.locate(astronaut, landmarker.detect(astronaut)[0])
    winking = found.points.copy()
    upper, lower = [386, 385, 387, 384, 388], [374, 380, 373, 381, 390]  # the eye at the viewer's right
    winking[upper, :2] = winking[lower, :2]
    (scores,) = landmarker._scores(winking[BLENDSHAPE_LANDMARKS, :2])
    left, right = scores[9], scores[10]  # "_neutral" and the alphabet: eyeBlinkLeft, eyeBlinkRight
    assert left > right + 0.3


def test_a_turned_and_shifted_picture_gives_turned_and_shifted_landmarks(
    landmarker: FaceLandmarker, astronaut: Image
) -> None:
    still = landmarker.locate(astronaut, landmarker.detect(astronaut)[0])
    turn = cv2.getRotationMatrix2D((220.0, 130.0), 15.0, 1.0)
    turn[:, 2] += (30.0, 60.0)
    turned_image = cv2.warpAffine(astronaut, turn, (512, 512)).astype(np.uint8)
    turned = landmarker.track(turned_image, None)
    assert turned is not None
    expected = still.points[:, :2] @ turn[:, :2].T + turn[:, 2]
    off = np.linalg.norm(turned.points[:, :2] - expected, axis=1)
    assert off.mean() < 0.015 * 98  # of the face's width


@pytest.mark.parametrize("share", [0.08, 0.3, 0.95])
def test_small_and_large_faces_are_found(landmarker: FaceLandmarker, hopper: Image, share: float) -> None:
    """The face's width is ``share`` of the picture's."""
    x, y, width, height = landmarker.detect(hopper)[0].box
    side = round(width / share)
    left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
    pad = max(0, -left, -top, left + side - hopper.shape[1], top + side - hopper.shape[0])
    framed = cv2.copyMakeBorder(hopper, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    image = framed[top + pad : top + pad + side, left + pad : left + pad + side].astype(np.uint8)
    found = landmarker.track(image, None)
    assert found is not None and found.presence > MIN_PRESENCE
    assert found.box[2] / side == pytest.approx(share, rel=0.15)


def test_no_face_in_a_picture_without_one(landmarker: FaceLandmarker, hopper: Image) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    for image in (noise, np.zeros((64, 200, 3), np.uint8), hopper[420:].copy()):
        assert landmarker.track(image, None) is None


def test_tracking_follows_and_recovers(landmarker: FaceLandmarker, hopper: Image) -> None:
    first = landmarker.track(hopper, None)
    assert first is not None
    moved = np.roll(hopper, (6, 9), axis=(0, 1))
    second = landmarker.track(moved, first)
    assert second is not None
    np.testing.assert_allclose(np.median(second.points - first.points, axis=0)[:2], (9, 6), atol=1.0)
    far = np.roll(hopper, 200, axis=1)
    third = landmarker.track(far, first)
    assert third is not None and abs(np.median(third.points[:, 0] - first.points[:, 0]) - 200) < 5
