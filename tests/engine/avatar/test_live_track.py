"""Following a face picture by picture: the landmarker is real, the face is one of our own avatars that is driven."""

import cv2
import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.live_track import (
    HOLD_S,
    JOIN_S,
    LEAVE_S,
    SEARCH_S,
    STEADY,
    LiveTracker,
    at_frame_rate,
    calmed,
)
from engine.avatar.own_head import OwnHead, make_own_head
from engine.avatar.video import Picture
from engine.conventions import ARKIT_INDEX
from engine.motion.face_drive import FaceMotion
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer

JAW = ARKIT_INDEX["jawOpen"]
GREY = np.full((512, 512, 3), 120, np.uint8)
DT_S = 0.04


class Film:
    """Pictures of a driven avatar, each drawn once, and the head that a tracker makes of it at rest."""

    def __init__(self, avatar: Avatar, landmarker: FaceLandmarker) -> None:
        self._renderer = GeometricRenderer(avatar, 512)
        self._pictures: dict[tuple[float, float], Image] = {}
        self.landmarker = landmarker
        self.head = make_own_head(self.picture(0.0, 0.0), landmarker)

    def picture(self, yaw_deg: float, jaw: float) -> Image:
        if (yaw_deg, jaw) not in self._pictures:
            shapes = np.zeros(52, np.float32)
            shapes[JAW] = jaw
            motion = Motion(0, shapes, np.array([yaw_deg, 0, 0, 0, 0, 0], np.float32))
            rgbx = self._renderer.render(motion, StageTimer())
            rgb = rgbx.view(np.uint8).reshape(512, 512, 4)[..., :3]
            self._pictures[yaw_deg, jaw] = np.ascontiguousarray(rgb)
        return self._pictures[yaw_deg, jaw]


class Actor:
    """A face before a camera with 25 pictures a second."""

    def __init__(self, film: Film, head: OwnHead | None) -> None:
        self._film = film
        self.tracker = LiveTracker(film.landmarker, head)
        self.time_s = 10.0

    def show(self, yaw_deg: float = 0.0, jaw: float = 0.0) -> FaceMotion:
        return self._track(self._film.picture(yaw_deg, jaw))

    def settle(self, yaw_deg: float = 0.0, jaw: float = 0.0) -> FaceMotion:
        for _ in range(round(JOIN_S / DT_S) + 2):
            face = self.show(yaw_deg, jaw)
        return face

    def leave(self) -> FaceMotion:
        return self._track(GREY)

    def _track(self, image: Image) -> FaceMotion:
        self.time_s += DT_S
        return self.tracker.track(Picture(self.time_s, image))


@pytest.fixture(scope="module")
def film(hopper: Image, landmarker: FaceLandmarker) -> Film:
    return Film(create_avatar(hopper), landmarker)


@pytest.fixture
def actor(film: Film) -> Actor:
    return Actor(film, film.head)


def values(face: FaceMotion) -> np.ndarray:
    return np.concatenate([face.blendshapes, face.pose])


def test_a_face_is_followed_without_delay(actor: Actor) -> None:
    still = actor.settle()
    assert still.seen and np.abs(still.pose[:3]).max() < 0.5 and still.blendshapes[JAW] < 0.05
    opened = actor.show(10.0, 0.5)  # the very picture
    assert opened.seen and opened.time_s == actor.time_s
    assert opened.pose[0] == pytest.approx(10.0, abs=3.0)
    assert 0.25 < opened.blendshapes[JAW] < 0.7
    shut = actor.show(10.0)
    assert shut.blendshapes[JAW] < 0.1


def test_a_lost_face_is_held_then_rests_and_comes_back_without_a_jump(actor: Actor) -> None:
    last = actor.settle(10.0, 0.5)
    shown = [actor.leave() for _ in range(round((HOLD_S + LEAVE_S) / DT_S) + 2)]
    assert not any(face.seen for face in shown)
    np.testing.assert_array_equal(values(shown[2]), values(last))
    np.testing.assert_array_equal(values(shown[-1]), 0.0)
    shown += [actor.show(-8.0, 0.5) for _ in range(20)]
    assert shown[-1].seen and shown[-1].pose[0] == pytest.approx(-8.0, abs=3.0)
    steps = np.abs(np.diff([values(face) for face in shown], axis=0))
    assert steps[:, JAW].max() < 0.12 and steps[:, 52].max() < 2.0
    back = next(k for k, face in enumerate(shown) if face.seen)
    np.testing.assert_allclose(values(shown[back]), values(shown[back - 1]), atol=1e-6)


