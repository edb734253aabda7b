"""Made people: the same from the same seed, drawn where they say, with mouths and eyes that open and shut."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES
from engine.training.synthetic_heads import SyntheticHead

STILL = np.zeros(6, np.float32)
RE_DETECTED_PX = 5.0  # the landmarker's own error on one photo is 2 to 3 px


def shapes(**values: float) -> NDArray[np.float32]:
    """Blendshapes by name; names without a side set both."""
    vector = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, value in values.items():
        for full in (name,) if name in ARKIT_INDEX else (f"{name}Left", f"{name}Right"):
            vector[ARKIT_INDEX[full]] = value
    return vector


@cache
def person(seed: int) -> SyntheticHead:
    return SyntheticHead.make(seed)


def crop(centre: NDArray[np.float32], half_px: float, size: int) -> NDArray[np.float64]:
    """The view of a square around a place on the canvas."""
    scale = size / (2 * half_px)
    return np.column_stack([np.eye(2) * scale, -scale * (centre - half_px)])


def test_a_seed_is_a_person() -> None:
    pose = np.array([5, -3, 2, 0.01, 0, 0], np.float32)
    smile = shapes(mouthSmile=0.6)
    one, again = SyntheticHead.make(4), person(4)
    np.testing.assert_array_equal(one.render(smile, pose, 128), again.render(smile, pose, 128))
    np.testing.assert_array_equal(one.landmarks(smile, pose), again.landmarks(smile, pose))
    assert np.abs(person(5).render(smile, pose, 128).astype(int) - one.render(smile, pose, 128)).mean() > 10


def test_a_frame_leaves_nothing_behind_for_the_next() -> None:
    head = person(4)
    before = head.render(shapes(), STILL, 128)
    head.render(shapes(mouthSmile=1, browInnerUp=1, jawOpen=0.7), STILL, 128)
    np.testing.assert_array_equal(head.render(shapes(), STILL, 128), before)


@pytest.mark.parametrize("seed", [4, 5])
def test_features_are_drawn_where_the_landmarks_say(seed: int) -> None:
    head, pose = person(seed), np.array([6, -4, 3, 0.02, -0.01, 0], np.float32)
    smile = shapes(mouthSmile=0.4)
    found = FaceLandmarker().track(head.render(smile, pose), None, blendshapes=False)
    assert found is not None
    miss = np.linalg.norm(found.points[:, :2] - head.landmarks(smile, pose)[:, :2], axis=1)
    assert np.median(miss) < RE_DETECTED_PX
    for feature in ([33, 133, 159, 145], [362, 263, 386, 374], [61, 291, 13, 14, 0, 17], [468, 473]):
        assert miss[feature].mean() < RE_DETECTED_PX


def test_the_pose_turns_the_face_as_it_is_named() -> None:
    head = person(5)

    def nose(**pose: float) -> NDArray[np.float32]:
        vector = np.zeros(6, np.float32)
        for name, value in pose.items():
            vector[("yaw", "pitch", "roll", "tx", "ty", "tz").index(name)] = value
        return head.landmarks(shapes(), vector)[1, :2]

    still = nose()
    assert nose(yaw=10)[0] > still[0] + 10 and nose(pitch=10)[1] > still[1] + 10
    assert nose(tx=0.1)[0] > still[0] + 10 and nose(ty=0.1)[1] > still[1] + 10
    eyes = head.landmarks(shapes(), np.array([0, 0, 10, 0, 0, 0], np.float32))[[33, 263], :2]
    slope = np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1]))
    flat = head.landmarks(shapes(), STILL)[[33, 263], :2]
    assert slope - np.degrees(np.arctan2(*(flat[1] - flat[0])[::-1])) == pytest.approx(10, abs=1.0)


def test_clothes_stay_where_they_are_when_the_head_turns() -> None:
    body = person(5).body
    vertices = body.drive(shapes())[1]
    garment, collar = body.parts["shell0"], body.parts["shell1"]  # this person's hair is too short for shells
    assert vertices[garment, 1].max() > 3.0
    assert vertices[collar, 1].max() < 1.0  # high on the neck, where skin follows the head
    assert not body.rigid[garment].any() and not body.rigid[collar].any()
    assert body.rigid[body.parts["skin"]].max() == 1.0


def test_a_view_shows_the_same_picture_closer() -> None:
    head = person(5)
    whole = head.render(shapes(), STILL, 512, supersample=1)
    view = np.array([[1.0, 0, -128], [0, 1.0, -160]])
    part = head.render(shapes(), STILL, 192, view, supersample=1)
    off = np.abs(part.astype(int) - whole[160:352, 128:320])
    assert np.median(off) <= 6  # grain and compression differ


@pytest.mark.parametrize("seed", [4, 5])
def test_an_open_jaw_shows_the_inside_and_shut_lips_do_not(seed: int) -> None:
    head = person(seed)

    def inside(blendshapes: NDArray[np.float32]) -> float:
        """Share of the mouth's box where teeth, tongue or cavity are seen."""
        corners = head.landmarks(shapes(), STILL)[[61, 291], :2]
        view = crop(corners.mean(axis=0), 45.0, 96)
        return float(head.mask(blendshapes, STILL, 96, view)[..., 1].mean() / 255)

    assert inside(shapes()) < 0.004
    assert inside(shapes(mouthPress=0.7)) < 0.004
    assert inside(shapes(mouthClose=1, jawOpen=0.3)) < 0.006
    assert inside(shapes(jawOpen=0.3)) > 0.02
    assert inside(shapes(jawOpen=0.8)) > 2 * inside(shapes(jawOpen=0.3))


