"""The avatars that a worker keeps at hand."""

from concurrent.futures import Future
from typing import Any, cast

import pytest

from streaming.engine_port import EnginePort
from streaming.loader import KEPT_AVATARS, AvatarLoader


class Port:
    """Counts what it reads and makes ready."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.made: list[str] = []

    def load_avatar(self, path: str) -> Any:
        if path == "missing":
            raise FileNotFoundError(path)
        self.read.append(path)
        return path

    def prepare(self, avatar: Any) -> Any:
        self.made.append(avatar)
        return object()


def test_sessions_of_one_avatar_share_what_is_drawn() -> None:
    port = Port()
    loader = AvatarLoader(cast(EnginePort, port))

    def prepared(path: str) -> Any:
        found: Future[Any] = loader.prepare(path)
        return found.result(timeout=10)

    try:
        loader.preload("a").result(timeout=10)
        first = prepared("a")
        assert prepared("a") is first and prepared("b") is not first
        assert port.read == port.made == ["a", "b"]
        loader.forget("a")
        assert prepared("a") is not first  # the bundle may be another one
        for number in range(KEPT_AVATARS):
            prepared(str(number))
        prepared("b")
        assert port.made.count("b") == 2
        with pytest.raises(FileNotFoundError):
            prepared("missing")
    finally:
        loader.close()
