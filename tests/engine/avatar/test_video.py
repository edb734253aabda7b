"""Reading videos: their times, their pictures, and what is no video."""

import struct
from pathlib import Path

import numpy as np
import pytest

from engine.avatar.video import probe_video, read_video
from engine.errors import InputError
from tests.engine.avatar.videos import write_video


def greys(count: int) -> list[np.ndarray]:
    return [np.full((64, 96, 3), 40 + 10 * n, np.uint8) for n in range(count)]


@pytest.mark.parametrize("sound_s", [0.0, 0.5])
@pytest.mark.parametrize("rate", [25, 30])
def test_pictures_come_in_order_with_their_times(tmp_path: Path, rate: int, sound_s: float) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, greys(12), rate, sound_s)
    pictures = list(read_video(path))
    np.testing.assert_allclose([one.time_s for one in pictures], np.arange(12) / rate, atol=2e-3)
    np.testing.assert_allclose([one.image.mean() for one in pictures], 40 + 10 * np.arange(12), atol=3)
    assert pictures[0].image.shape == (64, 96, 3) and pictures[0].image.dtype == np.uint8
    info = probe_video(path)
    assert info.rate == rate and info.has_sound == bool(sound_s)
    assert info.seconds == pytest.approx(12 / rate, abs=0.05)


def test_pictures_without_time_stamps_go_by_the_rate(tmp_path: Path) -> None:
    path = tmp_path / "bare.h264"
    write_video(path, greys(5), 25)
    np.testing.assert_allclose([one.time_s for one in read_video(path)], np.arange(5) / 25)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_pictures_are_turned_as_the_file_says(tmp_path: Path, quarters: int) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, [half_light()], 25)
    turn_clockwise(path, quarters)
    (picture,) = read_video(path)
    # Turned back anticlockwise it is what was written.
    assert np.abs(np.rot90(picture.image, quarters).astype(int) - half_light()).mean() < 5


def half_light() -> np.ndarray:
    """Dark, light in the left third."""
    image = np.full((64, 96, 3), 30, np.uint8)
    image[:, :32] = 220
    return image


def turn_clockwise(path: Path, quarters: int) -> None:
    """Write the display matrix of a video that was taken on its side: ISO/IEC 14496-12, 8.3.2."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", data[matrix : matrix + 36])[:2] == (1 << 16, 0)
    struct.pack_into(">5i", data, matrix, cos << 16, sin << 16, 0, -sin << 16, cos << 16)
    path.write_bytes(data)


def test_time_stamps_that_jump_by_days_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    write_video(path, greys(3), 25, times_s=(0, 1000, 3_000_000))
    with pytest.raises(InputError, match="at most 3600 s apart, .* 2999000 s after the one at 1000 s"):
        list(read_video(path))


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "10:30.mp4", greys(3), 25)
    assert len(list(read_video("10:30.mp4"))) == 3


def test_what_is_no_video(tmp_path: Path, hopper: np.ndarray) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 100)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for path in (text, empty, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(InputError, match="expected a video"):
            list(read_video(path))


def test_truncated_video_ends_early_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    write_video(path, greys(12), 25)
    data = path.read_bytes()
    for share in (0.1, 0.5, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            pictures = list(read_video(path))
        except InputError:
            continue
        assert 0 < len(pictures) <= 12
