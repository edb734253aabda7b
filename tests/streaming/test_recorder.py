"""Recordings: in sync by numbers, whole up to the last fragment whatever happens, ended by their limits."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from engine.provenance import PROVENANCE
from streaming.encoder import AudioEncoder, VideoEncoder
from streaming.feeds import AudioFeed, Kind, Outlet, VideoFeed
from streaming.recorder import Recorder, RecordingFile
from tests.streaming.fake_engine import draw, read_number

SIZE = 256
PICTURE_SAMPLES, PACKET_SAMPLES = 1920, 960
RATE = 48_000

CHILD = """
import sys
from pathlib import Path
from tests.streaming.test_recorder import record
record(Path(sys.argv[1]), 0, 100_000, after=lambda number: print(number, flush=True))
"""


def beeps(first: int, count: int) -> np.ndarray:
    """A tone of 20 ms at every whole second of media time."""
    at = np.arange(first, first + count)
    return np.where(at % RATE < 960, 12_000 * np.sin(2 * np.pi * 1000 / RATE * at), 0).astype(np.int16)


def record(path: Path, begin: int, count: int, after: Callable[[int], Any] = lambda number: None) -> None:
    """Write ``count`` numbered pictures from ``begin`` on, with their sound, which comes a little sooner."""
    video, audio, file = VideoEncoder(SIZE), AudioEncoder(), RecordingFile(path)
    ahead = 5  # packets
    for packet in range(-ahead, 2 * count):
        if packet + ahead < 2 * count:
            first = begin * PICTURE_SAMPLES + (packet + ahead) * PACKET_SAMPLES
            file.add("audio", audio.encode(beeps(first, PACKET_SAMPLES), first))
        if packet >= 0 and packet % 2 == 0:
            number = begin + packet // 2
            picture = draw(SIZE, number, 0.0, 128)
            file.add("h264", video.encode(picture, number, keyframe=number == begin + 3))
            after(number)
    file.close()


def pictures(path: Path) -> list[tuple[float, int]]:
    """Time and number of every picture."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time), read_number(frame.to_ndarray(format="yuv420p")[:SIZE]))
            for frame in container.decode(video=0)
        ]


