"""The whole webcam with the fake engine: what it hears is seen by the camera and said by the sound output."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UnavailableError
from engine.speech.audio_file import Sound
from streaming.camera import webcam
from streaming.camera.canvas import planes
from streaming.camera.webcam import WebcamReport, WebcamSettings, run_webcam
from streaming.session import AvatarSession
from streaming.settings import ServeSettings
from tests.engine.avatar.videos import write_video
from tests.streaming.fake_engine import read_number

SIDE = 256  # of avatar and canvas alike: pictures pass as they are
WAIT_S = 60


class FakeCamera:
    """Keeps the number of each picture, and whether its mouth is open."""

    name = "fake"

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.open: list[bool] = []
        self.closed = 0

    def send(self, picture: np.ndarray) -> None:
        luma = planes(picture)[0]
        self.numbers.append(read_number(luma))
        self.open.append(bool(luma[SIDE * 3 // 4 - 6, SIDE // 2] < 60))

    def close(self) -> None:
        self.closed += 1

    def reopened(self) -> "FakeCamera":
        raise UnavailableError("it was not lost")


class FakeSound:
    """A sound device of either kind."""

    name = "fake sound"

    def __init__(self) -> None:
        self.loudest = 0
        self.opened = self.closed = 0
        self.hear: Callable[[int, np.ndarray], None] = lambda first, samples: None

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def alive(self, now_s: float) -> bool:
        return True

    def play(self, samples: np.ndarray) -> None:
        assert samples.shape == (960,) and samples.dtype == np.int16
        self.loudest = max(self.loudest, int(np.abs(samples).max()))


class Bench:
    """A webcam that runs beside the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.camera, self.microphone, self.output = FakeCamera(), FakeSound(), FakeSound()
        self.reports: list[WebcamReport] = []
        self.stop = asyncio.Event()
        bundle = folder / "person.avatar"
        bundle.write_text(json.dumps({"chroma": 100}))

        def microphone(name: str, hear: Callable[[int, np.ndarray], None]) -> FakeSound:
            self.microphone.hear = hear
            return self.microphone

        monkeypatch.setattr(webcam, "Microphone", microphone)
        monkeypatch.setattr(webcam, "Loudspeaker", lambda name: self.output)
        monkeypatch.setattr(webcam, "REPORT_S", 0.2)
        live = ServeSettings(
            size=SIDE,
            latency_ms=500.0,
            av_offset_ms=0,
            standby=False,
            engine="tests.streaming.fake_engine:fake_engine",
            face_tracker="tests.streaming.fake_face:fake_tracker",
        )
        settings = WebcamSettings(
            bundle, np.zeros((SIDE, SIDE, 3), np.uint8), live, sound_output="cable", badge=False, **changes
        )
        self.task = asyncio.create_task(run_webcam(settings, self.camera, self.reports.append, self.stop))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while True:
                if self.task.done():
                    self.task.result()
                if condition():
                    return
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, WAIT_S)


def tone(seconds: float) -> np.ndarray:
    return (0.5 * np.sin(np.arange(int(48_000 * seconds)) * 0.05)).astype(np.float32)


async def test_a_recording_moves_the_mouth_and_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = Sound(tone(3.0)[::3].copy(), tone(3.0))
    bench = Bench(tmp_path, monkeypatch, speech=speech)
    camera = bench.camera
    await bench.until(lambda: any(camera.open) and bench.output.loudest > 15_000)
    await bench.until(lambda: bool(camera.open) and not camera.open[-1])
    assert (np.diff(camera.numbers) > 0).all()
    await bench.end()
    assert camera.closed == 1 and bench.output.closed >= 1
    assert bench.microphone.opened == 0  # none was asked for
    assert bench.reports[-1].fps > 0 and bench.reports[-1].latency_ms > 0


async def test_the_microphone_is_seen_and_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, monkeypatch, microphone="headset")
    await bench.until(lambda: bool(bench.camera.numbers))
    assert bench.microphone.opened == 1
    loud = (tone(0.02) * 32767).astype(np.int16)
    sent = 0

    def speak() -> bool:
        nonlocal sent
        bench.microphone.hear(sent, loud)
        sent += len(loud)
        return any(bench.camera.open) and bench.output.loudest > 10_000

    await bench.until(speak)
    await bench.end()
    assert bench.microphone.closed >= 1


async def test_the_voice_drives_the_avatar_in_the_manner_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles: list[tuple[float, ...]] = []
    monkeypatch.setattr(AvatarSession, "set_style", lambda session, *style: styles.append(style))
    bench = Bench(tmp_path, monkeypatch, expressiveness=0.5, head_motion=2.0, mood=-0.25)
    await bench.until(lambda: bool(bench.camera.numbers))
    await bench.end()
    assert styles == [(0.5, 2.0, -0.25)]


async def test_a_face_drives_the_avatar_while_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody speaks; a film in place of the camera is light for a second and dark for one, again and again."""
    film = tmp_path / "film.mp4"
    write_video(film, [np.full((48, 64, 3), 200 * (k < 25) + 5, np.uint8) for k in range(50)], rate=25)
    bench = Bench(tmp_path, monkeypatch, face_camera=str(film))
    await bench.until(lambda: any(bench.camera.open))
    await bench.until(lambda: not bench.camera.open[-1])
    await bench.until(lambda: any(report.face is not None for report in bench.reports))
    await bench.end()
    words = {report.face.words for report in bench.reports if report.face is not None}
    assert words <= {"", "it is dark", "the camera is being opened"}
    assert bench.output.loudest == 0


async def test_an_engine_that_cannot_go_on_ends_it_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, monkeypatch)
    (tmp_path / "person.avatar").write_text("no avatar")
    with pytest.raises(UnavailableError, match="expected a fake avatar"):
        await asyncio.wait_for(bench.task, WAIT_S)
    assert bench.camera.closed == 1
