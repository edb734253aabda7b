"""What all commands that write files do: look at the places first, and leave no half of a file behind."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from engine.errors import SettingError
from engine.files import check_output_file, check_output_folder

P = ParamSpec("P")


def writes(*files: str, folders: Sequence[str] = ()) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Mark a command whose parameters of these names are files that it replaces, and folders that it fills.

    Before it begins they are checked, and compared with its other parameters. It is ``ended_by_sigterm``.
    """

    def marked(command: Callable[P, None]) -> Callable[P, None]:
        @wraps(command)
        def checked(*args: P.args, **given: P.kwargs) -> None:
            _check(given, files, folders)
            with ended_by_sigterm():
                command(*args, **given)

        return checked

    return marked


def _check(given: dict[str, Any], files: Sequence[str], folders: Sequence[str]) -> None:
    """Refuse outputs that cannot be written, and those that would replace an input or each other.

    Raises:
        InputError
    """
    outputs = [given[name] for name in files if given[name] is not None and given[name] != "-"]
    for path in outputs:
        check_output_file(path)
    for name in folders:
        if given[name] is not None:
            check_output_folder(given[name])
    # A text may name a file as well: a camera, for which a video stands in.
    others = [value for name, value in given.items() if name not in (*files, *folders)]
    flat = [one for value in others for one in (value if isinstance(value, list) else [value])]
    inputs = [one for one in flat if isinstance(one, str | Path) and os.path.isfile(one)]
    own = [path for path in outputs if os.path.isfile(path) or not os.path.exists(path)]  # no devices
    for number, path in enumerate(own):
        for other in (*own[:number], *inputs):
            if _same(path, other):
                raise SettingError(
                    f"expected an output that is no input and no other output, got {path} and {other}"
                )


def _same(one: str | Path, other: str | Path) -> bool:
    if os.path.isfile(one) and os.path.isfile(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block, or the command that this marks, like Ctrl-C, so that it clears up."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
