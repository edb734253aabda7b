"""A face tracker process and the connection to it, for the event loop."""

import asyncio
import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable
from typing import Final

from streaming.face_tracking import (
    EncodedPicture,
    FaceSeen,
    FaceState,
    FromTracking,
    StopTracking,
    TakeRest,
    ToTracking,
    Undecodable,
    tracking_main,
)
from streaming.spawning import hand_over, start_deaf

MAX_UNSENT: Final = 150
"""Pictures that may wait while a head is made, some seconds of them; then all are dropped and a keyframe is wanted."""

STOP_S: Final = 2.0

logger = logging.getLogger(__name__)


class FaceProcess:
    """Tracks one face elsewhere. All methods belong to the event loop's thread, which never waits for the process."""

    def __init__(
        self,
        on_face: Callable[[FaceSeen], None],
        on_state: Callable[[FaceState], None],
        on_undecodable: Callable[[], None] = lambda: None,
        *,
        tracker: str,
        camera: str | None = None,
    ) -> None:
        """``tracker`` is "module:function"; ``camera`` is as in ``FaceCamera``; without one pictures are brought by ``see``.

        ``on_face`` is called for every picture that was tracked, ``on_state`` when a face is found or lost, and
        ``on_undecodable`` when a keyframe is wanted.
        """
        self._on_face = on_face
        self._on_state = on_state
        self._on_undecodable = on_undecodable
        self._loop = asyncio.get_running_loop()
        self._starting: asyncio.Task[None] | None = None
        self._ending = False
        context = multiprocessing.get_context("spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=tracking_main,
            args=(self._theirs, tracker, camera, logging.getLogger().getEffectiveLevel()),
            name="vividlive-face",
            daemon=True,
        )
        self._unsent: queue.Queue[ToTracking] = queue.Queue(MAX_UNSENT)
        self._reader = threading.Thread(
            target=hand_over,
            args=(self._connection, self._loop, self._receive, self._gone),
            name="vividlive-face-reader",
            daemon=True,
        )
        self._writer = threading.Thread(target=self._write, name="vividlive-face-writer", daemon=True)

    def begin(self) -> None:
        """Start the process; it says when it sees a face."""
        self._starting = asyncio.create_task(self._start(), name="face-spawn")

    def see(self, picture: EncodedPicture) -> None:
        """Bring the next picture of a browser."""
        try:
            self._unsent.put_nowait(picture)
        except queue.Full:
            self._forget()
            self._on_undecodable()

    def take_rest(self) -> None:
        """Let what the face shows now be its rest."""
        self._say(TakeRest())

    async def end(self) -> None:
        """Stop the process and wait until all of it is gone."""
        self._ending = True
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._process.pid is None:
            self._theirs.close()
            self._connection.close()
            return
        self._say(StopTracking())
        await asyncio.to_thread(self._process.join, STOP_S)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        await asyncio.to_thread(self._reader.join)
        self._say(StopTracking())  # the writer may have been waiting for something to write
        await asyncio.to_thread(self._writer.join)
        self._connection.close()

    async def _start(self) -> None:
        try:
            await asyncio.to_thread(start_deaf, self._process)
        except OSError as error:
            logger.error("the face tracker cannot be started: %s", error)
            self._on_state(FaceState(False, "the face tracker cannot be started, see the server's log"))
            return
        self._theirs.close()
        self._reader.start()
        self._writer.start()

    def _say(self, message: ToTracking) -> None:
        """Tell at once what matters more than pictures."""
        while True:
            try:
                return self._unsent.put_nowait(message)
            except queue.Full:
                self._forget()

    def _forget(self) -> None:
        while True:
            try:
                self._unsent.get_nowait()
            except queue.Empty:
                return

    def _write(self) -> None:
        try:
            while True:
                message = self._unsent.get()
                self._connection.send(message)
                if isinstance(message, StopTracking):
                    return
        except OSError:
            pass  # it is gone

    def _gone(self) -> None:
        if not self._ending:
            logger.error("the face tracker has died")
            self._on_state(FaceState(False, "the face tracker has died, see the server's log"))

    def _receive(self, message: FromTracking) -> None:
        match message:
            case FaceSeen():
                self._on_face(message)
            case FaceState():
                self._on_state(message)
            case Undecodable():
                self._on_undecodable()
