"""Sound files of every kind become the same mono samples, or a clear error."""

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import AudioError
from engine.speech.audio_file import load_audio


def tone(rate: int, seconds: float = 0.5, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)


def wav(samples: np.ndarray, rate: int, width: int) -> bytes:
    """samples: float [T] or [T, channels] in [-1, 1]."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    if width == 1:
        data = (samples * 127 + 128).astype(np.uint8).tobytes()
    else:
        data = (samples * 32767).astype("<i2").tobytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return buffer.getvalue()


def float_wav(samples: np.ndarray, rate: int) -> bytes:
    """A 32-bit float WAV written by hand, so that it can hold NaN."""
    data = samples.astype("<f4").tobytes()
    fmt = (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + rate.to_bytes(4, "little")
    fmt += (rate * 4).to_bytes(4, "little") + (4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    body = (
        b"WAVEfmt " + len(fmt).to_bytes(4, "little") + fmt + b"data" + len(data).to_bytes(4, "little") + data
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("width", [1, 2])
def test_a_tone_comes_through_at_any_rate_and_width(rate: int, width: int) -> None:
    sound = load_audio(wav(tone(rate), rate, width))
    assert sound.seconds == pytest.approx(0.5, abs=0.001)
    assert len(sound.output) == 3 * len(sound.analysis)
    middle = slice(2000, 6000)
    expected = tone(16000)[middle]
    assert np.corrcoef(sound.analysis[middle], expected)[0, 1] > 0.99
    assert np.corrcoef(sound.output[6000:18000], tone(48000)[6000:18000])[0, 1] > 0.99


def test_stereo_is_averaged() -> None:
    left = tone(96000)
    sound = load_audio(wav(np.stack([left, -left], axis=1), 96000, 2))
    assert np.abs(sound.analysis).max() < 1e-3


def test_what_is_not_finite_becomes_silence() -> None:
    samples = tone(16000)
    samples[1000:1100] = np.nan
    samples[3000] = np.inf
    sound = load_audio(float_wav(samples, 16000))
    assert np.isfinite(sound.analysis).all()
    assert np.abs(sound.analysis[1030:1070]).max() < 0.05
    assert np.abs(sound.analysis).max() <= 1.0


def test_both_rates_keep_time() -> None:
    click = np.zeros(48000)
    click[24000] = 0.9
    sound = load_audio(wav(click, 48000, 2))
    assert abs(int(np.argmax(np.abs(sound.output))) - 24000) <= 1
    assert abs(int(np.argmax(np.abs(sound.analysis))) - 8000) <= 1


def test_the_sound_of_a_video_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("flac", rate=16000, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
        picture.pts = 0
        container.mux(video.encode(picture))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray((tone(16000) * 32767).astype(np.int16)[None], "s16", "mono")
        block.sample_rate = 16000
        block.pts = 0
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    assert load_audio(path).seconds == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "FFmpeg can read"),
        (b"this is a text file, not a sound", "FFmpeg can read"),
        (wav(np.zeros(0), 16000, 2), "at least one sample"),
    ],
)
def test_what_holds_no_sound_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        load_audio(data)
    assert "\n" not in str(caught.value)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2024-05-01T10:30:00.wav").write_bytes(wav(tone(16000), 16000, 2))
    assert load_audio("2024-05-01T10:30:00.wav").seconds == pytest.approx(0.5)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(AudioError, match="no file nowhere.wav"):
        load_audio("nowhere.wav")
