"""Every photo that cannot become an avatar ends the command with exit code 2 and one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bad_photos import bad_photos

PHOTOS = bad_photos()


@pytest.mark.parametrize("name", PHOTOS)
def test_a_bad_photo_is_refused_in_one_line(vividlive: Callable[..., Any], tmp_path: Path, name: str) -> None:
    data, words = PHOTOS[name]
    photo, out = tmp_path / "photo.jpg", tmp_path / "a.avatar"
    photo.write_bytes(data)
    done = vividlive("avatar", photo, "--out", out, "--rights", "public-domain")
    assert done.code == 2, done
    lines = done.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and words in lines[0], done.err
    assert not out.exists()


def test_one_of_two_faces_can_be_chosen(vividlive: Callable[..., Any], tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "a.avatar"
    photo.write_bytes(PHOTOS["two faces"][0])
    done = vividlive("avatar", photo, "--out", out, "--rights", "public-domain", "--face", 1)
    assert done.code == 0 and out.exists(), done.err
