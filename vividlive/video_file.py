"""Writing a talking head to an MP4 file: H.264 picture, AAC sound, a tag that says it was generated."""

from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import InputError
from engine.provenance import PROVENANCE
from engine.speech.audio_file import OUTPUT_RATE

SOUND_PER_FRAME = OUTPUT_RATE // FRAME_RATE
"""Output samples that belong to one picture."""


class VideoFile:
    """An MP4 being written; used as a context manager, complete only when the block ends without an error."""

    def __init__(self, path: str | Path, size: int, *, sound: bool = True) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(f".{self._path.name}.part")
        try:
            self._container = av.open(str(self._part), "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise InputError(f"expected a folder that can be written for {path}: {error.strerror}") from error
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

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for stream in self._streams:
                    self._container.mux(stream.encode(None))
        finally:
            self._container.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

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
