"""A face tracker in a process of its own, with a tracker that is made up."""

import asyncio
import time
from collections.abc import Callable

import pytest

from streaming import face_process
from streaming.face_process import FaceProcess
from streaming.face_tracking import EncodedPicture, FaceSeen, FaceState
from streaming.messages import unpack_motion
from tests.streaming.fake_engine import JAW
from tests.streaming.fake_face import encoded

TRACKER = "tests.streaming.fake_face:fake_tracker"


class Told:
    """What a face process said."""

    def __init__(self) -> None:
        self.faces: list[FaceSeen] = []
        self.states: list[FaceState] = []
        self.undecodable = 0
        self._changed = asyncio.Event()
        self.process = FaceProcess(self._face, self._state, self._keyframe, tracker=TRACKER)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def _face(self, face: FaceSeen) -> None:
        self.faces.append(face)
        self._changed.set()

    def _state(self, state: FaceState) -> None:
        self.states.append(state)
        self._changed.set()

    def _keyframe(self) -> None:
        self.undecodable += 1
        self._changed.set()


async def test_pictures_go_in_and_a_face_comes_out() -> None:
    told = Told()
    told.process.begin()
    came_s = time.monotonic()
    for number, data in enumerate(encoded("vp8", [100, 120, 140])):
        told.process.see(EncodedPicture("vp8", came_s + number / 25, data))
    await told.until(lambda: bool(told.faces) and told.faces[-1].time_s == came_s + 2 / 25)
    assert unpack_motion(told.faces[-1].values)[JAW] == pytest.approx(140 / 255, abs=0.03)
    await told.until(lambda: told.states == [FaceState(True, "")])
    told.process.see(EncodedPicture("vp8", came_s + 1, b"\x01\x02\x03"))
    await told.until(lambda: told.undecodable == 1)
    await told.process.end()
    assert told.states == [FaceState(True, "")]


async def test_one_that_dies_is_told() -> None:
    told = Told()
    told.process.begin()
    told.process.see(EncodedPicture("vp8", 0.0, encoded("vp8", [255])[0]))
    await told.until(lambda: bool(told.states))
    assert not told.states[0].seen and "died" in told.states[0].words
    await told.process.end()


async def test_what_is_too_much_is_dropped_for_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_process, "MAX_UNSENT", 10)
    told = Told()
    for number in range(11):  # nobody takes them yet
        told.process.see(EncodedPicture("vp8", float(number), b""))
    assert told.undecodable == 1
    for data in encoded("vp8", [100, 120]):
        told.process.see(EncodedPicture("vp8", 20.0, data))
    told.process.begin()
    await told.until(lambda: bool(told.faces))
    assert told.faces[-1].time_s == 20.0
    await told.process.end()


async def test_one_that_was_never_started_ends() -> None:
    await Told().process.end()
