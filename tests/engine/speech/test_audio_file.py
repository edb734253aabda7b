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


def encoded(samples: np.ndarray, rate: int, layout: str, codec: str, container: str) -> bytes:
    """samples: float [T, channels]."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        form = stream.codec_context.format.name
        whole = av.AudioFrame.from_ndarray(samples.astype(np.float32).reshape(1, -1), "flt", layout)
        whole.sample_rate = rate
        pieces = av.AudioResampler(form, layout, rate, frame_size=stream.codec_context.frame_size or 1024)
        for piece in (*pieces.resample(whole), *pieces.resample(None)):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [3, 6, 8, 9, 16, 24, 64])
def test_any_number_of_channels_is_averaged(channels: int) -> None:
    shares = np.linspace(0.2, 1.0, channels)
    sound = load_audio(wav(tone(16000)[:, None] * shares, 16000, 2))
    assert sound.seconds == 0.5
    np.testing.assert_allclose(sound.analysis[2000:6000], tone(16000)[2000:6000] * shares.mean(), atol=0.01)


@pytest.mark.parametrize(("codec", "container"), [("flac", "flac"), ("aac", "adts")])
def test_seven_point_one_is_averaged(codec: str, container: str) -> None:
    eight = np.repeat(tone(48000)[:, None], 8, axis=1)
    sound = load_audio(encoded(eight, 48000, "7.1", codec, container))
    assert sound.seconds == pytest.approx(0.5, abs=0.05)
    assert np.abs(sound.analysis).max() == pytest.approx(0.5, abs=0.06)


def test_channels_may_change_on_the_way() -> None:
    mono, stereo = (
        encoded(np.repeat(tone(48000)[:, None], channels, axis=1), 48000, layout, "aac", "adts")
        for channels, layout in ((1, "mono"), (2, "stereo"))
    )
    assert load_audio(mono + stereo + mono).seconds == pytest.approx(1.5, abs=0.15)  # AAC pads


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


def test_more_than_the_limit_is_refused() -> None:
    data = wav(tone(16000, 2.0), 16000, 2)
    assert load_audio(data, most_s=2.0).seconds == 2.0
    for most_s, words in ((1.5, "1.5 seconds"), (0.5, "0.5 seconds")):
        with pytest.raises(AudioError, match=f"at most {words} of sound, the uploaded sound is longer"):
            load_audio(data, most_s)
    silence = encoded(np.zeros((121 * 8000, 1)), 8000, "mono", "flac", "flac")
    assert len(silence) < 40_000
    with pytest.raises(AudioError, match="at most 2 minutes of sound"):
        load_audio(silence, most_s=120.0)


def test_ffmpeg_gets_a_second_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame of a long recording would take gigabytes, and beyond 2 GiB FFmpeg refuses it."""
    lengths = []

    class Counted:
        @staticmethod
        def from_ndarray(samples: np.ndarray, **form: str) -> av.AudioFrame:
            lengths.append(samples.size)
            return frames.from_ndarray(samples, **form)

    frames = av.AudioFrame
    monkeypatch.setattr(av, "AudioFrame", Counted)
    assert load_audio(wav(tone(96000, 3.0), 96000, 2)).seconds == 3.0
    assert max(lengths) <= 96000


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "FFmpeg can read"),
        (b"this is a text file, not a sound", "FFmpeg can read"),
        (wav(np.zeros(0), 16000, 2), "at least 3 ms"),
        (wav(np.zeros(20), 16000, 2), "at least 3 ms"),
        (wav(np.zeros(400), 2**30, 2), "at most 768000 Hz, the uploaded sound has 1073741824"),
    ],
)
def test_what_holds_no_sound_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        load_audio(data)
    assert "\n" not in str(caught.value)


def test_less_sound_than_the_filter_is_long_is_read() -> None:
    sound = load_audio(wav(tone(48000)[:32], 48000, 2))
    assert (len(sound.output), len(sound.analysis)) == (33, 11)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("2024-05-01T10:30:00.wav").write_bytes(wav(tone(16000), 16000, 2))
    assert load_audio("2024-05-01T10:30:00.wav").seconds == pytest.approx(0.5)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(AudioError, match="no file nowhere.wav"):
        load_audio("nowhere.wav")
