"""Files of arrays: whole or not there, and read or refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.training.arrays import read_arrays, write_arrays
from tests.full_disk import full_disk


def test_arrays_come_back(tmp_path: Path) -> None:
    write_arrays(tmp_path / "some.npz", one=np.arange(3), other=np.ones((2, 2), np.float16))
    arrays = read_arrays(tmp_path / "some.npz", ["other"])
    assert list(arrays) == ["other"] and arrays["other"].dtype == np.float16
    assert [path.name for path in tmp_path.iterdir()] == ["some.npz"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    write_arrays(tmp_path / "some.npz", one=np.arange(3))
    with full_disk(), pytest.raises(InputError, match=r"can be written for .*some\.npz"):
        write_arrays(tmp_path / "some.npz", one=np.zeros(10_000))
    assert len(read_arrays(tmp_path / "some.npz", ["one"])["one"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["some.npz"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "folder", "missing", "another name"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "some.npz"
    write_arrays(path, one=np.arange(300))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage in ("empty", "text"):
        path.write_text("" if damage == "empty" else "no arrays")
    elif damage != "another name":
        path.unlink()
    if damage == "folder":
        path.mkdir()
    with pytest.raises(InputError, match=r"expected the arrays .*some\.npz.*delete it"):
        read_arrays(path, ["two"] if damage == "another name" else ["one"])
