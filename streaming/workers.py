"""The engine workers of a server, and which of them draws which session."""

import asyncio
from collections.abc import Callable
from functools import partial

from engine.conventions import FRAME_S
from streaming.engine_port import EngineOptions
from streaming.messages import CloseSession, ForgetAvatar, FromWorker, Preload, Stop, ToWorker
from streaming.supervisor import EngineWorker


class EngineWorkers:
    """``count`` workers, each with a standby if one is wanted; all methods belong to the event loop's thread.

    A session stays with the worker that it was first opened on: of those that run, the one with the fewest.
    """

    def __init__(
        self,
        options: EngineOptions,
        count: int,
        warm_avatar: Callable[[], str],
        on_message: Callable[[FromWorker], None],
        on_ready: Callable[[list[str]], None],
        standby: bool = True,
    ) -> None:
        """``on_ready(names)`` is called whenever another process begins to draw these sessions: they are to be opened
        again. The rest as for ``EngineWorker``."""
        self._on_ready = on_ready
        self._together = options.device == "cuda"
        self._workers = [
            EngineWorker(options, warm_avatar, on_message, partial(self._ready, number), standby)
            for number in range(count)
        ]
        self._number_of: dict[str, int] = {}

    @property
    def running(self) -> int:
        """How many workers draw."""
        return sum(worker.running for worker in self._workers)

    @property
    def restarts(self) -> int:
        """How often a worker was started again, all together."""
        return sum(worker.restarts for worker in self._workers)

    @property
    def frame_ms(self) -> float:
        """What a frame costs, as the slowest measured it when it was warm."""
        return max(worker.frame_ms for worker in self._workers)

    async def start(self) -> None:
        """Start all, one after another, so that each measures what a frame costs by itself.

        Raises:
            UnavailableError: one cannot start.
        """
        for worker in self._workers:
            await worker.start()

    async def stop(self) -> None:
        """End all for good."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def worker_of(self, session: str) -> EngineWorker | None:
        """The worker that draws a session."""
        number = self._number_of.get(session)
        return self._workers[number] if number is not None else None

    def phase_s(self, session: str) -> float | None:
        """How far into every 40 ms the frames of a session that is opened now are to begin; None: that does not matter.

        On a GPU those of a worker begin together, for one batch draws them, and each worker has a time of its own.
        """
        if not self._together:
            return None
        return self._number(session) / len(self._workers) * FRAME_S

    def send(self, message: ToWorker) -> None:
        """Tell the session's worker, or all of them what concerns no session."""
        if isinstance(message, Preload | ForgetAvatar | Stop):
            for worker in self._workers:
                worker.send(message)
            return
        number = self._number_of[message.session] = self._number(message.session)
        self._workers[number].send(message)
        if isinstance(message, CloseSession):
            del self._number_of[message.session]

    def check_alive(self, now_s: float) -> None:
        """Kill workers that have hung; to be called about once a second."""
        for worker in self._workers:
            worker.check_alive(now_s)

    def _number(self, session: str) -> int:
        """The worker that a session stays with, or the one that it would be opened on."""
        number = self._number_of.get(session)
        if number is not None:
            return number
        drawn = [0] * len(self._workers)
        for number in self._number_of.values():
            drawn[number] += 1
        return min(range(len(drawn)), key=lambda number: (not self._workers[number].running, drawn[number]))

    def _ready(self, number: int) -> None:
        self._on_ready([name for name, of in self._number_of.items() if of == number])
