"""The engine as the worker sees it; tests put a drawn test picture in its place."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.conventions import LOOK_AHEADS_MS
from engine.motion.values import Motion


class FrameLike(Protocol):
    """What of ``engine.pipeline.Frame`` is used here."""

    @property
    def i420(self) -> NDArray[np.uint8]: ...
    @property
    def stage_ms(self) -> dict[str, float]: ...


class SessionLike(Protocol):
    """What of ``engine.pipeline.Session`` is used here."""

    def push_audio(self, samples: NDArray[np.float32]) -> None: ...
    def clear(self) -> int: ...
    def motions(self) -> Iterator[Motion]: ...
    def set_style(self, style: Any) -> None: ...
    def set_listening(self, heard: bool) -> None: ...
    def set_avatar(self, prepared: Any) -> None: ...
    def close(self) -> None: ...


class EnginePort(Protocol):
    """An engine that opens sessions for avatars on disk.

    ``load_avatar`` and ``prepare``, which makes an avatar ready to be drawn by any number of sessions, are slow and may be
    called on another thread than the rest. ``draw`` makes one frame for each of at most ``at_once`` sessions; a
    ``DeviceLostError`` of it means that this engine draws nothing more.
    """

    @property
    def at_once(self) -> int: ...

    def load_avatar(self, path: str) -> Any: ...
    def prepare(self, avatar: Any) -> Any: ...
    def session(self, prepared: Any, seed: int) -> SessionLike: ...
    def style(self, expressiveness: float, head_motion: float, mood: float) -> Any: ...
    def draw(
        self, sessions: Sequence[Any], motions: Sequence[Motion], *, supersample: bool, neural: bool
    ) -> Sequence[FrameLike]: ...


@dataclass(frozen=True)
class EngineOptions:
    """How the worker's engine is made. ``factory`` is "module:function", called with these options.

    look_ahead_ms: how far the motion listens ahead, one of ``LOOK_AHEADS_MS``. quality, weights, device: of the frames,
    as in ``EngineSettings``.
    """

    factory: str = "streaming.engine_port:real_engine"
    size: int = 512
    badge: bool = True
    look_ahead_ms: int = LOOK_AHEADS_MS[0]
    quality: Literal["auto", "geometric", "neural"] = "auto"
    weights: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"


def load_object(path: str) -> Callable[..., Any]:
    """Return the object that "module:name" names."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def one_thread() -> None:
    """Keep this process's libraries on one thread: other processes need the other cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)


class RealEngine:
    """The port onto ``engine.pipeline``."""

    def __init__(self, options: EngineOptions) -> None:
        from engine.pipeline import Engine, EngineSettings

        self._engine = Engine(
            EngineSettings(
                size=options.size,
                quality=options.quality,
                weights=options.weights,
                device=options.device,
                badge=options.badge,
                look_ahead_ms=options.look_ahead_ms,
            )
        )

    @property
    def at_once(self) -> int:
        """How many sessions it is worth to draw at once."""
        return self._engine.at_once

    def load_avatar(self, path: str) -> Any:
        """Read an avatar bundle."""
        from engine.avatar.avatar import Avatar

        return Avatar.load(Path(path))

    def prepare(self, avatar: Any) -> Any:
        """Make an avatar ready to be drawn by any number of sessions."""
        return self._engine.prepare(avatar)

    def session(self, prepared: Any, seed: int) -> SessionLike:
        """Begin a session."""
        return self._engine.session(prepared, seed=seed)

    def style(self, expressiveness: float, head_motion: float, mood: float) -> Any:
        """The engine's own style value."""
        from engine.motion.stage import MotionStyle

        return MotionStyle(expressiveness=expressiveness, head_motion=head_motion, mood=mood)

    def draw(
        self, sessions: Sequence[Any], motions: Sequence[Motion], *, supersample: bool, neural: bool
    ) -> Sequence[FrameLike]:
        """One frame for each session."""
        return self._engine.draw(sessions, motions, supersample=supersample, neural=neural)


def real_engine(options: EngineOptions) -> EnginePort:
    """Make the engine that ships."""
    one_thread()
    return RealEngine(options)
