"""What benchmarks that are commands of their own share: where a result goes, and errors in one line."""

import sys
from collections.abc import Callable
from typing import NoReturn

from engine.errors import VividliveError
from engine.files import check_output_file


def result_path(text: str) -> str:
    """An argument's type: a file that can be written, which is seen before measuring, or "-" for stdout.

    Raises:
        InputError: it cannot be written.
    """
    if text != "-":
        check_output_file(text)
    return text


def run_main(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit with its code, or with 2 after what is wrong with its input."""
    try:
        code = main()
    except VividliveError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    sys.exit(code)
