"""The thread between pictures and camera: slow cameras, cameras that go and come back."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from engine.errors import UnavailableError
from streaming.camera import sender as module
from streaming.camera.canvas import Canvas
from streaming.camera.port import CameraLostError
from streaming.camera.sender import Sender

SIDE = 128


class FakeCamera:
    name = "fake"

    def __init__(self) -> None:
        self.levels: list[int] = []
        self.let_go = threading.Event()
        self.let_go.set()
        self.lost = False
        self.closed = 0

    def send(self, picture: np.ndarray) -> None:
        assert self.let_go.wait(30)
        if self.lost:
            raise CameraLostError("the camera fake is gone")
        self.levels.append(int(picture[0, 0]))

    def close(self) -> None:
        self.closed += 1

    def reopened(self) -> "FakeCamera":
        raise UnavailableError("it was not lost")


def canvas() -> Canvas:
    return Canvas(np.zeros((SIDE, SIDE, 3), np.uint8), badge=False)


def picture(level: int) -> np.ndarray:
    return np.full((SIDE * 3 // 2, SIDE), level, np.uint8)


def until(condition: Callable[[], bool]) -> None:
    begun_s = time.monotonic()
    while not condition():
        assert time.monotonic() < begun_s + 30
        time.sleep(0.005)


def test_a_slow_camera_gets_the_newest_picture() -> None:
    camera = FakeCamera()
    sender = Sender(canvas(), camera)
    sender.show(picture(1))
    until(lambda: camera.levels == [1])
    camera.let_go.clear()
    sender.show(picture(2))
    until(lambda: sender._picture is None)  # it is being sent
    for level in (3, 4, 5):
        sender.show(picture(level))
    camera.let_go.set()
    until(lambda: len(camera.levels) == 3)
    sender.close()
    assert camera.levels == [1, 2, 5]
    assert sender.skipped == 2 and sender.sent == 3 and sender.frame_ms > 0
    assert camera.closed == 1


def test_a_camera_that_comes_back_is_used_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    first, second = FakeCamera(), FakeCamera()
    tries = iter([UnavailableError("not yet"), UnavailableError("not yet")])

    def reopened() -> FakeCamera:
        for error in tries:
            raise error
        return second

    monkeypatch.setattr(first, "reopened", reopened)
    sender = Sender(canvas(), first)
    first.lost = True
    level = 0

    def seen() -> bool:
        nonlocal level
        level = level % 200 + 1
        sender.show(picture(level))
        return len(second.levels) > 2

    until(seen)
    sender.close()
    assert first.closed == 1 and second.closed == 1 and first.levels == []
    assert "is gone" in caplog.text and "is back" in caplog.text


def test_a_camera_that_hangs_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.05)
    camera = FakeCamera()
    camera.let_go.clear()
    sender = Sender(canvas(), camera)
    sender.show(picture(1))
    until(lambda: sender._picture is None)
    sender.close()
    assert "does not let go" in caplog.text and camera.closed == 0
    camera.let_go.set()
