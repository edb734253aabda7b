"""Files that are written: nothing is lost on the way, and what cannot be written is said in one line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.files import check_output_file, check_output_folder, output_folder, replaced

REFUSED = "expected a place that can be written for "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "old.txt"
    path.write_text("old")
    return path


def write(path: Path) -> None:
    with replaced(path) as part:
        part.write_text("new")


def test_an_output_takes_its_place_when_it_is_complete(file: Path) -> None:
    file.chmod(0o600)
    with replaced(file) as part:
        part.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new" and file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(file: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), replaced(file) as part:
        part.write_text("half")
        raise error
    assert file.read_text() == "old" and list(file.parent.iterdir()) == [file]


def test_a_full_disk_leaves_what_was_there(file: Path) -> None:
    with (
        pytest.raises(InputError, match=f"{REFUSED}.*old.txt: No space left on device"),
        replaced(file) as part,
    ):
        part.write_text("half")
        raise OSError(28, "No space left on device")
    assert file.read_text() == "old" and list(file.parent.iterdir()) == [file]


def test_a_link_stays(file: Path) -> None:
    link = file.with_name("link.txt")
    link.symlink_to(file.name)
    write(link)
    assert link.is_symlink() and file.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_device_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_output_file(pipe)
    with replaced(pipe) as part:
        assert part == pipe
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd on this system")
def test_an_open_pipe_is_written_through() -> None:
    reading, writing = os.pipe()
    path = Path(f"/dev/fd/{writing}")
    check_output_file(path)
    write(path)
    os.close(writing)
    with os.fdopen(reading) as file:
        assert file.read() == "new"


@pytest.mark.parametrize("step", [write, check_output_file])
@pytest.mark.parametrize(
    ("place", "says"),
    [("none/x", "No such file"), ("", "Is a directory"), ("old.txt/x", "Not a directory")],
)
def test_files_that_cannot_be_written_are_refused(
    file: Path, step: Callable[[Path], None], place: str, says: str
) -> None:
    with pytest.raises(InputError, match=f"{REFUSED}.*{says}"):
        step(file.parent / place)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("step", [output_folder, check_output_folder])
def test_folders_that_cannot_be_made_are_refused(file: Path, step: Callable[[Path], object]) -> None:
    for path in (file, file / "x" / "y"):
        with pytest.raises(InputError, match=REFUSED):
            step(path)


def test_a_folder_is_looked_at_without_making_it(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "a" / "b")
    check_output_file(tmp_path / "c")
    assert not list(tmp_path.iterdir())
    assert output_folder(tmp_path / "a" / "b").is_dir()
    assert output_folder(tmp_path / "a" / "b").is_dir(), "a folder that is there is no error"


def test_what_a_block_cannot_read_is_not_said_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replaced(tmp_path / "out.txt"):
        (tmp_path / "missing.txt").read_text()
    assert not list(tmp_path.iterdir())
