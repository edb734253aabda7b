"""What kernel benchmarks time, and the error that keeps a wrong kernel from being timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class WrongAnswerError(RuntimeError):
    """A kernel does not compute its definition: it is not timed."""


@dataclass(frozen=True)
class Candidate:
    """One way to compute something: ``run()`` computes it; ``bytes`` are read and written at least."""

    name: str
    run: Callable[[], Any]
    bytes: int
