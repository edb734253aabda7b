"""What kernel benchmarks time, and how each way is held against the definition before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]
POISON = 77


class WrongAnswerError(RuntimeError):
    """A kernel does not compute its definition: it is not timed."""


@dataclass(frozen=True, eq=False)
class Way:
    """One way to compute something: ``run()`` computes it into ``out``.

    off: how far a value may be from the definition's: levels of 255 in pictures, else the array's own unit; 0: every bit
    is equal. None: other work, or a part of the work alone, which is not compared.
    """

    name: str
    run: Callable[[], Any]
    out: tuple[Image, ...] = ()
    off: float | None = 0

    @property
    def answer(self) -> str:
        """How it compares with the definition: equal, or how far off at most."""
        if self.off is None:
            return ""
        return f"± {self.off:.2g}" if self.off else "equal"


@dataclass(frozen=True, eq=False)
class Group:
    """An operation on one frame's arguments: its definition's answer, ways to compute it, and bytes that must move."""

    kernel: str
    want: tuple[Image, ...]
    ways: list[Way]
    bytes: int


def check(group: Group, way: Way) -> None:
    """Hold what a way computes against the definition; its own arrays are poisoned before.

    Raises:
        WrongAnswerError: it is further off than it may be.
    """
    if way.off is None:
        return
    for array in way.out:
        array.fill(POISON)
    way.run()
    for made, want in zip(way.out, group.want, strict=True):
        if way.off == 0:
            right = made.tobytes() == want.tobytes()
        else:
            right = bool(np.abs(_values(made) - _values(want)).max() <= way.off)
        if not right:
            raise WrongAnswerError(f"{group.kernel} by {way.name} differs from its definition")


def _values(array: Image) -> NDArray[np.float64]:
    """Numbers as they are, packed pixels as levels."""
    return (array if array.dtype == np.float32 else array.view(np.uint8)).astype(np.float64)
