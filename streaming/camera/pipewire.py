"""PipeWire nodes, where there is no camera driver: a camera through GStreamer, a microphone through a pipe.

Both are well-kept tools that run as child processes. They end when their input does, so with this process.
"""

import array
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import SettingError, UnavailableError
from streaming.camera.port import CameraLostError

NAME: Final = "Vividlive"
"""What other programs call the nodes."""

PIPE_BYTES: Final = 1 << 20
"""Capacity of the pipe to GStreamer: a whole small frame, or most of a large one."""

SOUND_RATE: Final = 48_000
SOUND_MOST: Final = SOUND_RATE * 2 * 80 // 1000
SOUND_KEPT: Final = SOUND_RATE * 2 * 40 // 1000
"""Bytes of sound that wait in the pipe: beyond 80 ms (nobody listens, or more slowly) all but 40 ms are dropped."""

FEED_PW_CLI: Final = "{ cat; echo quit; } | { pw-cli; kill 0; }"
"""At the end of its own input pw-cli would go on, at full speed; when it ends, the shell and cat end with it."""

START_S: Final = 15.0
DIES_S: Final = 0.3
"""A child that cannot work has ended after this."""

END_S: Final = 2.0


class VideoNode:
    """A camera as a PipeWire node, ``media.class`` Video/Source, fed through ``gst-launch-1.0``."""

    def __init__(self, width: int, height: int, name: str | None = None) -> None:
        """Raises:
        SettingError: the name cannot be used.
        UnavailableError: GStreamer, its PipeWire plugin or PipeWire itself is missing.
        """
        self.name = name or NAME
        if not re.fullmatch(r"[\w .:/-]+", self.name):
            raise SettingError(
                f"expected a name of letters, digits and spaces for the camera, got {self.name!r}"
            )
        check_video_node()
        self._size = width, height
        # Old pictures are dropped where they wait. pipewiresink 0.3.65 crashes when it offers its own buffers
        # upstream: identity keeps it from that.
        self._child = _Child(
            ["gst-launch-1.0", "-q"]
            + f"fdsrc fd=0 blocksize={width * height * 3 // 2}".split()
            + f"! rawvideoparse format=i420 width={width} height={height} framerate={FRAME_RATE}/1".split()
            + "colorimetry=bt601 ! queue leaky=downstream max-size-buffers=2 max-size-bytes=0".split()
            + "max-size-time=0 ! identity drop-allocation=true ! pipewiresink mode=provide sync=false".split()
            + [
                "stream-properties=p,media.class=Video/Source,media.role=Camera,"
                f'node.name="{self.name}",node.description="{self.name}"'
            ]
        )
        _grow_pipe(self._child.input)
        time.sleep(DIES_S)
        if self._child.ended:
            reason = self._child.last_words()
            self._child.close()
            raise UnavailableError(f"expected GStreamer to make a PipeWire camera, got: {reason}")

    def send(self, picture: NDArray[np.uint8]) -> None:
        try:
            self._child.input.write(picture.data)
            self._child.input.flush()
        except (OSError, ValueError) as error:
            raise CameraLostError(f"the PipeWire camera is gone: {self._child.last_words()}") from error

    def close(self) -> None:
        self._child.close()

    def reopened(self) -> "VideoNode":
        return VideoNode(*self._size, self.name)


