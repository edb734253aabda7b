"""One engine worker process and the connection to it."""

import asyncio
import logging
import multiprocessing
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from streaming.engine_port import EngineOptions
from streaming.messages import Alive, FromWorker, NotReady, Ready, Stop, ToWorker
from streaming.spawning import hand_over, start_deaf
from streaming.worker import worker_main

STOP_S: Final = 2.0

FLUSH_S: Final = 0.01
"""How soon it is tried again to send to a worker whose pipe is full."""

MAX_UNSENT: Final = 10_000
"""Messages that may wait for a worker that does not read; it is killed beyond."""

logger = logging.getLogger(__name__)


class WorkerProcess:
    """A worker from its start to its end. All methods belong to the event loop's thread, which never waits for it."""

    def __init__(
        self, options: EngineOptions, avatar_path: str, on_message: Callable[[FromWorker], None], urgent: bool
    ) -> None:
        """``avatar_path`` is the bundle to warm up with; a worker that is not ``urgent`` does so at low priority."""
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        context = multiprocessing.get_context("spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(
            target=worker_main,
            args=(self._theirs, options, avatar_path, logging.getLogger().getEffectiveLevel(), urgent),
            name="vividlive-engine",
            daemon=True,
        )
        self._reader = threading.Thread(
            target=hand_over,
            args=(self._connection, self._loop, self._receive, self._gone),
            name="vividlive-engine-reader",
            daemon=True,
        )
        self._writable = select.poll() if hasattr(select, "poll") else None
        if self._writable is not None:
            self._writable.register(self._connection.fileno(), select.POLLOUT)
        self._starting: asyncio.Task[None] | None = None
        self._unsent: deque[ToWorker] = deque()
        self._flushing: asyncio.TimerHandle | None = None
        self._heard_s = time.monotonic()
        self.error = "the engine worker ended before it was ready, see the log above"
        self.frame_ms: float | None = None
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()
        """``settled`` once the worker is ready or has ended, ``ended`` once it has ended."""

    @property
    def pid(self) -> int | None:
        """The process' number; None before the start."""
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it is warm and lives."""
        return self.frame_ms is not None and not self.ended.is_set()

    async def start(self) -> None:
        """Start the process; it says when it is ready."""
        self._starting = asyncio.create_task(
            asyncio.to_thread(start_deaf, self._process), name="engine-spawn"
        )
        try:
            await asyncio.shield(self._starting)
        except OSError as error:
            self.error = f"the engine worker cannot be started: {error}"
            self._gone()
            return
        self._theirs.close()
        self._heard_s = time.monotonic()
        self._reader.start()

    def send(self, message: ToWorker) -> None:
        """Tell the worker something; what a busy worker has not read waits."""
        self._unsent.append(message)
        if self._flushing is None:
            self._flush()

    def silent_s(self, now_s: float) -> float:
        """For how long the worker has said nothing."""
        return now_s - self._heard_s

    def excuse(self, now_s: float) -> None:
        """Count the worker's silence from now: it was this process that stood still."""
        self._heard_s = now_s

    def kill(self) -> None:
        """End the process at once; ``ended`` follows."""
        self._process.kill()

    async def end(self) -> None:
        """Stop the process and wait until all of it is gone; one that was never started is no error."""
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._process.pid is not None:
            self.send(Stop())
            await asyncio.to_thread(self._process.join, STOP_S)
            if self._process.is_alive():
                self._process.kill()
                await asyncio.to_thread(self._process.join)
        if self._reader.ident is not None:
            await asyncio.to_thread(self._reader.join)
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._unsent.clear()
        self._theirs.close()
        self._connection.close()

    def _flush(self) -> None:
        """Send what fits into the pipe: the event loop must not wait for a worker that has hung."""
        self._flushing = None
        try:
            while self._unsent and not self.ended.is_set():
                if self._writable is not None and not self._writable.poll(0):
                    if len(self._unsent) > MAX_UNSENT:
                        logger.error("the engine worker does not read: it is killed")
                        self._unsent.clear()
                        self.kill()
                        return
                    self._flushing = self._loop.call_later(FLUSH_S, self._flush)
                    return
                self._connection.send(self._unsent.popleft())
        except OSError:
            pass  # it has died: ``ended`` follows
        self._unsent.clear()

    def _gone(self) -> None:
        self.ended.set()
        self.settled.set()

    def _receive(self, message: FromWorker) -> None:
        self._heard_s = time.monotonic()
        if isinstance(message, Ready):
            self.frame_ms = message.frame_ms
            self.settled.set()
        elif isinstance(message, NotReady):
            self.error = message.error
        elif not isinstance(message, Alive):
            self._on_message(message)
