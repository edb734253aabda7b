"""Pictures leave one by one until nobody wants them any more."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from streaming.clock import MediaClock
from streaming.metrics import Metrics
from streaming.pictures import PictureLine
from streaming.shared import SessionMemory

SIZE = 256


@pytest.mark.asyncio
async def test_the_line_ends_though_a_frame_arrives_in_that_moment() -> None:
    memory = SessionMemory(SIZE)
    with ThreadPoolExecutor(1) as executor:
        line = PictureLine(
            "test",
            MediaClock(time.monotonic() - 60.0),
            0.16,
            memory,
            SIZE,
            False,
            Metrics(),
            executor,
            sound_came_late=lambda number: False,
            on_level=lambda before, after: None,
            on_speaking=lambda speaking: None,
        )
        task = asyncio.create_task(line.send())
        for _ in range(1000):  # until it waits for a frame
            await asyncio.sleep(0)
            if line._arrived._waiters:
                break
        assert len(line._arrived._waiters) == 1
        line._arrived.set()
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2.0)
        lost = not done
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    memory.close()
    assert not lost
