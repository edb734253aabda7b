"""``vividlive track``: a face becomes a table of blendshapes and head pose, from a video or live from a camera."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import SettingError, UnavailableError
from vividlive.outputs import writes
from vividlive.terminal import end_line, progress_bar, stderr, stdout, write_over

if TYPE_CHECKING:
    from engine.avatar.live_track import LiveTracker
    from engine.motion.face_drive import FaceMotion
    from streaming.face_camera import FaceCamera

READ_S = 0.5
"""How long a picture is waited for before it is looked whether to end."""

TELL_S = 1.0


@writes("out")
def track(
    out: Annotated[Path, typer.Option(help="The motion table to write (CSV).")],
    video: Annotated[Path | None, typer.Argument(help="A video that shows a face.")] = None,
    avatar: Annotated[
        Path | None,
        typer.Option(help="The avatar that will play it, if it was made of a picture of this video."),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            help="Instead of a video, live: default, a device such as /dev/video0, a part of a camera's name, or a video "
            "file that stands in for one."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="End after so long; without it Ctrl-C does.", min=0.04)
    ] = None,
) -> None:
    """Track a face in a video, or before a camera, into a table of blendshapes and head pose."""
    if (video is None) == (camera is None):
        raise SettingError("expected one of a video and --camera")
    if camera is None:
        if seconds is not None:
            raise SettingError("expected --seconds with --camera")
        assert video is not None
        _track_video(video, out, avatar)
        return
    if avatar is not None:
        raise SettingError(
            "expected --avatar with a video: before a camera a head is made of the face itself"
        )
    _track_camera(camera, out, math.inf if seconds is None else seconds)


def _track_video(video: Path, out: Path, avatar: Path | None) -> None:
    from engine.avatar.avatar import Avatar
    from engine.avatar.track import track_video
    from engine.motion.motion_file import write_motion

    person = Avatar.load(avatar) if avatar else None
    with progress_bar("tracking") as advance:
        motions = track_video(video, person, progress=advance)
    stdout.print(f"{out}: {write_motion(out, motions)} rows", markup=False)


def _track_camera(name: str, out: Path, seconds: float) -> None:
    from engine.avatar.live_track import LiveTracker, at_frame_rate
    from engine.motion.motion_file import write_motion
    from streaming.engine_port import one_thread
    from streaming.face_camera import FaceCamera

    one_thread()
    camera, tracker = FaceCamera(name), LiveTracker()
    camera.open()
    try:
        with _interrupted() as stop:
            stderr.print("look into the camera; Ctrl-C ends it", markup=False, highlight=False)
            motions = at_frame_rate(_faces(camera, tracker, seconds, stop))
            first = next(motions, None)
            if first is None:
                reason = tracker.refusal or "none was seen"
                raise UnavailableError(f"expected a face before the camera {name!r}: {reason}")
            rows = write_motion(out, chain([first], motions))
    finally:
        camera.close()
        end_line()
    stdout.print(f"{out}: {rows} rows", markup=False)


def _faces(
    camera: "FaceCamera", tracker: "LiveTracker", seconds: float, stop: threading.Event
) -> "Iterator[FaceMotion]":
    """What the face does from the moment that a head was made of it, as its pictures come."""
    begun_s = told_s = None
    while not stop.is_set() and camera.alive(time.monotonic()):
        picture = camera.read(READ_S)
        if picture is None:
            continue
        ready = tracker.ready
        face = tracker.track(picture)
        if begun_s is None and face.seen and ready:
            begun_s = picture.time_s
        if begun_s is not None and picture.time_s - begun_s > seconds - 1e-3:
            return
        if begun_s is not None:
            yield face
        if told_s is None or picture.time_s - told_s > TELL_S:
            told_s = picture.time_s
            _tell(face.seen, 0.0 if begun_s is None else picture.time_s - begun_s, tracker.refusal)


def _tell(seen: bool, since_s: float, refusal: str) -> None:
    write_over(f"{since_s:.0f} s tracked" + ("" if seen else f", no face seen {refusal}"))


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event instead of ending the program."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
