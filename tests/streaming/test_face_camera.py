"""Cameras that are made up, and a video file in place of one."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from engine.errors import SettingError, UnavailableError
from streaming import face_camera
from streaming.face_camera import FaceCamera, find_camera, list_cameras
from tests.engine.avatar.videos import write_video

DEVICES = [
    SimpleNamespace(name="/dev/video0", description="Integrated Camera: IR", media_types=["video"]),
    SimpleNamespace(name="/dev/video2", description="Integrated Camera: RGB", media_types=["video"]),
    SimpleNamespace(name="/dev/video4", description="HD Webcam", media_types=["video"]),
    SimpleNamespace(name="hw:0", description="HD Webcam microphone", media_types=["audio"]),
]


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The devices of this machine, which runs Linux; the list may be changed."""
    there = list(DEVICES)
    monkeypatch.setattr(face_camera.sys, "platform", "linux")
    monkeypatch.setattr(av, "enumerate_input_devices", lambda form: there, raising=False)
    return there


def levels(images: list[int]) -> list[np.ndarray]:
    return [np.full((48, 64, 3), level, np.uint8) for level in images]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Half a second that gets lighter."""
    path = tmp_path / "film.mp4"
    write_video(path, levels(list(range(20, 220, 20))), rate=20)
    return path


def read_all(camera: FaceCamera) -> list[tuple[float, float]]:
    """Time and grey of every picture until the camera ends."""
    seen = []
    while camera.alive(time.monotonic()):
        if (picture := camera.read(2.0)) is not None:
            seen.append((picture.time_s, float(picture.image.mean())))
    return seen


def test_cameras_are_listed_and_found_by_name(cameras: list[Any]) -> None:
    assert [one.device for one in list_cameras()] == ["/dev/video0", "/dev/video2", "/dev/video4"]
    assert find_camera("default") == "/dev/video0"
    assert find_camera("hd webcam") == "/dev/video4"
    assert find_camera("RGB") == "/dev/video2"
    assert find_camera("/dev/video9") == "/dev/video9"  # it may be one that is not listed
    with pytest.raises(SettingError, match=r"several have 'Integrated'.*IR.*RGB' \(/dev/video2\)$"):
        find_camera("Integrated")
    with pytest.raises(SettingError, match="none has 'phone'.*HD Webcam"):
        find_camera("phone")
    cameras.clear()
    with pytest.raises(UnavailableError, match="shows none"):
        find_camera("default")


def test_a_machine_that_cannot_list_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(form: str) -> list[Any]:
        raise ValueError(form)

    monkeypatch.setattr(av, "enumerate_input_devices", refuse, raising=False)
    assert list_cameras() == []


def test_a_film_is_shown_at_its_own_speed(film: Path) -> None:
    camera = FaceCamera(str(film))
    begun_s = time.monotonic()
    camera.open()
    seen = read_all(camera)
    camera.close()
    times, greys = np.array(seen).T
    assert (np.diff(times) > 0).all() and (np.diff(greys) > 0).all()
    assert begun_s + 0.4 < times[-1] and greys[-1] > 190
    assert not camera.alive(time.monotonic())


def test_a_colon_in_the_name_of_a_film_is_no_protocol(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(film.parent)
    film.rename("10:30.mp4")
    camera = FaceCamera("10:30.mp4")
    camera.open()
    camera.close()


def test_only_the_newest_picture_waits(film: Path) -> None:
    camera = FaceCamera(str(film))
    camera.open()
    first = camera.read(2.0)
    time.sleep(0.3)
    later = camera.read(0.0)
    assert first is not None and later is not None
    assert later.time_s - first.time_s > 0.15
    camera.close()
    assert camera.read(0.0) is None or not camera.alive(time.monotonic())


def test_a_camera_is_asked_for_less_when_it_refuses(
    cameras: list[Any], film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None, dict[str, str]]] = []
    really: Callable[..., Any] = av.open

    def open_device(device: str, mode: str, format: str | None, options: dict[str, str]) -> Any:
        asked.append((device, format, options))
        if options:
            raise av.ArgumentError(22, "Invalid argument", device)
        return really(str(film))

    monkeypatch.setattr(av, "open", open_device)
    camera = FaceCamera("webcam")
    camera.open()
    assert camera.read(2.0) is not None
    camera.close()
    assert {(device, form) for device, form, _ in asked} == {("/dev/video4", "v4l2")}
    assert [bool(options) for _, _, options in asked] == [True, True, False]


def test_a_camera_that_cannot_be_opened_says_what_there_is(cameras: list[Any]) -> None:
    with pytest.raises(
        UnavailableError, match=r"'/dev/video77'.*cameras here: .*'HD Webcam' \(/dev/video4\)"
    ):
        FaceCamera("/dev/video77").open()


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("no pictures")
    with pytest.raises(UnavailableError, match=r"words\.txt"):
        FaceCamera(str(path)).open()


def test_a_film_without_time_stamps_is_shown_at_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "bare.h264"
    write_video(path, levels([20, 60, 100]), rate=25)
    camera = FaceCamera(str(path))
    camera.open()
    assert [round(grey, -1) for _, grey in read_all(camera)][-1] == 100
    camera.close()


def test_a_camera_that_hangs_is_not_read_twice(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_camera, "STOP_S", 0.01)
    camera, let_go = FaceCamera(str(film)), threading.Event()
    monkeypatch.setattr(camera, "_frames", lambda: iter(let_go.wait, True))
    camera.open()
    camera.close()
    with pytest.raises(UnavailableError, match="still does not"):
        camera.open()
    assert not camera.alive(time.monotonic())
    let_go.set()
    camera.close()
    monkeypatch.undo()
    camera.open()
    assert camera.read(2.0) is not None
    camera.close()
