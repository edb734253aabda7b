"""Opening a camera: a driver by pyvirtualcam, and what is said where there is none."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.errors import UnavailableError
from streaming.camera import outputs
from streaming.camera.driver import DriverCamera
from streaming.camera.outputs import open_camera
from streaming.camera.port import CameraLostError

pyvirtualcam = pytest.importorskip("pyvirtualcam")

WIDTH, HEIGHT = 320, 180


class FakeDriver:
    """A pyvirtualcam backend that keeps what it was given."""

    opened: "list[FakeDriver]" = []
    gone = False

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        if device in ("/dev/busy", "busy"):
            raise RuntimeError("device is already in use")
        self.size, self.fps, self.fourcc = (width, height), fps, fourcc
        self.name = device or "/dev/video9"
        self.frames: list[np.ndarray] = []
        self.closed = 0
        self.opened.append(self)

    def close(self) -> None:
        self.closed += 1

    def send(self, frame: np.ndarray) -> None:
        if self.gone:
            raise RuntimeError("write: no such device")
        self.frames.append(frame.copy())

    def device(self) -> str:
        return self.name

    def native_fourcc(self) -> int | None:
        return self.fourcc


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeDriver]]:
    """The only driver of this machine."""
    import pyvirtualcam.camera as registry

    monkeypatch.setattr(registry, "BACKENDS", {})
    pyvirtualcam.register_backend("fake", FakeDriver)
    FakeDriver.opened.clear()
    FakeDriver.gone = False
    yield FakeDriver


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (HEIGHT * 3 // 2, WIDTH), np.uint8)


def test_pictures_reach_the_driver_as_they_are(driver: type[FakeDriver]) -> None:
    camera = open_camera("auto", WIDTH, HEIGHT)
    camera.send(picture())
    camera.close()
    camera.close()
    (opened,) = driver.opened
    assert camera.name == "/dev/video9"
    assert opened.size == (WIDTH, HEIGHT) and opened.fps == 25 and opened.closed == 1
    assert opened.fourcc == int.from_bytes(b"I420", "little")
    np.testing.assert_array_equal(opened.frames[0].reshape(-1), picture().reshape(-1))


def test_a_device_is_opened_by_its_name(driver: type[FakeDriver]) -> None:
    assert open_camera("pyvirtualcam", WIDTH, HEIGHT, "/dev/video4").name == "/dev/video4"


def test_a_camera_that_went_away_is_told_as_such(driver: type[FakeDriver]) -> None:
    camera = open_camera("pyvirtualcam", WIDTH, HEIGHT)
    driver.gone = True
    with pytest.raises(CameraLostError, match="/dev/video9 is gone: write: no such device"):
        camera.send(picture())
    camera.close()


def test_a_camera_that_is_back_is_opened_as_before(driver: type[FakeDriver]) -> None:
    camera = open_camera("auto", WIDTH, HEIGHT, "/dev/video4")
    camera.close()
    assert camera.reopened().name == "/dev/video4"
    pyvirtualcam.camera.BACKENDS.clear()
    with pytest.raises(UnavailableError):  # whatever else makes a camera: other programs look for this one
        camera.reopened()


def test_a_busy_device_is_one_line_with_the_way_out(driver: type[FakeDriver]) -> None:
    with pytest.raises(UnavailableError, match="already in use") as told:
        DriverCamera(WIDTH, HEIGHT, "/dev/busy")
    assert "install" in str(told.value) or "load" in str(told.value)
    assert "\n" not in str(told.value)


def test_without_any_way_all_reasons_are_told(
    monkeypatch: pytest.MonkeyPatch, driver: type[FakeDriver]
) -> None:
    def missing(*args: Any) -> Any:
        raise UnavailableError("expected PipeWire to run")

    monkeypatch.setattr(outputs, "_pipewire_camera", missing)
    with pytest.raises(UnavailableError, match="in use.*expected PipeWire to run"):
        open_camera("auto", WIDTH, HEIGHT, "busy")


def test_a_device_file_is_no_name_for_a_pipewire_camera(
    monkeypatch: pytest.MonkeyPatch, driver: type[FakeDriver]
) -> None:
    monkeypatch.setattr(outputs, "_pipewire_camera", lambda *args: FakeDriver)
    with pytest.raises(UnavailableError, match="in use"):
        open_camera("auto", WIDTH, HEIGHT, "/dev/busy")


def test_without_pyvirtualcam_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UnavailableError, match=r"vividlive\[camera\]"):
        open_camera("pyvirtualcam", WIDTH, HEIGHT)


@pytest.mark.skipif(sys.platform != "linux", reason="PipeWire runs on Linux")
def test_without_pipewire_its_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("PIPEWIRE_RUNTIME_DIR", raising=False)
    with pytest.raises(UnavailableError, match="apt install pipewire"):
        open_camera("pipewire", WIDTH, HEIGHT)
