"""``vividlive webcam`` until it runs: what it opened is given back when something is wrong or it is ended."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, SettingError
from streaming.camera import background, outputs

Command = Callable[..., "Result"]  # type: ignore[name-defined]  # noqa: F821


class FakeCamera:
    name = "fake"
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_sigterm_ends_the_preparations_like_ctrl_c(
    vividlive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, handlers = FakeCamera(), []

    def fail(*given: Any) -> Any:
        handlers.append(signal.getsignal(signal.SIGTERM))
        raise SettingError("expected another background")

    monkeypatch.setattr(outputs, "open_camera", lambda *given: camera)
    monkeypatch.setattr("vividlive.webcam_command._person", lambda *given: None)
    monkeypatch.setattr(background, "make_background", fail)
    before = signal.getsignal(signal.SIGTERM)
    done = vividlive("webcam", "--microphone", "none")
    assert done.code == 2 and "another background" in done.err
    assert handlers == [signal.default_int_handler] and camera.closed == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_avatar_that_cannot_be_kept_gives_the_camera_back(
    vividlive: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = FakeCamera()

    class Unkept:
        def save(self, path: Path) -> None:
            raise InputError("expected a place that can be written")

    monkeypatch.setattr(outputs, "open_camera", lambda *given: camera)
    monkeypatch.setattr("vividlive.webcam_command._person", lambda *given: None)
    monkeypatch.setattr(background, "make_background", lambda *given: None)
    monkeypatch.setattr(background, "dressed", lambda *given: Unkept())
    done = vividlive("webcam", "--microphone", "none")
    assert done.code == 2 and "can be written" in done.err and camera.closed == 1
