"""Notices when something holds the event loop up."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.02
STALL_S: Final = 0.02
"""A tick that comes this much too late is a stall."""


async def watch_for_stalls(report: Callable[[float], None]) -> None:
    """Call ``report(milliseconds)`` for every stall, until cancelled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_S)
        late_s = time.monotonic() - before - TICK_S
        if late_s > STALL_S:
            report(late_s * 1e3)
