"""Cameras of this machine that look at somebody, by FFmpeg's devices; a video file can stand in for one."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av

from engine.avatar.video import Picture, shown_at_s, upright
from engine.errors import SettingError, UnavailableError
from engine.files import ffmpeg_path

FORMATS: Final = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's name for the cameras of a platform."""

WISHES: Final[tuple[dict[str, str], ...]] = (
    {"video_size": "640x480", "framerate": "30"},
    {"framerate": "30"},
    {},
)
"""What a camera is asked for, one after the other: a larger picture tells no more of a face that fills it."""

SILENT_S: Final = 4.0
"""A camera that gave no picture for so long is gone."""

STOP_S: Final = 2.0
RETRY_S: Final = 2.0
"""A camera that went away is tried again so often."""
POLL_S: Final = 0.005


@dataclass(frozen=True)
class CameraDevice:
    """A camera as FFmpeg opens it, and what people call it."""

    device: str
    label: str


class FaceCamera:
    """A camera that is read in a thread: of the pictures that nobody has taken only the newest is kept.

    ``name`` is "default", a device such as /dev/video2, a part of a camera's name, or the path of a video file, which
    is shown once at its own speed.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._container: Any = None
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._over = False
        self._came_s = 0.0

    def open(self) -> None:
        """Begin to look.

        Raises:
            SettingError: there is no such camera, or several fit.
            UnavailableError: it cannot be opened, or has not let go of the thread that read it before.
        """
        if self._thread is not None and self._thread.is_alive():
            raise UnavailableError(f"expected a camera that answers, but {self.name!r} still does not")
        self._over = False
        self._picture = None
        if Path(self.name).is_file():
            self._container = _opened(self.name, None, ({},))
            work = self._play
        else:
            device = find_camera(self.name)
            self._container = _opened(device, FORMATS.get(sys.platform), WISHES)
            work = self._look
        self._came_s = self._clock()
        self._thread = threading.Thread(target=self._run, args=(work,), name="face-camera", daemon=True)
        self._thread.start()

    def read(self, timeout_s: float) -> Picture | None:
        """The newest picture that was not read yet, once there is one; None when none came, or the camera has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._picture is not None or self._over, timeout_s)
            picture, self._picture = self._picture, None
            return picture

    def alive(self, now_s: float) -> bool:
        """Whether pictures come in."""
        return self._thread is not None and not self._over and now_s - self._came_s < SILENT_S

    def close(self) -> None:
        """Look no more; closing twice is no error."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_S)
            if not self._thread.is_alive():
                self._thread = None

    def _run(self, work: Callable[[], None]) -> None:
        try:
            with suppress(av.FFmpegError):  # unplugged
                work()
        finally:
            self._container.close()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _look(self) -> None:
        for frame in self._frames():
            self._show(frame)

    def _play(self) -> None:
        """Show a file's pictures when they are due."""
        stream = self._container.streams.video[0]
        begun_s = self._clock()
        first_s: float | None = None
        for number, frame in enumerate(self._frames()):
            time_s = shown_at_s(frame, number, stream)
            first_s = time_s if first_s is None else first_s
            wait_s = begun_s + (time_s - first_s) - self._clock()
            if wait_s > 0:
                self._sleep(wait_s)
            self._show(frame)

    def _frames(self) -> Iterator[Any]:
        stream = self._container.streams.video[0]
        stream.thread_count = 1
        while True:
            try:
                for frame in self._container.decode(stream):
                    if self._over:
                        return
                    yield frame
                return
            except (av.BlockingIOError, av.InvalidDataError):  # nothing yet, or a damaged first picture
                self._sleep(POLL_S)
                if self._over:
                    return

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than the camera is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._over, seconds)

    def _show(self, frame: Any) -> None:
        now_s = self._clock()
        picture = Picture(now_s, upright(frame))
        with self._changed:
            self._picture = picture
            self._came_s = now_s
            self._changed.notify_all()


def list_cameras() -> list[CameraDevice]:
    """The cameras that FFmpeg finds on this machine."""
    form = FORMATS.get(sys.platform)
    enumerate_devices = getattr(av, "enumerate_input_devices", None)
    if form is None or enumerate_devices is None:
        return []
    try:
        found = enumerate_devices(form)
    except (av.FFmpegError, ValueError, NotImplementedError):
        return []
    seeing = [device for device in found if "video" in (getattr(device, "media_types", None) or ["video"])]
    return [CameraDevice(device.name, device.description or device.name) for device in seeing]


def find_camera(name: str) -> str:
    """The device that "default", a device's own name, or a part of what people call it means.

    Raises:
        SettingError: there is none, or several fit.
        UnavailableError: this machine has no camera.
    """
    there = list_cameras()
    if name.startswith("/dev/") or name.isdigit():
        return name
    if not there:
        raise UnavailableError(
            f"expected a camera for {name!r}, but this machine shows none: connect one, allow this program to use it, "
            "or give a device such as /dev/video0, or a video file"
        )
    if name == "default":
        return there[0].device
    fitting = [one for one in there if name in (one.device, one.label)] or [
        one for one in there if name.lower() in f"{one.device} {one.label}".lower()
    ]
    if len(fitting) != 1:
        shown = ", ".join(f"{one.label!r} ({one.device})" for one in fitting or there)
        found = "several have" if fitting else "none has"
        raise SettingError(f"expected the name of one camera, {found} {name!r} in it: {shown}")
    return fitting[0].device


def _opened(device: str, form: str | None, wishes: tuple[dict[str, str], ...]) -> Any:
    """Open a camera, or a file where ``form`` is None, as it can be had.

    Raises:
        UnavailableError: it cannot be opened, or shows no pictures.
    """
    address = f"video={device}" if form == "dshow" else device if form else ffmpeg_path(device)
    reason = ""
    for options in wishes:
        try:
            container = av.open(address, "r", format=form, options=dict(options))
        except (av.FFmpegError, ValueError) as error:
            reason = reason or str(getattr(error, "strerror", None) or error)
            continue
        if container.streams.video:
            return container
        container.close()
        reason = "no pictures in it"
    shown = ", ".join(f"{one.label!r} ({one.device})" for one in list_cameras()) or "none"
    raise UnavailableError(
        f"expected a camera that can be opened, got {device!r}: {reason}; cameras here: {shown}"
    )
