"""The face tracker's own logic, in this process: messages in, pictures tracked, messages out."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UnavailableError
from streaming import face_tracking
from streaming.encoder import Codec
from streaming.face_camera import FaceCamera
from streaming.face_tracking import (
    EncodedPicture,
    FaceSeen,
    FaceState,
    PictureDecoder,
    StopTracking,
    TakeRest,
    Tracking,
    Undecodable,
)
from streaming.messages import unpack_motion
from tests.engine.avatar.videos import write_video
from tests.streaming.fake_engine import JAW
from tests.streaming.fake_face import FakeTracker, encoded


class Wire:
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.said: list[Any] = []

    def poll(self, timeout_s: float) -> bool:
        return bool(self.waiting)

    def recv(self) -> Any:
        return self.waiting.pop(0)

    def send(self, message: Any) -> None:
        self.said.append(message)


@pytest.fixture
def wire() -> Wire:
    return Wire()


def tracking(wire: Wire, camera: FaceCamera | None = None) -> Tracking:
    return Tracking(wire, FakeTracker(), camera)  # type: ignore[arg-type]


def jaws(wire: Wire) -> list[float]:
    return [float(unpack_motion(face.values)[JAW]) for face in wire.said if isinstance(face, FaceSeen)]


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_what_a_browser_sends_is_decoded(codec: Codec) -> None:
    decoder = PictureDecoder()
    greys = []
    for number, data in enumerate(encoded(codec, [60, 120, 180])):
        picture = decoder.decode(EncodedPicture(codec, 5.0 + number, data))
        assert picture is not None and picture.time_s == 5.0 + number
        assert picture.image.shape == (48, 64, 3) and picture.image.flags.c_contiguous
        greys.append(picture.image.mean())
    np.testing.assert_allclose(greys, [60, 120, 180], atol=6)


def test_a_codec_may_change() -> None:
    decoder = PictureDecoder()
    for codec in ("h264", "vp8", "h264"):
        picture = decoder.decode(EncodedPicture(codec, 0.0, encoded(codec, [90])[0]))  # type: ignore[arg-type]
        assert picture is not None


def test_damage_asks_for_a_keyframe(wire: Wire) -> None:
    wire.waiting = [EncodedPicture("vp8", 0.0, b"\x01\x02\x03\x04")]
    assert tracking(wire).step()
    assert wire.said == [Undecodable()]


def test_the_newest_of_the_waiting_pictures_is_tracked(wire: Wire) -> None:
    face = tracking(wire)
    wire.waiting = [
        EncodedPicture("vp8", number / 25, data)
        for number, data in enumerate(encoded("vp8", [60, 90, 120, 150]))
    ]
    assert face.step() and face.step()
    (seen,) = [message for message in wire.said if isinstance(message, FaceSeen)]
    assert seen.time_s == 3 / 25 and seen.seen
    assert jaws(wire) == pytest.approx([150 / 255], abs=0.03)


def test_states_are_told_on_change_and_a_rest_can_be_taken(wire: Wire) -> None:
    face = tracking(wire)
    data = encoded("vp8", [0, 0, 120, 120, 200])
    for number, picture in enumerate(data):
        wire.waiting.append(EncodedPicture("vp8", number / 25, picture))
        if number == 4:
            wire.waiting.insert(0, TakeRest())
        assert face.step()
    states = [message for message in wire.said if isinstance(message, FaceState)]
    assert states == [FaceState(False, "it is dark"), FaceState(True, "")]
    assert jaws(wire)[-1] == pytest.approx(80 / 255, abs=0.03)
    wire.waiting = [StopTracking()]
    assert not face.step()


def test_a_camera_is_read_and_opened_again(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_tracking, "RETRY_S", 0.05)
    path = tmp_path / "film.mp4"
    write_video(path, [np.full((48, 64, 3), level, np.uint8) for level in (80, 160, 240)], rate=25)
    face = tracking(wire, FaceCamera(str(path)))
    begun_s = time.monotonic()
    while len(jaws(wire)) < 6 and time.monotonic() < begun_s + 20:
        assert face.step()
    face.close()
    shown = np.array(jaws(wire))
    assert len(shown) >= 6 and (np.diff(shown) < 0).any()  # it began anew
    times = [message.time_s for message in wire.said if isinstance(message, FaceSeen)]
    assert times[0] >= begun_s and (np.diff(times) > 0).all()


def test_a_camera_that_cannot_be_opened_is_told_once(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(FaceCamera):
        tries = 0

        def open(self) -> None:
            self.tries += 1
            raise UnavailableError("expected a camera, got none")

    monkeypatch.setattr(face_tracking, "RETRY_S", 0.0)
    camera = Broken("x")
    face = tracking(wire, camera)
    for _ in range(3):
        assert face.step()
    assert camera.tries == 3
    assert wire.said == [FaceState(False, "expected a camera, got none")]
