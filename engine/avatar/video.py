"""Reads the pictures of a video file, each with its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from engine.errors import InputError
from engine.files import ffmpeg_path

EXPECTED: Final = "expected a video that FFmpeg can read"

MOST_APART_S: Final = 3600.0
"""Pictures further apart have damaged time stamps: who bridges the gap at 25 a second would never end."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a video.

    Convention:
        time_s: when it is shown, seconds after the start of the file's sound, or after the first picture where there
            is no sound. image: uint8 [H, W, 3], RGB, upright.
    """

    time_s: float
    image: Image


@dataclass(frozen=True)
class VideoInfo:
    """What a file declares: pictures a second, seconds in all (0 where unknown), whether it holds sound."""

    rate: float
    seconds: float
    has_sound: bool


def probe_video(path: str | Path) -> VideoInfo:
    """Read a video's declarations.

    Raises:
        InputError: no such file, or no video in it.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        seconds = 0.0
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / av.time_base
        return VideoInfo(float(stream.average_rate or 0), seconds, bool(container.streams.audio))


def read_video(path: str | Path) -> Iterator[Picture]:
    """Decode a video, picture by picture; a damaged end ends it.

    Raises:
        InputError: no such file, no video in it, no picture that can be decoded, or more than ``MOST_APART_S`` between
            two of them.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        start = _sound_start(container)
        count = 0
        last = -np.inf
        try:
            for frame in container.decode(stream):
                time_s = shown_at_s(frame, count, stream)
                start = time_s if start is None else start
                if time_s <= last:  # a repeated or jumping time stamp
                    continue
                if count > 0 and time_s - last > MOST_APART_S:
                    raise InputError(
                        f"expected pictures at most {MOST_APART_S:.0f} s apart, got {path} with {time_s - last:.0f} s "
                        f"after the one at {last - start:.0f} s: write it anew with other time stamps"
                    )
                last = time_s
                count += 1
                yield Picture(time_s - start, upright(frame))
        except av.error.FFmpegError as error:
            if count == 0:
                raise InputError(f"{EXPECTED}, got {path}: {_reason(error)}") from error
        if count == 0:
            raise InputError(f"{EXPECTED}, got {path} without a single picture")


def shown_at_s(frame: "av.VideoFrame", number: int, stream: "av.VideoStream") -> float:
    """When a decoded frame is shown; the stream's rate tells where frames have no time stamps."""
    return frame.time if frame.time is not None else number / float(stream.average_rate or 25)


def upright(frame: "av.VideoFrame") -> Image:
    """A decoded frame, uint8 [H, W, 3] RGB, turned as its file says."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), (frame.rotation // 90) % 4))


def _open(path: str | Path) -> "av.container.InputContainer":
    if not Path(path).is_file():
        raise InputError(f"expected a video, but there is no file {path}")
    try:
        container = av.open(ffmpeg_path(path), "r")
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise InputError(f"{EXPECTED}, got {path}: {_reason(error)}") from error
    if not container.streams.video:
        container.close()
        raise InputError(f"expected a video, got {path} without pictures")
    return container


def _sound_start(container: "av.container.InputContainer") -> float | None:
    """Time stamp of the first sample, seconds; None without sound."""
    for stream in container.streams.audio:
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
