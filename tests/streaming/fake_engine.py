"""A stand-in for the engine: a test picture whose mouth follows the sound, with its frame number in bars."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES, LOOK_AHEAD_SAMPLES
from engine.errors import BundleError, DeviceLostError, PhotoError
from engine.motion.values import Motion, rest
from streaming.creation import CreationRequest, Progress, RefusedError, write_jpeg
from streaming.engine_port import EngineOptions, SessionLike

BITS = 20
"""Bars in the top eighth of the picture: the frame number in binary, most significant first."""

JAW = 17
SMILE = 23
"""Shows, in the motion, that the session listens."""
FROWN = 25
"""Shows how sad it is."""


@dataclass
class FakeFrame:
    """What the streaming side uses of a frame."""

    i420: NDArray[np.uint8]
    stage_ms: dict[str, float]


class FakeSession:
    """Behaves as ``engine.pipeline.Session`` does, by the same rules for numbers and clearing."""

    def __init__(self, size: int, avatar: dict[str, Any]) -> None:
        self._size = size
        self._avatar = avatar
        self._sound = np.zeros(0, np.float32)
        self._next = 0
        self._kept = 0
        self._openness = 1.0
        self._mood = 0.0
        self._listening = False

    def push_audio(self, samples: NDArray[np.float32]) -> None:
        assert samples.dtype == np.float32
        self._sound = np.concatenate([self._sound, samples])

    def clear(self) -> int:
        kept = min(len(self._sound), self._kept)
        dropped = len(self._sound) - kept
        self._sound = np.zeros(kept, np.float32)
        return dropped

    def motions(self) -> Iterator[Motion]:
        start = self._next * FRAME_SAMPLES
        while len(self._sound) >= FRAME_SAMPLES + LOOK_AHEAD_SAMPLES:
            level = float(np.sqrt(np.mean(self._sound[:FRAME_SAMPLES] ** 2)))
            motion = rest(start // FRAME_SAMPLES)
            blendshapes = motion.blendshapes.copy()
            blendshapes[JAW] = min(1.0, level * 5 * self._openness)
            blendshapes[SMILE] = float(self._listening)
            blendshapes[FROWN] = max(0.0, -self._mood)
            self._sound = self._sound[FRAME_SAMPLES:]
            self._kept = LOOK_AHEAD_SAMPLES
            self._next += 1
            start += FRAME_SAMPLES
            yield replace(motion, blendshapes=blendshapes, speaking=level > 0.01)

    def fail(self) -> None:
        """Raise the avatar's fault."""
        if fault := self._avatar.get("fault"):
            raise DeviceLostError("the GPU failed") if fault == "device" else RuntimeError(fault)

    def draw(self, motion: Motion) -> FakeFrame:
        picture = draw(self._size, motion.number, float(motion.blendshapes[JAW]), self._avatar["chroma"])
        return FakeFrame(picture, {"draw": 0.1})

    def set_style(self, style: Any) -> None:
        self._openness, self._mood = style["expressiveness"], style["mood"]

    def set_listening(self, heard: bool) -> None:
        self._listening = heard

    def set_avatar(self, avatar: Any) -> None:
        self._avatar = avatar

    def close(self) -> None:
        """Nothing is kept."""


class FakeEngine:
    """The engine port for tests; avatars are JSON files with a "chroma". One with a "fault" fails when it is drawn."""

    def __init__(self, options: EngineOptions) -> None:
        self._size = options.size
        self.at_once = 1
        self.drawn_together: list[int] = []

    def load_avatar(self, path: str) -> Any:
        try:
            with open(path) as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            raise BundleError(f"expected a fake avatar at {path}: {error}") from error

    def prepare(self, avatar: Any) -> Any:
        return avatar

    def session(self, avatar: Any, seed: int) -> SessionLike:
        return FakeSession(self._size, avatar)

    def style(self, expressiveness: float, head_motion: float, mood: float) -> Any:
        return {"expressiveness": expressiveness, "head_motion": head_motion, "mood": mood}

    def draw(
        self, sessions: Sequence[Any], motions: Sequence[Motion], *, supersample: bool, neural: bool
    ) -> Sequence[FakeFrame]:
        assert 0 < len(sessions) <= self.at_once
        self.drawn_together.append(len(sessions))
        for session in sessions:
            session.fail()
        return [session.draw(motion) for session, motion in zip(sessions, motions, strict=True)]


class InlineExecutor(Executor):
    """Does everything at once, or, while ``held``, when it is told to."""

    def __init__(self) -> None:
        self.held = False
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if not self.held:
            self.work()
        return future

    def work(self) -> None:
        """Do what waits."""
        waiting, self._waiting = self._waiting, []
        for future, task in waiting:
            try:
                future.set_result(task())
            except Exception as error:
                future.set_exception(error)


def fake_photo_check(photo: bytes) -> None:
    """Take every file for a picture that does not say otherwise."""
    if photo.startswith(b"no picture"):
        raise PhotoError("expected a photo, got a text file")


def fake_creator(request: CreationRequest, progress: Progress) -> dict[str, Any]:
    """Make a fake avatar of any photo; its content tells what to do."""
    data = request.photo.read_bytes()
    progress("reading", 0.0)
    if data.startswith(b"two faces") and request.face is None:
        raise RefusedError("expected one face, found 2", [[1.0, 2.0, 30.0, 40.0], [5.0, 6.0, 30.0, 40.0]])
    if data.startswith(b"no face"):
        raise RefusedError("expected a face, found none", [])
    progress("fitting", 0.7)
    if data.startswith(b"slow"):
        time.sleep(2.0)
    if data.startswith(b"crash"):
        time.sleep(0.3)  # after the upload was answered
        raise SystemExit(3)
    (request.directory / "avatar.avatar").write_text(json.dumps({"chroma": len(data) % 200 + 28}))
    write_jpeg(np.full((64, 64, 3), 120, np.uint8), request.directory / "avatar.jpg")
    return {"face_px": 300, "face": request.face}


def draw(size: int, number: int, openness: float, chroma: int) -> NDArray[np.uint8]:
    """I420 with the number's bits on top and a dark mouth below."""
    picture = np.full((size * 3 // 2, size), 128, np.uint8)
    luma = picture[:size]
    luma[:] = np.linspace(90, 170, size)[:, None]
    width = size // BITS
    for bit in range(BITS):
        luma[: size // 8, bit * width : (bit + 1) * width] = 235 if number >> (BITS - 1 - bit) & 1 else 16
    height = int(openness * size // 8)
    centre = size * 3 // 4
    luma[centre - height : centre + height + 2, size // 3 : size * 2 // 3] = 20
    picture[size:] = chroma
    return picture


def read_number(luma: NDArray[np.uint8]) -> int:
    """The frame number in a decoded picture's luma, uint8 [size, size]."""
    size = luma.shape[1]
    width = size // BITS
    row = luma[size // 32 : size // 10]
    number = 0
    for bit in range(BITS):
        middle = row[:, bit * width + width // 4 : (bit + 1) * width - width // 4]
        number = number << 1 | int(middle.mean() > 128)
    return number


def fake_engine(options: EngineOptions) -> FakeEngine:
    return FakeEngine(options)
