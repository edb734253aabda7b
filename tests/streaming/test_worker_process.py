"""What waits for a worker that does not read."""

import asyncio
from collections.abc import Callable
from typing import Any

from streaming.messages import SetStyle
from streaming.worker_process import WorkerProcess
from tests.streaming.test_workers import OPTIONS

MESSAGES = 3000
"""Far more than a pipe holds."""


class Loop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        self.later.append(call)
        return self._loop.call_later(1e6, call)


async def test_one_try_is_scheduled_however_much_waits_and_all_comes_in_order() -> None:
    worker = WorkerProcess(OPTIONS, "none", lambda message: None, urgent=True)
    loop: Any = Loop()
    worker._loop = loop
    for number in range(MESSAGES):
        worker.send(SetStyle("s", float(number), 1.0))
    assert len(loop.later) == 1
    read = []
    while loop.later:
        while worker._theirs.poll(0):
            read.append(worker._theirs.recv().expressiveness)
        assert worker._flushing is not None
        worker._flushing.cancel()
        loop.later.pop()()
        assert len(loop.later) <= 1
    while worker._theirs.poll(0):
        read.append(worker._theirs.recv().expressiveness)
    assert read == list(map(float, range(MESSAGES)))
    await worker.end()
