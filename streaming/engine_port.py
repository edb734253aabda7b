"""The engine as the worker sees it; tests put a drawn test picture in its place."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.motion.values import Motion


class FrameLike(Protocol):
    """What of ``engine.pipeline.Frame`` is used here."""

    @property
    def i420(self) -> NDArray[np.uint8]: ...
    @property
    def stage_ms(self) -> dict[str, float]: ...


class SessionLike(Protocol):
    """What of ``engine.pipeline.Session`` is used here."""

    @property
    def speaking(self) -> bool: ...
    def push_audio(self, samples: NDArray[np.float32]) -> None: ...
    def clear(self) -> int: ...
    def motions(self) -> Iterator[Motion]: ...
    def render(self, motion: Motion, *, supersample: bool = True) -> FrameLike: ...
    def set_style(self, style: Any) -> None: ...
    def set_avatar(self, avatar: Any) -> None: ...


class EnginePort(Protocol):
    """An engine that opens sessions for avatars on disk."""

    def load_avatar(self, path: str) -> Any: ...
    def session(self, avatar: Any, seed: int) -> SessionLike: ...
    def style(self, expressiveness: float, head_motion: float) -> Any: ...


@dataclass(frozen=True)
class EngineOptions:
    """How the worker's engine is made. ``factory`` is "module:function", called with these options."""

    factory: str = "streaming.engine_port:real_engine"
    size: int = 512
    badge: bool = True


def load_object(path: str) -> Callable[..., Any]:
    """Return the object that "module:name" names."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def one_thread() -> None:
    """Keep this process's libraries on one thread: other processes need the other cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


class RealEngine:
    """The port onto ``engine.pipeline``."""

    def __init__(self, options: EngineOptions) -> None:
        from engine.pipeline import Engine, EngineSettings

        self._engine = Engine(EngineSettings(size=options.size, badge=options.badge))

    def load_avatar(self, path: str) -> Any:
        """Read an avatar bundle."""
        from engine.avatar.avatar import Avatar

        return Avatar.load(Path(path))

    def session(self, avatar: Any, seed: int) -> SessionLike:
        """Begin a session."""
        return self._engine.session(avatar, seed=seed)

    def style(self, expressiveness: float, head_motion: float) -> Any:
        """The engine's own style value."""
        from engine.motion.stage import MotionStyle

        return MotionStyle(expressiveness=expressiveness, head_motion=head_motion)


def real_engine(options: EngineOptions) -> EnginePort:
    """Make the engine that ships."""
    one_thread()
    return RealEngine(options)
