"""Owns the engine workers: one that draws, and one that waits, warm, to take over when the first one dies."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from engine.errors import UnavailableError
from streaming.engine_port import EngineOptions
from streaming.messages import (
    CloseSession,
    ForgetAvatar,
    FromWorker,
    OpenSession,
    Preload,
    SetAvatar,
    ToWorker,
)
from streaming.worker_process import WorkerProcess

RESTART_S: Final = (0.2, 1.0, 2.0, 5.0, 10.0)
"""Pause before each restart in a row; the last one stays."""

STABLE_S: Final = 30.0
"""A worker that ran for so long makes the next restart count as the first."""

STANDBY_S: Final = 5.0
"""A standby is begun so long after the worker is ready: it must not delay the first calls."""

SILENT_S: Final = 10.0
"""A worker that says nothing for so long, not even that it is alive, is taken for hung and killed."""

SILENT_BESIDE_STANDBY_S: Final = 3.0
"""The same when another one is ready to take over: a mistake then costs a few repeated frames."""

STOOD_STILL_S: Final = 2.0
"""When the worker was not checked for so long, it was this process that stood still, and perhaps both."""

logger = logging.getLogger(__name__)


class EngineWorker:
    """The worker that draws and its standby. All methods belong to the event loop's thread."""

    def __init__(
        self,
        options: EngineOptions,
        warm_avatar: Callable[[], str],
        on_message: Callable[[FromWorker], None],
        on_ready: Callable[[], None],
        standby: bool = True,
    ) -> None:
        """``warm_avatar()`` is the bundle that a new worker warms up with; ``on_ready()`` is called whenever another
        worker begins to draw, for the sessions to be opened again. Without ``standby`` a worker that died is started
        again, which takes seconds, but the memory of a second one is saved."""
        self._options = options
        self._warm_avatar = warm_avatar
        self._on_message = on_message
        self._on_ready = on_ready
        self._with_standby = standby
        self._live: WorkerProcess | None = None
        self._standby: WorkerProcess | None = None
        self._shown: dict[str, str] = {}  # the avatar of each session
        self._drawing: asyncio.Task[None] | None = None
        self._standing_by: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._checked_s = time.monotonic()
        self.restarts = 0
        self.frame_ms = 0.0

    @property
    def running(self) -> bool:
        """Whether a worker draws."""
        return self._live is not None and self._live.ready

    @property
    def pid(self) -> int | None:
        """The process number of the worker that draws."""
        return self._live.pid if self._live is not None else None

    @property
    def standby_pid(self) -> int | None:
        """The process number of a standby that is ready."""
        return self._standby.pid if self._standby is not None and self._standby.ready else None

    async def start(self) -> None:
        """Start the worker and wait until it is warm; the standby follows later.

        Raises:
            UnavailableError: it cannot start.
        """
        first_ready = asyncio.get_running_loop().create_future()
        self._drawing = asyncio.create_task(self._keep_drawing(first_ready), name="engine-worker")
        self._begin_standby()
        await first_ready

    async def stop(self) -> None:
        """End the workers for good."""
        tasks = [task for task in (self._drawing, self._standing_by) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in (self._live, self._standby):
            self._end(process)
        self._live = self._standby = None
        await asyncio.gather(*self._ending, return_exceptions=True)

    def send(self, message: ToWorker) -> None:
        """Tell the worker something; while there is none the message is dropped."""
        if isinstance(message, OpenSession | SetAvatar):
            self._shown[message.session] = message.avatar_path
            self._send_standby(Preload(message.avatar_path))
        elif isinstance(message, CloseSession):
            self._shown.pop(message.session, None)
        elif isinstance(message, ForgetAvatar):
            self._send_standby(message)
        if self._live is not None and self._live.ready:
            self._live.send(message)

    def check_alive(self, now_s: float) -> None:
        """Kill a worker that has hung; to be called about once a second."""
        beside = self._standby is not None and self._standby.ready
        limits = (
            ("engine worker", self._live, SILENT_BESIDE_STANDBY_S if beside else SILENT_S),
            ("standby", self._standby, SILENT_S),
        )
        stood_still = now_s - self._checked_s > STOOD_STILL_S
        self._checked_s = now_s
        for name, process, limit_s in limits:
            if process is None or not process.ready:
                continue
            if stood_still:
                process.excuse(now_s)
            elif process.silent_s(now_s) > limit_s:
                logger.error(
                    "the %s has said nothing for %.1f s: it is killed", name, process.silent_s(now_s)
                )
                process.kill()

    async def _keep_drawing(self, first_ready: asyncio.Future[None]) -> None:
        attempt = 0
        while True:
            if self._standby is not None and self._standby.ready:
                logger.info("the standby takes over")
                self._live, self._standby = self._standby, None
                self._begin_standby()
            else:
                self._live = WorkerProcess(self._options, self._warm_avatar(), self._on_message, urgent=True)
                await self._live.start()
                await self._live.settled.wait()
            live, began_s = self._live, time.monotonic()
            if live.frame_ms is not None:
                self.frame_ms = live.frame_ms
                logger.info("the engine worker is ready: %.1f ms a frame", live.frame_ms)
                if not first_ready.done():
                    first_ready.set_result(None)
                self._on_ready()
                await live.ended.wait()
            self._live = None
            self._end(live)
            if not first_ready.done():
                first_ready.set_exception(UnavailableError(live.error))
                return
            logger.error("the engine worker died: another one takes its place")
            self.restarts += 1
            if time.monotonic() - began_s > STABLE_S:
                attempt = 0
            if self.standby_pid is None:  # one that is ready has waited for long enough
                await asyncio.sleep(RESTART_S[min(attempt, len(RESTART_S) - 1)])
            attempt += 1

    def _begin_standby(self) -> None:
        if self._standing_by is not None:
            self._standing_by.cancel()
        if self._with_standby:
            self._standing_by = asyncio.create_task(self._keep_standby(), name="engine-standby")

    async def _keep_standby(self) -> None:
        """Have a standby ready beside the worker that draws; cancelled when that one is taken over."""
        attempt = 0
        while True:
            await asyncio.sleep(max(STANDBY_S, RESTART_S[min(attempt, len(RESTART_S) - 1)]))
            if not self.running:
                continue
            began_s = time.monotonic()
            process = WorkerProcess(self._options, self._warm_avatar(), self._on_message, urgent=False)
            self._standby = process
            await process.start()
            await process.settled.wait()
            if process.ready:
                logger.info("a standby is ready")
                for path in set(self._shown.values()):
                    process.send(Preload(path))
            await process.ended.wait()
            self._standby = None
            self._end(process)
            logger.error("the standby died: another one takes its place")
            attempt = 0 if time.monotonic() - began_s > STABLE_S else attempt + 1

    def _send_standby(self, message: ToWorker) -> None:
        if self._standby is not None and self._standby.ready:
            self._standby.send(message)

    def _end(self, process: WorkerProcess | None) -> None:
        """Let go of a process; nobody waits for it but ``stop``."""
        if process is not None:
            task = asyncio.create_task(process.end(), name="engine-end")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
