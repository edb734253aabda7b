"""Makes avatars from photos in a process of their own, so that calls go on undisturbed."""

import asyncio
import io
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Rights
from engine.errors import InputError
from streaming.engine_port import load_object, one_thread

MAX_QUEUED: Final = 8
"""Photos that may wait for their turn."""

TIMEOUT_S: Final = 180.0
"""A photo that takes longer is given up."""

END_S: Final = 0.2
"""How long the process may take to end by itself, once it has said all."""

JPEG_QUALITY: Final = 88

Progress = Callable[[str, float], None]
"""Told the step's name and the share of the work done before it; above 0 once the photo was accepted."""

logger = logging.getLogger(__name__)


class RefusedError(InputError):
    """A photo that cannot become an avatar; ``faces`` are the boxes of several faces, x, y, w, h in pixels."""

    def __init__(self, message: str, faces: list[list[float]]) -> None:
        super().__init__(message)
        self.faces = faces


@dataclass(frozen=True)
class CreationRequest:
    """A photo and where its avatar goes: ``avatar.avatar`` and ``avatar.jpg`` in ``directory``.

    rights: None where ``photo`` is a bundle, which states them itself.
    """

    photo: Path
    directory: Path
    rights: Rights | None
    face: int | None = None
    size: int = 512


def real_creator(request: CreationRequest, progress: Progress) -> dict[str, Any]:
    """Make an avatar with the engine; returns its report, with its rights.

    Raises:
        RefusedError: the photo cannot be used.
    """
    one_thread()
    from engine.avatar.avatar import Avatar

    try:
        if request.rights is None:
            avatar = Avatar.load(request.photo)
        else:
            avatar = Avatar.from_photo(request.photo, request.rights, request.face, progress)
    except InputError as error:
        faces = [[float(x) for x in box] for box in getattr(error, "boxes", ())]
        raise RefusedError(str(error), faces) from error
    avatar.save(request.directory / "avatar.avatar")
    write_jpeg(neutral_face(avatar, request.size), request.directory / "avatar.jpg")
    return {**avatar.report, "rights": avatar.rights}


def neutral_face(avatar: Any, size: int) -> NDArray[np.uint8]:
    """The avatar at rest, as uint8 [size, size, 3] RGB."""
    from engine.motion.values import rest
    from engine.packed import rgb_of
    from engine.render.geometric import GeometricRenderer
    from engine.timing import StageTimer

    return rgb_of(GeometricRenderer(avatar, size).render(rest(0), StageTimer()))


def write_jpeg(rgb: NDArray[np.uint8], path: Path) -> None:
    """Store uint8 [H, W, 3] RGB."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "JPEG", quality=JPEG_QUALITY)
    path.write_bytes(buffer.getvalue())


def creation_main(connection: Connection, creator: str, request: CreationRequest) -> None:
    """Make one avatar and tell the media process how it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(10)  # calls come first
    try:
        report = load_object(creator)(request, lambda step, part: connection.send(("progress", step, part)))
        connection.send(("done", report))
    except RefusedError as error:
        connection.send(("refused", str(error), error.faces))
    except (BrokenPipeError, EOFError):
        pass


async def create(
    creator: str, request: CreationRequest, progress: Progress, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Make an avatar in its own process; returns its report.

    Raises:
        RefusedError: the photo cannot be used, or making it failed or took too long.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=creation_main, args=(theirs, creator, request), name="vividlive-creation", daemon=True
    )
    await asyncio.to_thread(process.start)
    theirs.close()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await asyncio.to_thread(_receive, ours)
                if message is None:
                    continue
                match message:
                    case ("progress", step, fraction):
                        progress(step, fraction)
                    case ("done", report):
                        return dict(report)
                    case ("refused", error, faces):
                        raise RefusedError(error, faces)
    except TimeoutError:
        raise RefusedError(
            f"making the avatar took longer than {timeout_s:.0f} s and was given up", []
        ) from None
    except (EOFError, OSError):
        logger.error("the creation process died")
        raise RefusedError("making the avatar failed, see the server's log", []) from None
    finally:
        try:
            await asyncio.to_thread(process.join, END_S)
        finally:
            process.kill()
            await asyncio.to_thread(process.join)
            ours.close()


def _receive(connection: Connection) -> Any:
    """Wait a moment for a message, so that the thread can end soon after its task."""
    return connection.recv() if connection.poll(0.5) else None


@dataclass
class CreationJob:
    """One photo on its way, and everything that was said about it so far."""

    id: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    @property
    def refusal(self) -> RefusedError | None:
        """Why the photo was refused, if it was."""
        event, data = self.events[-1] if self.events else ("", {})
        return RefusedError(data["error"], data.get("faces", [])) if event == "refused" else None

    async def judged(self) -> None:
        """Wait until the photo was accepted or refused."""
        async for event, data in self.listen():
            if event == "progress" and data["fraction"] > 0:
                return

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Add an event for everybody who listens; "done" and "refused" are the last."""
        self.events.append((event, data))
        self.over = event in ("done", "refused")
        self.changed.set()
        self.changed = asyncio.Event()

    async def listen(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """All events from the first to the last."""
        told = 0
        while True:
            changed = self.changed
            while told < len(self.events):
                told += 1
                yield self.events[told - 1]
            if self.over:
                return
            await changed.wait()
