"""Frames that a tracked face drives, and what they show while it is away."""

import numpy as np

from engine.conventions import FRAME_RATE
from engine.motion.face_drive import EASE_S, STALE_S, FaceDrive, FaceMotion
from engine.motion.values import Motion

EASED = round(EASE_S * FRAME_RATE)


def spoken(number: int) -> Motion:
    """What the sound asks for: every blendshape at 0.2, lips sealed, a breath."""
    shapes, pose = np.full(52, 0.2, np.float32), np.full(6, 1.0, np.float32)
    return Motion(number, shapes, pose, 0.3, True, np.full(5, 0.5, np.float32))


def face(time_s: float, amount: float, *, seen: bool = True) -> FaceMotion:
    return FaceMotion(time_s, np.full(52, amount, np.float32), np.full(6, 5 * amount, np.float32), seen)


def test_without_a_face_speech_is_left_alone() -> None:
    drive = FaceDrive()
    motion = spoken(3)
    assert drive.drive(motion, 0.12) is motion
    drive.add(face(0.1, 0.9, seen=False))
    assert drive.drive(spoken(4), 0.16).blendshapes[0] == spoken(4).blendshapes[0]


def test_a_face_takes_over_gently_and_then_wholly() -> None:
    drive = FaceDrive()
    shown = []
    for number in range(EASED + 5):
        drive.add(face(number / FRAME_RATE, 0.8))
        shown.append(drive.drive(spoken(number), number / FRAME_RATE))
    amounts = np.array([motion.blendshapes[0] for motion in shown])
    assert (np.diff(amounts) >= 0).all() and np.diff(amounts).max() < 0.12
    last = shown[-1]
    np.testing.assert_allclose(last.blendshapes, 0.8, atol=1e-6)
    np.testing.assert_allclose(last.pose, 4.0, atol=1e-5)
    np.testing.assert_array_equal(last.lip_offsets, 0.0)
    assert (last.number, last.breath, last.speaking) == (EASED + 4, 0.3, True)


def test_frames_show_their_own_moment() -> None:
    """Pictures come late and at another rate; values rise by 1 a second."""
    drive = FaceDrive()
    for k in range(1 + 60):
        drive.add(face(k / 30, k / 60))
    for number in range(EASED, 40):
        motion = drive.drive(spoken(number), number / FRAME_RATE)
        if number > 2 * EASED:
            np.testing.assert_allclose(motion.blendshapes, number / FRAME_RATE / 2, atol=1e-5)


def test_a_face_that_went_gives_back_to_speech() -> None:
    drive = FaceDrive()
    for number in range(20):
        drive.add(face(number / FRAME_RATE, 0.8))
        drive.drive(spoken(number), number / FRAME_RATE)
    held = round(STALE_S * FRAME_RATE)
    shown = [
        drive.drive(spoken(20 + k), (20 + k) / FRAME_RATE).blendshapes[0] for k in range(held + EASED + 2)
    ]
    np.testing.assert_allclose(shown[: held - 2], 0.8, atol=1e-6)
    np.testing.assert_allclose(shown[-1], 0.2)
    assert np.abs(np.diff(shown)).max() < 0.12


def test_pictures_that_come_in_disorder_are_left_out() -> None:
    drive = FaceDrive()
    for time_s, amount in ((0.0, 0.5), (0.2, 0.5), (0.1, 1.0)):
        drive.add(face(time_s, amount))
    for number in range(EASED + 1):
        motion = drive.drive(spoken(number), 0.2)
    np.testing.assert_allclose(motion.blendshapes, 0.5)
