"""A real PipeWire of its own: pictures and sound are read back from the nodes by other programs.

Debian: apt install pipewire pipewire-bin wireplumber dbus-daemon gstreamer1.0-tools gstreamer1.0-plugins-base
gstreamer1.0-pipewire
"""

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from streaming.camera.canvas import planes
from streaming.camera.port import CameraLostError
from tests.streaming.fake_engine import draw, read_number

TOOLS = (
    "pipewire",
    "wireplumber",
    "dbus-run-session",
    "pw-cli",
    "pw-record",
    "gst-launch-1.0",
    "gst-inspect-1.0",
)
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"PipeWire is not installed: {' '.join(MISSING)}")

WIDTH, HEIGHT = 1280, 720
WAIT_S = 60.0
RATE = 48_000


@pytest.fixture(scope="module")
def pipewire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PipeWire and its session manager in a directory of their own."""
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.delenv("PIPEWIRE_REMOTE", raising=False)
        patch.delenv("PIPEWIRE_RUNTIME_DIR", raising=False)
        with open(folder / "log", "wb") as log:
            session = subprocess.Popen(
                ["dbus-run-session", "--", "sh", "-c", "pipewire & sleep 0.5; exec wireplumber"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(
                lambda: (folder / "pipewire-0").exists() and "WirePlumber" in asked("pw-cli", "ls", "Client")
            )
            yield
        finally:
            kill_group(session)


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S).stdout


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    import os

    os.killpg(process.pid, signal.SIGTERM)
    process.wait(WAIT_S)


def until(condition: Callable[[], bool]) -> None:
    begun_s = time.monotonic()
    while not condition():
        assert time.monotonic() < begun_s + WAIT_S, "it did not happen in time"
        time.sleep(0.05)


class Feeder:
    """Sends something every few milliseconds, from a thread, until the block ends."""

    def __init__(self, send: Callable[[int], None], period_s: float) -> None:
        self._send, self._period_s = send, period_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self.error: Exception | None = None

    def __enter__(self) -> "Feeder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._over.is_set():
            try:
                self._send(self.sent)
            except CameraLostError as error:
                self.error = error
                return
            self.sent += 1
            next_s += self._period_s
            self._over.wait(max(0.0, next_s - time.monotonic()))


def numbered(number: int) -> np.ndarray:
    """A canvas whose left square has the frame number in it."""
    picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    planes(picture)[0][:, :HEIGHT] = draw(HEIGHT, number, 0.0, 128)[:HEIGHT]
    return picture


def numbers_seen(count: int) -> list[int]:
    """The frame numbers that another program reads from the camera."""
    command = f"gst-launch-1.0 -q pipewiresrc target-object=Vividlive num-buffers={count} ! "
    command += f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT} ! fdsink fd=1"
    try:
        seen = subprocess.run(command.split(), stdout=subprocess.PIPE, check=True, timeout=WAIT_S / 3).stdout
    except subprocess.TimeoutExpired:  # on a busy machine GStreamer's reader sometimes never begins
        seen = subprocess.run(command.split(), stdout=subprocess.PIPE, check=True, timeout=WAIT_S).stdout
    pictures = np.frombuffer(seen, np.uint8).reshape(-1, HEIGHT * 3 // 2, WIDTH)
    return [read_number(np.ascontiguousarray(planes(picture)[0][:, :HEIGHT])) for picture in pictures]


def has_node(media_class: str) -> bool:
    return f'media.class = "{media_class}"' in asked("pw-cli", "ls", "Node")


def test_pictures_are_read_back_in_order_and_again_by_the_next_program(pipewire: None) -> None:
    from streaming.camera.pipewire import VideoNode

    frames = [numbered(number) for number in range(256)]  # drawn before, so that drawing is not timed
    camera = VideoNode(WIDTH, HEIGHT)
    try:
        with Feeder(lambda number: camera.send(frames[number % 256]), 0.04):
            until(lambda: has_node("Video/Source"))
            for _ in range(2):
                numbers = numbers_seen(25)
                steps = np.diff(numbers) % 256
                assert len(numbers) == 25
                assert (steps >= 1).all(), numbers  # in order, none twice
                assert np.median(steps) == 1, numbers
    finally:
        camera.close()
    until(lambda: not has_node("Video/Source"))


def test_a_camera_without_viewers_does_not_hold_up_its_sender(pipewire: None) -> None:
    from streaming.camera.pipewire import VideoNode

    camera = VideoNode(WIDTH, HEIGHT)
    frame = numbered(0)
    for _ in range(50):  # many times what pipe and queue can hold
        camera.send(frame)
    camera.close()


def test_a_camera_whose_helper_died_says_so(pipewire: None) -> None:
    from streaming.camera.pipewire import VideoNode

    camera = VideoNode(WIDTH, HEIGHT)
    camera._child._process.kill()
    camera._child._process.wait()
    with pytest.raises(CameraLostError, match="PipeWire camera is gone"):
        for _ in range(10):
            camera.send(numbered(0))
    camera.close()


def test_sound_is_read_back_as_it_was(pipewire: None, tmp_path: Path) -> None:
    from streaming.camera.pipewire import SoundNode

    node = SoundNode()
    node.open()
    period = 30_000

    def speak(block: int) -> None:
        node.play((np.arange(block * 960, (block + 1) * 960) % period + 1).astype(np.int16))

    heard = tmp_path / "heard.wav"
    with Feeder(speak, 0.02):
        until(lambda: has_node("Audio/Source"))
        recorder = subprocess.Popen(
            [
                "pw-record",
                "--target",
                "Vividlive",
                "--rate",
                str(RATE),
                "--channels",
                "1",
                "--format",
                "s16",
                heard,
            ]
        )
        until(lambda: heard.exists() and heard.stat().st_size > 2 * RATE * 2)
        recorder.send_signal(signal.SIGINT)
        recorder.wait(WAIT_S)
    node.close()
    node.close()
    samples = np.frombuffer(heard.read_bytes()[44:], "<i2")
    assert np.count_nonzero(samples) > RATE
    both = (samples[:-1] != 0) & (samples[1:] != 0)  # a busy machine tears it here and there
    assert (np.diff(samples.astype(int))[both] % period == 1).mean() > 0.99
    until(lambda: not has_node("Audio/Source"))


def test_sound_that_nobody_hears_is_dropped_and_the_newest_kept(pipewire: None) -> None:
    import array
    import fcntl
    import termios

    from streaming.camera.pipewire import SOUND_KEPT, SOUND_MOST, SoundNode

    node = SoundNode()
    node.open()
    try:
        for block in range(100):
            node.play(np.full(960, block, np.int16))
        waiting = array.array("i", [0])
        fcntl.ioctl(node._fifo, termios.FIONREAD, waiting)
        assert SOUND_KEPT <= waiting[0] <= SOUND_MOST
        assert node.alive(0.0)
    finally:
        node.close()


def test_a_microphone_whose_helper_died_is_noticed_and_can_be_opened_again(pipewire: None) -> None:
    import psutil

    from streaming.camera.pipewire import SoundNode

    node = SoundNode()
    node.open()
    family = psutil.Process(node._child._process.pid).children(recursive=True)
    next(process for process in family if process.name() == "pw-cli").kill()
    until(lambda: not node.alive(0.0))
    node.play(np.zeros(960, np.int16))
    node.close()
    node.open()
    assert node.alive(0.0)
    node.close()
