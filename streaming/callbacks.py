"""Functions that are called for every event of one kind, until they no longer want to be."""

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Handle:
    """Ends what it was given for; closing twice is no error."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close


class Callbacks(Generic[P]):
    """Calls all that were added, in that order; they may come and go meanwhile."""

    def __init__(self) -> None:
        self._added: list[Callable[P, object]] = []

    def __len__(self) -> int:
        return len(self._added)

    def add(self, callback: Callable[P, object]) -> Handle:
        """Call ``callback`` from now on, until the handle is closed."""
        self._added.append(callback)

        def close() -> None:
            if callback in self._added:
                self._added.remove(callback)

        return Handle(close)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        for callback in tuple(self._added):
            callback(*args, **kwargs)
