"""What all commands write to the terminal: progress bars, JSON, warnings."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine.files import replaced

EXIT_INTERNAL, EXIT_BAD_INPUT, EXIT_BAR_MISSED = 1, 2, 3

SPEED_S: Final = 600.0
"""The time left goes by this last stretch: single steps take a minute and more."""

stdout: Final = Console()
stderr: Final = Console(stderr=True)


def complain(message: str) -> None:
    """One line on stderr: an error."""
    stderr.print(f"error: {' '.join(message.split())}", markup=False, highlight=False, soft_wrap=True)


def warn(message: str) -> None:
    """One line on stderr: a warning."""
    stderr.print(f"warning: {message}", markup=False, highlight=False, soft_wrap=True)


def write_over(line: str) -> None:
    """Show a line in place of the one before, cut to what one holds; on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{' '.join(line.split())[: stderr.width - 1]}\x1b[K")
        sys.stderr.flush()


def end_line() -> None:
    """Go on below the line that was written over; on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")


def write_json(path: str, value: Any) -> None:
    """Write a value as JSON to a file, or to stdout for "-"."""
    text = json.dumps(value, indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        with replaced(path) as part:
            part.write_text(text, encoding="utf-8")


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr, on a terminal only; yields a function that takes the finished fraction."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=stderr,
        transient=True,
        disable=not sys.stderr.isatty(),
        speed_estimate_period=SPEED_S,
    ) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)
