import os
from pathlib import Path

import pytest

from engine.errors import InputError
from streaming.avatars import AvatarEntry, AvatarStore, BundledAvatarError, UnknownAvatarError


class Wall:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def store(folder: Path, wall: Wall | None = None) -> AvatarStore:
    return AvatarStore(folder, upload_lifetime_s=100.0, clock=wall or Wall())


def add(
    avatars: AvatarStore, name: str, *, bundled: bool = False, created_s: float = 1000.0, key: str = ""
) -> None:
    made = avatars.made(name)
    (made / "avatar.avatar").write_bytes(b"bundle")
    (made / "avatar.jpg").write_bytes(b"jpeg")
    avatars.add(AvatarEntry(name, name.title(), bundled, "self", created_s, {"a": 1}, key), made)


def test_what_is_added_is_there_and_survives_a_restart(tmp_path: Path) -> None:
    first = store(tmp_path)
    add(first, "one")
    for avatars in (first, store(tmp_path)):
        assert avatars.get("one").public() == {
            "id": "one",
            "name": "One",
            "bundled": False,
            "rights": "self",
            "report": {"a": 1},
            "picture": "/api/avatars/one/picture",
        }
        assert avatars.bundle("one").read_bytes() == b"bundle"
    assert not list(tmp_path.glob("*.making"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(InputError, match="can be written for .*Not a directory"):
        store(tmp_path / "data" / "avatars")


def test_deleting_leaves_nothing_behind(tmp_path: Path) -> None:
    avatars = store(tmp_path)
    add(avatars, "one")
    avatars.delete("one")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownAvatarError):
        avatars.get("one")


def test_bundled_avatars_stay(tmp_path: Path) -> None:
    avatars = store(tmp_path)
    add(avatars, "one", bundled=True, created_s=0.0)
    with pytest.raises(BundledAvatarError):
        avatars.delete("one")
    assert avatars.expired() == []


def test_uploads_expire_also_over_a_restart(tmp_path: Path) -> None:
    add(store(tmp_path), "old", created_s=1000.0)
    add(store(tmp_path), "new", created_s=1050.0)
    wall = Wall()
    wall.now_s = 1101.0
    avatars = store(tmp_path, wall)
    assert avatars.expired() == ["old"]


def test_a_bundled_avatar_made_otherwise_is_made_again(tmp_path: Path) -> None:
    avatars = store(tmp_path)
    add(avatars, "same", bundled=True, key="k1")
    add(avatars, "changed", bundled=True, key="k1")
    add(avatars, "upload")
    avatars.forget_bundled({"same": "k1", "changed": "k2"})
    assert [entry.id for entry in avatars.all()] == ["same", "upload"]


def test_broken_files_are_no_avatars(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    (tmp_path / "y.json").write_text('{"id": "y"}')
    assert store(tmp_path).all() == []


def test_no_default_yet_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownAvatarError, match="no avatar is ready"):
        _ = store(tmp_path).default


def test_an_id_from_outside_never_becomes_a_path(tmp_path: Path) -> None:
    with pytest.raises(UnknownAvatarError):
        store(tmp_path).bundle("../../etc/passwd")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "avatars"
    closed.mkdir(mode=0o500)
    with pytest.raises(InputError, match="can be written"):
        store(closed)
