"""Reading sound files: any container and codec that FFmpeg knows becomes mono float32."""

import io
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


def load_audio(source: str | Path | bytes) -> Sound:
    """Decode a sound file, or the sound of a video, to mono at 16 and 48 kHz.

    Convention: channels are averaged; values that are not finite become silence; values beyond [-1, 1] are clipped.

    Raises:
        AudioError: the source is missing, unreadable, holds no sound, or is longer than ``MAX_SECONDS``.
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
            output = _decode(container, name)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        raise AudioError(
            f"expected a sound file that FFmpeg can read, got {name}: {_reason(error)}"
        ) from error
    if len(output) == 0:
        raise AudioError(f"expected a sound file with at least one sample, got {name} with none")
    analysis = _resample(output, OUTPUT_RATE, SAMPLE_RATE)
    length = -(-len(output) // 3)
    analysis = np.pad(analysis[:length], (0, max(0, length - len(analysis))))
    return Sound(analysis, np.pad(output, (0, 3 * length - len(output))))


def _decode(container: InputContainer, name: str) -> NDArray[np.float32]:
    """Decode the first audio stream to mono float32 at 48 kHz."""
    chunks: list[NDArray[np.float32]] = []
    resampler: av.AudioResampler | None = None
    rate, total = 0, 0
    for frame in container.decode(container.streams.audio[0]):
        if resampler is None or frame.sample_rate != rate:
            rate = frame.sample_rate
            to_float = av.AudioResampler(format="fltp", rate=rate)
            resampler = av.AudioResampler(format="flt", layout="mono", rate=OUTPUT_RATE)
        for plain in to_float.resample(frame):
            mono = np.nan_to_num(plain.to_ndarray(), nan=0.0, posinf=0.0, neginf=0.0).mean(axis=0)
            total += len(mono)
            if total > MAX_SECONDS * rate:
                raise AudioError(
                    f"expected at most {MAX_SECONDS / 3600:.0f} hours of sound, {name} is longer"
                )
            chunks += _push(resampler, np.clip(mono, -1.0, 1.0), rate)
    if resampler is None:
        return np.zeros(0, np.float32)
    chunks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def _resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to_rate)
    chunks = _push(resampler, samples, from_rate)
    chunks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    return np.clip(np.concatenate(chunks), -1.0, 1.0).astype(np.float32)


def _push(
    resampler: "av.AudioResampler", samples: NDArray[np.floating], rate: int
) -> list[NDArray[np.float32]]:
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono"
    )
    frame.sample_rate = rate
    return [block.to_ndarray()[0] for block in resampler.resample(frame)]


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
