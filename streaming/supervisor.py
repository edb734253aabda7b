"""Owns the engine worker process: starts it, talks to it, starts it again when it dies."""

import asyncio
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

from engine.errors import UnavailableError
from streaming.engine_port import EngineOptions
from streaming.messages import Alive, FromWorker, NotReady, Ready, Stop, ToWorker
from streaming.worker import worker_main

RESTART_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Pause before each restart in a row; the last one stays."""

STABLE_S: Final = 30.0
"""A worker that ran for so long makes the next restart count as the first."""

STOP_S: Final = 2.0
SILENT_S: Final = 10.0
"""A worker that says nothing for so long, not even that it is alive, is taken for hung and killed."""

logger = logging.getLogger(__name__)


class EngineWorker:
    """A worker process and its connection. All methods belong to the event loop's thread."""

    def __init__(
        self,
        options: EngineOptions,
        warm_avatar: Callable[[], str],
        on_message: Callable[[FromWorker], None],
        on_ready: Callable[[], None],
    ) -> None:
        """``warm_avatar()`` is the bundle that a new worker warms up with; ``on_ready()`` is called after each
        start, for the sessions to be opened again."""
        self._options = options
        self._warm_avatar = warm_avatar
        self._on_message = on_message
        self._on_ready = on_ready
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._first_ready: asyncio.Future[None] | None = None
        self._heard_s = 0.0
        self._error = "the engine worker ended before it was ready, see the log above"
        self.restarts = 0
        self.running = False
        self.frame_ms = 0.0

    @property
    def pid(self) -> int | None:
        """The worker's process number."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the worker and wait until it is warm.

        Raises:
            UnavailableError: it cannot start.
        """
        self._first_ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_running(), name="engine-worker")
        await self._first_ready

    async def stop(self) -> None:
        """End the worker for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def send(self, message: ToWorker) -> None:
        """Tell the worker something; while it is down the message is dropped."""
        if self._connection is None or not self.running:
            return
        try:
            self._connection.send(message)
        except OSError:
            self.running = False

    def check_alive(self, now_s: float) -> None:
        """Kill a worker that has hung."""
        if self.running and now_s - self._heard_s > SILENT_S:
            logger.error("the engine worker has hung: it is killed")
            self._process.kill()

    async def _keep_running(self) -> None:
        attempt = 0
        while True:
            began = time.monotonic()
            await self._run_once()
            assert self._first_ready is not None
            if not self._first_ready.done():
                self._first_ready.set_exception(UnavailableError(self._error))
            if self._first_ready.exception() is not None:
                return
            attempt = 0 if time.monotonic() - began > STABLE_S else attempt
            pause = RESTART_S[min(attempt, len(RESTART_S) - 1)]
            await asyncio.sleep(pause)
            logger.error("the engine worker died: it is started again")
            self.restarts += 1
            attempt += 1

    async def _run_once(self) -> None:
        """Run one worker process until it ends."""
        loop = asyncio.get_running_loop()
        ours, theirs = self._context.Pipe()
        avatar = self._warm_avatar()
        self._process = self._context.Process(
            target=worker_main,
            args=(theirs, self._options, avatar, logging.getLogger().getEffectiveLevel()),
            name="vividlive-engine",
            daemon=True,
        )
        await asyncio.to_thread(self._process.start)
        theirs.close()
        self._connection = ours
        ended = asyncio.Event()
        reader = threading.Thread(
            target=self._read, args=(ours, loop, ended), name="vividlive-engine-reader", daemon=True
        )
        reader.start()
        try:
            await ended.wait()
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end(ours, reader)))

    async def _end(self, connection: Connection, reader: threading.Thread) -> None:
        self.running = False
        self._connection = None
        try:
            connection.send(Stop())
        except OSError:
            pass
        await asyncio.to_thread(self._process.join, STOP_S)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        await asyncio.to_thread(reader.join)
        connection.close()

    def _read(self, connection: Connection, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        """Reader thread: hand every message to the event loop."""
        try:
            while True:
                loop.call_soon_threadsafe(self._receive, connection.recv())
        except (EOFError, OSError):
            pass
        except RuntimeError:  # the loop is closed
            return
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:
            pass

    def _receive(self, message: FromWorker) -> None:
        self._heard_s = time.monotonic()
        if isinstance(message, Ready):
            self.frame_ms = message.frame_ms
            self.running = True
            logger.info("the engine worker is ready: %.1f ms a frame", message.frame_ms)
            assert self._first_ready is not None
            if not self._first_ready.done():
                self._first_ready.set_result(None)
            self._on_ready()
        elif isinstance(message, NotReady):
            self._error = message.error
        elif not isinstance(message, Alive):
            self._on_message(message)
