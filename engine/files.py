"""Files that are written: an existing one stays until its successor is complete."""

import errno
import os
import shutil
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.errors import InputError

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that takes no more. Other errors of a block that writes are those of what it reads."""


@contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Yield a part file beside ``path``, which takes its place when the block ends without an error, or is deleted.

    A link stays, and what it points to is replaced; a device or a pipe is yielded itself.

    Raises:
        InputError: the file cannot be written, at the start or later.
    """
    with _refused(path):
        replaceable = _replaceable(Path(path))
    if not replaceable:
        with _refused(path, FULL):
            yield Path(path)
        return
    target = _target(path)
    part = target.with_name(f".{target.name}.part")
    with _refused(path):
        part.touch()
    try:
        with _refused(path, FULL):
            yield part
        with _refused(path):
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def output_folder(path: str | Path, mode: int = 0o777) -> Path:
    """Make a folder for output, with its parents, unless it is there.

    Raises:
        InputError: it cannot be made.
    """
    with _refused(path):
        Path(path).mkdir(parents=True, exist_ok=True, mode=mode)
    return Path(path)


def check_output_file(path: str | Path) -> None:
    """See whether a file can be written, before the work for it.

    Raises:
        InputError: its folder is missing or cannot be written, or the path is a folder.
    """
    with _refused(path):
        if _replaceable(Path(path)):
            tempfile.TemporaryFile(dir=_target(path).parent).close()


def check_output_folder(path: str | Path) -> None:
    """See whether a folder can be filled that is there or can be made, before the work for it.

    Raises:
        InputError: it cannot be written, or something on its path is no folder.
    """
    with _refused(path):
        folder = _target(path)
        while not folder.exists():
            folder = folder.parent
        tempfile.TemporaryFile(dir=folder).close()


def ffmpeg_path(path: str | Path) -> str:
    """The path as FFmpeg takes it for a file: in a relative one a colon would end the name of a protocol."""
    return str(Path(path).absolute())


def _target(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _replaceable(path: Path) -> bool:
    """Whether this is an ordinary file, or nothing yet: a device or a pipe has no successor, and a folder is an error."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return path.is_file() or not path.exists()


@contextmanager
def _refused(path: str | Path, numbers: Container[int | None] | None = None) -> Iterator[None]:
    """Errors of the system, FFmpeg's among them, in the words of this program; all of them, or those with these numbers."""
    try:
        yield
    except OSError as error:
        if numbers is not None and error.errno not in numbers:
            raise
        raise InputError(
            f"expected a place that can be written for {path}: {error.strerror or error}"
        ) from error
