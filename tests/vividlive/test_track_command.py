"""``vividlive track --camera`` with a camera and a face that are made up, as fast as they are read."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.avatar import live_track
from engine.avatar.video import Picture
from engine.motion.face_drive import FaceMotion
from engine.motion.motion_file import read_motion
from streaming import face_camera

Command = Callable[..., "Result"]  # type: ignore[name-defined]  # noqa: F821


class FakeCamera:
    """25 pictures a second, until ``pictures`` are over or Ctrl-C comes."""

    pictures = 1000
    interrupt_at = -1

    def __init__(self, name: str) -> None:
        assert name == "default"
        self._count = 0

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def alive(self, now_s: float) -> bool:
        return self._count < self.pictures

    def read(self, timeout_s: float) -> Picture:
        if self._count == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        self._count += 1
        return Picture(100.0 + self._count / 25, np.zeros((8, 8, 3), np.uint8))


class FakeTracker:
    """Sees a face from the third picture on, which turns by 25 degrees a second."""

    blind = False
    refusal = ""

    def __init__(self) -> None:
        self._seen = 0

    @property
    def ready(self) -> bool:
        return self._seen >= 3 and not self.blind

    def track(self, picture: Picture) -> FaceMotion:
        self._seen += 1
        pose = np.zeros(6, np.float32)
        pose[0] = self._seen
        return FaceMotion(picture.time_s, np.zeros(52, np.float32), pose, self.ready)


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCamera]:
    class Camera(FakeCamera):
        pass

    monkeypatch.setattr(face_camera, "FaceCamera", Camera)
    monkeypatch.setattr(live_track, "LiveTracker", FakeTracker)
    return Camera


def test_a_camera_is_tracked_for_so_long(
    vividlive: Command, camera: type[FakeCamera], tmp_path: Path
) -> None:
    out = tmp_path / "m.csv"
    done = vividlive("track", "--camera", "default", "--out", out, "--seconds", 0.4)
    assert done.code == 0, done.err
    # The picture that the head was made of is left out: the next one comes a second later.
    np.testing.assert_allclose([motion.pose[0] for motion in read_motion(out)], np.arange(4, 14), atol=0.01)


def test_ctrl_c_ends_with_all_rows_written(
    vividlive: Command, camera: type[FakeCamera], tmp_path: Path
) -> None:
    camera.interrupt_at = 12
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "m.csv"
    done = vividlive("track", "--camera", "default", "--out", out)
    assert done.code == 0, done.err
    assert len(read_motion(out)) == 10 and "10 rows" in done.out
    assert signal.getsignal(signal.SIGINT) is before


def test_nobody_before_the_camera_is_an_error(
    vividlive: Command, camera: type[FakeCamera], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTracker, "blind", True)
    camera.pictures = 5
    out = tmp_path / "m.csv"
    out.write_text("of another day")
    done = vividlive("track", "--camera", "default", "--out", out)
    assert done.code == 2 and "none was seen" in done.err
    assert out.read_text() == "of another day" and list(tmp_path.iterdir()) == [out]
    monkeypatch.setattr(FakeTracker, "refusal", "expected a head that looks ahead")
    assert "expected a head that looks ahead" in vividlive("track", "--camera", "default", "--out", out).err
