"""An MP4 takes its place when it is complete; what it shows is tested with the command that makes it."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import InputError
from tests.full_disk import full_disk
from vividlive.video_file import video_file

SIZE = 64


def write(path: str | Path, pictures: int) -> None:
    noise = np.random.default_rng(0)
    with video_file(path, SIZE, sound=False) as video:
        for number in range(pictures):
            video.add_picture(number, noise.integers(0, 255, (SIZE * 3 // 2, SIZE), np.uint8))


def test_a_full_disk_leaves_the_video_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write(path, 1)
    before = path.read_bytes()
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*v\.mp4"):
        write(path, 50)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"), video_file(tmp_path / "none" / "v.mp4", SIZE):
        pytest.fail("it began")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.mp4")
    with pytest.raises(InputError, match="pipe"), video_file(tmp_path / "v.mp4", SIZE):
        pytest.fail("it began")


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("10:30.mp4", 3)
    with av.open(str(tmp_path / "10:30.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3
