"""Makes avatars ready to be drawn on a thread of its own, so that a session that goes on is not held up."""

from collections import OrderedDict
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from streaming.engine_port import EnginePort

KEPT_AVATARS: Final = 4
"""Avatars that are kept at hand, the ones used last."""


@dataclass
class _Kept:
    avatar: Any
    prepared: Any = None


class AvatarLoader:
    """The avatars that a worker has read; what it keeps is touched by its own thread alone.

    Sessions of one avatar get the same prepared one: they are drawn one after the other, and what they share stays in the
    processor's cache.
    """

    def __init__(self, port: EnginePort, executor: Executor | None = None) -> None:
        self._port = port
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="avatar-loader")
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def prepare(self, path: str) -> Future[Any]:
        """What the port's ``prepare`` makes of the bundle at ``path``, or why it cannot be read."""
        return self._executor.submit(self._prepare, path)

    def preload(self, path: str) -> Future[Any]:
        """Read the bundle at ``path`` so that ``prepare`` need not."""
        return self._executor.submit(self._load, path)

    def forget(self, path: str) -> None:
        """Keep nothing of the bundle at ``path``."""
        self._executor.submit(self._kept.pop, path, None)

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _prepare(self, path: str) -> Any:
        kept = self._load(path)
        if kept.prepared is None:
            kept.prepared = self._port.prepare(kept.avatar)
        return kept.prepared

    def _load(self, path: str) -> _Kept:
        if path not in self._kept:
            self._kept[path] = _Kept(self._port.load_avatar(path))
        self._kept.move_to_end(path)
        while len(self._kept) > KEPT_AVATARS:
            self._kept.popitem(last=False)
        return self._kept[path]