class SoundNode:
    """A microphone as a PipeWire node, ``media.class`` Audio/Source, fed through PipeWire's pipe tunnel."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fifo = -1
        self._lock = threading.Lock()  # it is fed in one thread, and opened and closed in another
        self._child: _Child | None = None

    def open(self) -> None:
        """Make the node.

        Raises:
            UnavailableError: PipeWire or its tools are missing.
        """
        _need_pipewire()
        _need(("pw-cli",), "apt install pipewire-bin")
        self._folder = tempfile.TemporaryDirectory(prefix="vividlive-sound-")
        fifo = Path(self._folder.name) / "sound"
        os.mkfifo(fifo, 0o600)
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._child = child = _Child(["sh", "-c", FEED_PW_CLI])
        with suppress(OSError):  # it has ended; why is said below
            child.input.write(
                "load-module libpipewire-module-pipe-tunnel { tunnel.mode = source "
                f'pipe.filename = "{fifo}" audio.format = S16LE audio.rate = {SOUND_RATE} audio.channels = 1 '
                f'audio.position = [ MONO ] stream.props = {{ node.name = "{self.name}" '
                f'node.description = "{self.name}" media.class = Audio/Source }} }}\n'.encode()
            )
            child.input.flush()
        begun_s = time.monotonic()
        while b"@module" not in child.said():
            if child.ended or time.monotonic() - begun_s > START_S:
                reason = child.last_words()
                self.close()
                raise UnavailableError(f"expected PipeWire to make a microphone, got: {reason}")
            time.sleep(0.02)

    def alive(self, now_s: float) -> bool:
        """Whether the node is there."""
        return self._child is not None and not self._child.ended

    def play(self, samples: NDArray[np.int16]) -> None:
        """Say this next: mono int16 at 48 kHz. What nobody listens to is dropped, the oldest first."""
        with self._lock:
            if self._fifo >= 0:
                self._write(samples)

    def close(self) -> None:
        """Take the node away; closing twice is no error."""
        if self._child is not None:
            self._child.close()
        with self._lock:
            fifo, self._fifo = self._fifo, -1
            if fifo >= 0:
                os.close(fifo)
        if self._folder is not None:
            self._folder.cleanup()

    def _write(self, samples: NDArray[np.int16]) -> None:
        waiting = array.array("i", [0])
        fcntl.ioctl(self._fifo, termios.FIONREAD, waiting)
        try:
            if waiting[0] + samples.nbytes > SOUND_MOST:
                os.read(self._fifo, max(0, waiting[0] + samples.nbytes - SOUND_KEPT) // 2 * 2)
            os.write(self._fifo, samples.astype("<i2").tobytes())
        except BlockingIOError:
            pass  # the listener took it meanwhile


def check_video_node() -> None:
    """Raises:
    UnavailableError: something is missing that a ``VideoNode`` needs; says what to install.
    """
    _need_pipewire()
    _need(
        ("gst-launch-1.0", "gst-inspect-1.0"),
        "apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-pipewire",
    )
    for element in ("rawvideoparse", "pipewiresink"):
        # Not --exists: it compares the plugin's version with GStreamer's own.
        if subprocess.run(["gst-inspect-1.0", element], stdout=subprocess.DEVNULL, check=False).returncode:
            raise UnavailableError(
                f"expected GStreamer's {element} for a PipeWire camera: "
                "apt install gstreamer1.0-plugins-base gstreamer1.0-pipewire"
            )


class _Child:
    """A child process that is fed through its standard input and ends with it."""

    def __init__(self, command: list[str]) -> None:
        self._tool = command[0]
        self._output: IO[bytes] = tempfile.TemporaryFile()  # as long as the child lives
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process
        )
        assert self._process.stdin is not None
        self.input: IO[bytes] = self._process.stdin

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def said(self) -> bytes:
        """Everything that the child printed."""
        return os.pread(self._output.fileno(), 1 << 16, 0)

    def last_words(self) -> str:
        """The last line that it printed."""
        lines = self.said().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"{self._tool} ended with code {self._process.poll()}"

    def close(self) -> None:
        if self._output.closed:
            return
        try:
            self.input.close()
        except OSError:
            pass  # it had ended
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads a group of its own
            self._process.wait()
        self._output.close()


def _need_pipewire() -> None:
    """Raises:
    UnavailableError: PipeWire is not running for this user.
    """
    remote = os.environ.get("PIPEWIRE_REMOTE", "pipewire-0")
    folder = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR") or ""
    if not (Path(folder) / remote).exists():
        raise UnavailableError(
            f"expected PipeWire to run for this user, found no socket {Path(folder) / remote}: "
            "apt install pipewire wireplumber, and log in again"
        )


def _need(tools: tuple[str, ...], advice: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise UnavailableError(f"expected {tool} for a PipeWire node: {advice}")


def _grow_pipe(pipe: IO[bytes]) -> None:
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # over this user's limit: slower, no more