def beep_times(path: Path) -> list[float]:
    """When a beep begins, in seconds of the file."""
    with av.open(str(path)) as container:
        frames = [(float(frame.time), frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    begin_s, samples = frames[0][0], np.concatenate([block for _, block in frames])
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return [begin_s + first / RATE for first in loud[np.diff(loud, prepend=-RATE) > RATE // 2]]


def assert_in_sync(path: Path) -> int:
    """Every picture and every beep is where its number says; returns how many pictures there are."""
    shown = pictures(path)
    first = shown[0][1]
    for time_s, number in shown:
        assert time_s == pytest.approx((number - first) / 25, abs=1e-3)
    heard = beep_times(path)
    assert heard
    for time_s in heard:
        media_s = time_s + first / 25
        assert media_s == pytest.approx(round(media_s), abs=0.002)
    return len(shown)


def test_sound_and_picture_are_where_their_numbers_say(tmp_path: Path) -> None:
    record(tmp_path / "call.mp4", 60, 60)
    assert assert_in_sync(tmp_path / "call.mp4") == 60


def test_it_begins_with_a_keyframe(tmp_path: Path) -> None:
    video, file = VideoEncoder(SIZE), RecordingFile(tmp_path / "call.mp4")
    for number in range(10):
        packet = video.encode(draw(SIZE, number, 0.0, 128), number, keyframe=number in (0, 4))
        if number:  # the first one was sent before the recording began
            file.add("h264", packet)
    file.close()
    assert [number for _, number in pictures(tmp_path / "call.mp4")] == [4, 5, 6, 7, 8, 9]


def test_it_says_that_it_was_generated(tmp_path: Path) -> None:
    record(tmp_path / "call.mp4", 0, 5)
    with av.open(str(tmp_path / "call.mp4")) as container:
        assert container.metadata["comment"] == PROVENANCE


def test_a_process_that_is_killed_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 130:
                break
        os.kill(child.pid, signal.SIGKILL)
    assert (
        assert_in_sync(path) >= 130 - 2 * 25
    )  # all but the last fragment, and the one before it is on its way


class Session:
    """What of a session a recorder uses; its pictures are made by the test."""

    def __init__(self) -> None:
        self.sound, self.video = AudioFeed(), VideoFeed("h264", SIZE)
        self.tell: Callable[[dict[str, Any]], object] = lambda event: None

    def packets(self, kind: Kind) -> Outlet:
        return self.sound.open() if kind == "audio" else self.video.open()

    def on_event(self, callback: Callable[[dict[str, Any]], object]) -> Any:
        self.tell = callback
        return SimpleNamespace(close=lambda: None)


@pytest.fixture
def session() -> Any:
    return Session()


async def speak(session: Any, count: int, begin: int = 0) -> None:
    """Publish numbered pictures and their sound as a session does."""
    for number in range(begin, begin + count):
        for packet in range(2):
            first = number * PICTURE_SAMPLES + packet * PACKET_SAMPLES
            session.sound.publish(session.sound.encode(beeps(first, PACKET_SAMPLES), first))
        picture = draw(SIZE, number, 0.0, 128)
        session.video.publish(session.video.encode(picture, number, keyframe=session.video.keyframe_due()))
        await asyncio.sleep(0.001)


async def test_a_session_is_recorded_until_it_is_stopped(session: Any, tmp_path: Path) -> None:
    recorder = Recorder(session, tmp_path / "call.mp4", most_s=60.0, most_bytes=10**8)
    await asyncio.sleep(0)
    await speak(session, 40)
    async with asyncio.timeout(30):
        while True:
            if recorder.seconds >= 39 / 25:
                break
            await asyncio.sleep(0.01)
    await recorder.stop()
    await recorder.stop()
    assert recorder.ended == "stopped"
    assert assert_in_sync(tmp_path / "call.mp4") == 40
    assert recorder.size_bytes == (tmp_path / "call.mp4").stat().st_size
    assert not session.sound.outlets and not session.video.outlets


async def recorder_keeps_up(recorder: Recorder) -> None:
    while True:
        if recorder._waiting.qsize() < 100:
            return
        await asyncio.sleep(0.01)


async def until_ended(recorder: Recorder, session: Any, begin: int = 0) -> None:
    begun_s = time.monotonic()
    while recorder.ended is None:
        await speak(session, 5, begin)
        begin += 5
        await recorder_keeps_up(recorder)
        assert time.monotonic() < begun_s + 30
    await recorder.stop()


async def test_it_ends_at_the_time_limit(session: Any, tmp_path: Path) -> None:
    recorder = Recorder(session, tmp_path / "call.mp4", most_s=2.0, most_bytes=10**8)
    await until_ended(recorder, session)
    assert recorder.ended == "time limit"
    assert 2.0 <= recorder.seconds < 4.0


async def test_it_ends_at_the_size_limit(session: Any, tmp_path: Path) -> None:
    recorder = Recorder(session, tmp_path / "call.mp4", most_s=600.0, most_bytes=10_000)
    await until_ended(recorder, session)
    assert recorder.ended == "size limit"
    assert pictures(tmp_path / "call.mp4")


async def test_it_ends_with_the_session(session: Any, tmp_path: Path) -> None:
    recorder = Recorder(session, tmp_path / "call.mp4", most_s=60.0, most_bytes=10**8)
    await asyncio.sleep(0)
    await speak(session, 10)
    session.tell({"type": "ended"})
    await recorder.stop()
    assert recorder.ended == "session ended"


async def test_a_folder_that_is_gone_ends_it_with_the_reason(session: Any, tmp_path: Path) -> None:
    recorder = Recorder(session, tmp_path / "gone" / "call.mp4", most_s=60.0, most_bytes=10**8)
    await until_ended(recorder, session)
    assert recorder.ended is not None and recorder.ended.startswith("it could not be written")
