"""Reading sound files: any container and codec that FFmpeg knows becomes mono float32."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from engine.errors import AudioError
from engine.files import ffmpeg_path

OUTPUT_RATE: Final = 48_000
"""Rate of the sound that accompanies the picture."""

MAX_SECONDS: Final = 4 * 3600.0
"""What ``load_audio`` takes unless it is told another limit."""

MAX_RATE: Final = 768_000
"""No recorder has more; for what a broken header can claim, the resampling filter alone takes a gigabyte."""


@dataclass(frozen=True)
class Sound:
    """One recording at the two rates that the engine needs.

    analysis: float32 [T] mono at 16 kHz in [-1, 1]. output: float32 [3 T] mono at 48 kHz, the same samples
    numbers times three.
    """

    analysis: NDArray[np.float32]
    output: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.analysis) / SAMPLE_RATE


def load_audio(source: str | Path | bytes, most_s: float = MAX_SECONDS) -> Sound:
    """Decode a sound file, or the sound of a video, to mono at 16 and 48 kHz.

    Convention: channels are averaged; values that are not finite become silence; values beyond [-1, 1] are clipped.

    Raises:
        AudioError: the source is missing, unreadable, holds no sound, has a rate beyond ``MAX_RATE``, or is longer than
            ``most_s`` seconds, which is found while it is decoded: a small file can hold hours of silence.
    """
    name = "the uploaded sound" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and not Path(source).is_file():
        raise AudioError(f"expected a sound file, but there is no file {name}")
    try:
        with av.open(
            io.BytesIO(source) if isinstance(source, bytes) else ffmpeg_path(source), "r"
        ) as container:
            if not container.streams.audio:
                raise AudioError(f"expected a file with sound, got {name} without an audio track")
            output = _decode(container, name, most_s)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise AudioError(
            f"expected a sound file that FFmpeg can read, got {name}: {_reason(error)}"
        ) from error
    if len(output) == 0:
        raise AudioError(f"expected a sound file with at least 3 ms of sound, got {name} with less")
    analysis = _resample(output, OUTPUT_RATE, SAMPLE_RATE)
    length = -(-len(output) // 3)
    analysis = np.pad(analysis[:length], (0, max(0, length - len(analysis))))
    return Sound(analysis, np.pad(output, (0, 3 * length - len(output))))


def _decode(container: InputContainer, name: str, most_s: float) -> NDArray[np.float32]:
    """Decode the first audio stream to mono float32 at 48 kHz."""
    chunks: list[NDArray[np.float32]] = []
    resampler: av.AudioResampler | None = None
    form: tuple[int, str, str] | None = None
    made = 0
    for frame in container.decode(container.streams.audio[0]):
        came = (frame.sample_rate, frame.layout.name, frame.format.name)
        if resampler is None or came != form:
            chunks += _rest(resampler)
            form = came
            if frame.sample_rate > MAX_RATE:
                raise AudioError(f"expected a sound of at most {MAX_RATE} Hz, {name} has {frame.sample_rate}")
            to_float = av.AudioResampler(format="flt", rate=frame.sample_rate)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=OUTPUT_RATE)
        for plain in to_float.resample(frame):
            # Interleaved: PyAV reads beyond its memory where more than eight channels have a plane each.
            channels = plain.to_ndarray().reshape(-1, plain.layout.nb_channels)
            mono = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0).mean(axis=1)
            for piece in _push(resampler, np.clip(mono, -1.0, 1.0), frame.sample_rate):
                chunks.append(piece)
                made += len(piece)
                if made > most_s * OUTPUT_RATE:
                    raise AudioError(f"expected at most {_in_words(most_s)} of sound, {name} is longer")
    chunks += _rest(resampler)
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def _resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_rate)
    chunks = [*_push(resampler, samples, from_rate), *_rest(resampler)]
    # The filter gives nothing for less than it is long.
    return np.clip(np.concatenate(chunks or [samples[:0]]), -1.0, 1.0).astype(np.float32)


def _push(
    resampler: "av.AudioResampler", samples: NDArray[np.floating], rate: int
) -> Iterator[NDArray[np.float32]]:
    """Resample second by second: FFmpeg copies each frame several times, and takes none above 2 GiB."""
    for first in range(0, len(samples), rate):
        second = np.ascontiguousarray(samples[first : first + rate], np.float32)
        frame = av.AudioFrame.from_ndarray(second[None], format="flt", layout="mono")
        frame.sample_rate = rate
        for block in resampler.resample(frame):
            yield block.to_ndarray()[0]


def _rest(resampler: "av.AudioResampler | None") -> list[NDArray[np.float32]]:
    """What the filter still holds at the end."""
    return [] if resampler is None else [block.to_ndarray()[0] for block in resampler.resample(None)]


def _in_words(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} seconds"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
