"""Pictures leave one by one until nobody wants them any more, and everyone reads the same times of them."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from engine.conventions import FRAME_SAMPLES
from engine.motion.values import rest
from engine.pipeline import Engine, EngineSettings
from streaming.clock import MediaClock
from streaming.messages import FrameDone, pack_motion
from streaming.metrics import Metrics
from streaming.pictures import PictureLine
from streaming.shared import SessionMemory
from tests.engine.render.made_up import mouth_avatar

SIZE = 256


@contextmanager
def line_of(memory: SessionMemory, metrics: Metrics) -> Iterator[PictureLine]:
    """A line that has been going on for a minute."""
    with ThreadPoolExecutor(1) as executor:
        yield PictureLine(
            "test",
            MediaClock(time.monotonic() - 60.0),
            0.16,
            memory,
            SIZE,
            False,
            metrics,
            executor,
            sound_came_late=lambda number: False,
            on_level=lambda before, after: None,
            on_speaking=lambda speaking: None,
        )


@pytest.mark.asyncio
async def test_the_line_ends_though_a_frame_arrives_in_that_moment() -> None:
    memory = SessionMemory(SIZE)
    with line_of(memory, Metrics()) as line:
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


@pytest.mark.asyncio
async def test_meter_and_metrics_have_the_times_that_benchmarks_read_of_a_frame() -> None:
    session = Engine(EngineSettings(size=SIZE)).session(mouth_avatar(12.0))
    session.push_audio(np.zeros(5 * FRAME_SAMPLES, np.float32))
    frame = next(iter(session))
    assert set(frame.stage_ms) >= {"motion", "drive", "rasterise", "composite", "colour"}
    memory, metrics = SessionMemory(SIZE), Metrics()
    memory.fill(0, frame.i420)
    with line_of(memory, metrics) as line:
        number = line.pacer.next_number(time.monotonic()) + 2
        ready_s, motion = time.monotonic(), pack_motion(rest(number))
        done = FrameDone("test", number, 0, line.pacer.generation, ready_s, frame.stage_ms, False, motion)
        line.frame_done(done)
        task = asyncio.create_task(line.send())
        for _ in range(500):  # until it is shown
            await asyncio.sleep(0.01)
            if line.stats().stages:
                break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        on_the_page = line.stats().stages
    memory.close()

    def scraped(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"vividlive_{name}_sum", labels) or 0.0

    of_server = {name: scraped("stage_ms", stage=name) for name in frame.stage_ms}
    assert of_server == pytest.approx(frame.stage_ms)
    rounded = {name: round(ms, 2) for name, ms in frame.stage_ms.items()}
    assert on_the_page == {**rounded, "encode": round(scraped("encode_ms"), 2)}