def test_a_short_loss_is_not_seen(actor: Actor) -> None:
    last = actor.settle(10.0, 0.5)
    for _ in range(3):
        np.testing.assert_array_equal(values(actor.leave()), values(last))
    back = actor.show(10.0, 0.5)
    assert back.seen
    np.testing.assert_allclose(values(back), values(last), atol=1e-6)


def test_the_rest_can_be_taken_anew(actor: Actor) -> None:
    assert not actor.tracker.take_rest()  # nothing was seen yet
    before = actor.settle(6.0, 0.3)
    assert actor.tracker.take_rest()
    after = actor.show(6.0, 0.3)
    np.testing.assert_allclose(after.pose, before.pose, atol=1.0)  # no jump
    assert after.blendshapes[JAW] == pytest.approx(before.blendshapes[JAW], abs=0.1)
    rest = actor.settle(6.0, 0.3)
    assert np.abs(rest.pose[:3]).max() < 0.8 and rest.blendshapes[JAW] < 0.05
    ahead = actor.settle()
    assert ahead.pose[0] == pytest.approx(-6.0, abs=2.0) and ahead.blendshapes[JAW] == 0.0
    assert actor.settle(0.0, 0.7).blendshapes[JAW] > 0.2


def test_the_head_is_made_of_the_first_picture_that_does(film: Film) -> None:
    actor = Actor(film, None)
    nobody = actor.leave()
    assert (nobody.seen, actor.tracker.ready) == (False, False)
    assert "face" in actor.tracker.refusal
    np.testing.assert_array_equal(values(nobody), 0.0)
    assert not actor.show().seen  # not tried again at once
    actor.time_s += SEARCH_S
    face = actor.show()
    assert (face.seen, actor.tracker.ready, actor.tracker.refusal) == (True, True, "")
    np.testing.assert_allclose(values(face), 0.0, atol=1e-6)


def test_the_nearest_of_several_faces_is_followed(
    hopper: Image, astronaut: Image, landmarker: FaceLandmarker
) -> None:
    small = cv2.resize(astronaut, (320, 320), interpolation=cv2.INTER_AREA)
    both = np.full((hopper.shape[0], hopper.shape[1] + 320, 3), 90, np.uint8)
    both[:, : hopper.shape[1]] = hopper
    both[:320, hopper.shape[1] :] = small
    tracker = LiveTracker(landmarker)
    for time_s in (0.0, 0.04, 0.08):
        assert tracker.track(Picture(time_s, both)).seen
    assert tracker._landmarks is not None
    assert tracker._landmarks.points[:, 0].max() < hopper.shape[1]


def test_calming_averages_noise_and_lets_movement_through() -> None:
    dice = np.random.default_rng(0)
    noise = 0.3 * STEADY * dice.normal(size=(300, len(STEADY)))
    shown = [noise[0]]
    for seen in noise[1:]:
        shown.append(calmed(shown[-1], seen, DT_S))
    assert np.diff(shown, axis=0).std() < 0.5 * np.diff(noise, axis=0).std()
    jump = np.full(len(STEADY), 4.0) * STEADY
    np.testing.assert_allclose(calmed(np.zeros(len(STEADY)), jump, DT_S), jump, rtol=0.001)
    still = np.zeros(len(STEADY))
    step = np.full(len(STEADY), 0.5) * STEADY
    for _ in range(20):
        still = calmed(still, step, DT_S)
    np.testing.assert_allclose(still, step, rtol=0.001)  # in time it arrives
    half = calmed(calmed(0 * STEADY, step, DT_S / 2), step, DT_S / 2)
    np.testing.assert_allclose(half, calmed(0 * STEADY, step, DT_S), rtol=0.1)  # whatever the camera's rate


def test_motions_come_25_times_a_second() -> None:
    times = np.array([5.0, 5.03, 5.07, 5.1, 5.2])
    faces = [
        FaceMotion(t, np.full(52, t - 5.0, np.float32), np.full(6, 10 * (t - 5.0), np.float32), True)
        for t in times
    ]
    motions = list(at_frame_rate(faces))
    assert [motion.number for motion in motions] == list(range(6))
    np.testing.assert_allclose([m.blendshapes[0] for m in motions], np.arange(6) * 0.04, atol=1e-6)
    np.testing.assert_allclose([m.pose[0] for m in motions], np.arange(6) * 0.4, atol=1e-5)
    assert list(at_frame_rate([])) == []