def test_light_reaches_the_depth_of_a_mouth_as_far_as_it_is_told() -> None:
    body = person(5).body
    for share in (0.1, 0.4):
        lit = replace(body, deep_light=share)
        for expression in (shapes(), shapes(jawOpen=0.6)):
            much, lamp = lit.hidden(*lit.drive(expression))
            inside = much[lit.inside.places]
            assert share - 1e-6 <= inside.min() <= share + 0.3
            np.testing.assert_allclose(np.square(lamp), much, atol=1e-6)
    shut, wide = (
        body.hidden(*body.drive(e))[0][body.parts["tongue"]] for e in (shapes(), shapes(jawOpen=0.6))
    )
    assert wide.mean() > shut.mean() + 0.1


@pytest.mark.parametrize("seed", [4, 5])
def test_a_blink_covers_the_eyes(seed: int) -> None:
    head = person(seed)
    middle = head.landmarks(shapes(), STILL)[[33, 263], :2].mean(axis=0)
    view = crop(middle, 90.0, 192)
    seen = [head.mask(s, STILL, 192, view)[..., 2].mean() for s in (shapes(), shapes(eyeBlink=1))]
    assert seen[0] > 2.0
    assert seen[1] < 0.03 * seen[0]


def test_lips_never_run_through_each_other() -> None:
    head = person(5)
    for kind in (shapes(mouthPucker=1), shapes(mouthShrugLower=1), shapes(mouthRollUpper=1, mouthPress=1)):
        points = head.landmarks(kind, STILL)
        assert points[14, 1] - points[13, 1] > -1.5


def test_light_differs_between_people() -> None:
    directions = np.array([person(seed).lighting.key.direction for seed in (4, 5)])
    assert np.abs(directions[0] - directions[1]).max() > 0.05
    sides = []
    for seed in (4, 5):
        head = person(seed)
        grey = cv2.cvtColor(head.render(shapes(), STILL, 256), cv2.COLOR_RGB2GRAY).astype(float)
        cheeks = head.landmarks(shapes(), STILL)[[50, 280], :2] / 2
        left, right = (grey[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4].mean() for x, y in cheeks)
        sides.append((left - right) / (left + right))
    assert np.ptp(sides) > 0.02


def test_smiling_raises_folds() -> None:
    folds = person(5).folds
    assert folds.depth(shapes(mouthSmile=1)).sum() > folds.depth(shapes()).sum() + 0.5
