"""Writing a talking head to an MP4 file: H.264 picture, AAC sound, a tag that says it was generated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import InputError
from engine.files import ffmpeg_path, replaced
from engine.provenance import PROVENANCE
from engine.speech.audio_file import OUTPUT_RATE

SOUND_PER_FRAME = OUTPUT_RATE // FRAME_RATE
"""Output samples that belong to one picture."""


@contextmanager
def video_file(path: str | Path, size: int, *, sound: bool = True) -> Iterator["VideoFile"]:
    """Write an MP4, which takes its place only when the block ends without an error.

    Raises:
        InputError: the file cannot be written; an existing one stays.
    """
    if Path(path).is_fifo():
        raise InputError(f"expected a file for the video, got {path}: an MP4 cannot go through a pipe")
    with replaced(path) as part:
        address, options = ffmpeg_path(part), {"movflags": "+faststart"}
        with av.open(address, "w", format="mp4", options=options) as container:
            video = VideoFile(container, size, sound=sound)
            yield video
            video.finish()


class VideoFile:
    """An MP4 being written: see ``video_file``."""

    def __init__(self, container: OutputContainer, size: int, *, sound: bool) -> None:
        self._container = container
        self._container.metadata["comment"] = PROVENANCE
        self._video = self._container.add_stream("libx264", rate=FRAME_RATE)
        self._video.width = self._video.height = size
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
        self._video.codec_context.thread_count = 2  # x264 encodes beside the drawing
        self._video.options = {"preset": "veryfast", "crf": "18"}
        self._streams: list[av.VideoStream | av.AudioStream] = [self._video]
        if sound:
            self._audio = self._container.add_stream("aac", rate=OUTPUT_RATE, layout="mono")
            self._audio.bit_rate = 128_000
            self._streams.append(self._audio)
        self._samples = 0

    def add_picture(self, number: int, i420: NDArray[np.uint8]) -> None:
        """Append frame ``number``: uint8 [size * 3 // 2, size], planar I420."""
        picture = av.VideoFrame.from_ndarray(i420, format="yuv420p")
        picture.pts = number
        self._container.mux(self._video.encode(picture))

    def add_sound(self, samples: NDArray[np.float32]) -> None:
        """Append sound: float32 [T] mono at 48 kHz."""
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        block.sample_rate = OUTPUT_RATE
        block.pts = self._samples
        self._samples += len(samples)
        self._container.mux(self._audio.encode(block))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        for stream in self._streams:
            self._container.mux(stream.encode(None))
