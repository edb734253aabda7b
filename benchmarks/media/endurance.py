"""What stays behind: many connects and disconnects, and one long call."""

import asyncio
import gc
import os
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.media.latency import sound_after_picture, with_mean
from benchmarks.media.marked_call import MarkedCall
from benchmarks.media.viewers import SilentViewer, post

SHARED: Final = Path("/dev/shm")
WARM_UP: Final = 100
"""Calls before the first look: so many it takes until the allocators hold what they will ever need."""

REST_S: Final = 30.0
"""After the last disconnect, for sessions to end and for the allocator to give memory back."""


def connects(url: str, server: int, times: int) -> dict[str, Any]:
    """Connect, see some frames and hang up, again and again; what the server holds before and after."""
    asyncio.run(_connect(url, WARM_UP))
    time.sleep(REST_S)
    before = _held(url, server)
    asyncio.run(_connect(url, times))
    time.sleep(REST_S)
    return {"times": times, "before": before, "after": _held(url, server)}


def long_call(call: MarkedCall, minutes: int) -> dict[str, Any]:
    """One call: memory by the minute, sound against picture at the begin, after ten minutes and at the end."""
    memory: list[dict[str, float]] = []
    offsets: list[Any] = []
    shown = repeated = 0
    for _ in range(minutes):
        call.page.evaluate("probe.listenAnew()")
        noted = call.note(60.0)
        memory.append(_memory(call.pid))
        offsets.append(with_mean(sound_after_picture(noted, "wallMs")))
        numbers = np.asarray([frame["number"] for frame in noted.frames])
        shown += len(numbers)
        repeated += int(np.sum(np.diff(numbers) == 0))
    total = np.asarray([sum(minute.values()) for minute in memory])
    from_minute = max(0, minutes - 20)
    return {
        "minutes": minutes,
        "memory_mb_by_minute": memory,
        "growth_mb_over_last_20_minutes": round(float(total[-1] - total[from_minute]), 2),
        "sound_after_picture_ms_by_minute": offsets,
        "presented": shown,
        "shown_twice_share": repeated / max(1, shown),
    }


async def _connect(url: str, times: int) -> None:
    for _ in range(times):
        viewer = SilentViewer()
        await viewer.connection.setLocalDescription(await viewer.connection.createOffer())
        sdp = viewer.connection.localDescription.sdp
        answer = await asyncio.to_thread(post, f"{url}/api/calls", {"sdp": sdp})
        await viewer.accept(answer["sdp"])
        async with asyncio.timeout(30):
            while len(viewer.timestamps) < 3:  # noqa: ASYNC110 - packets only count
                await asyncio.sleep(0.02)
        await asyncio.to_thread(_delete, f"{url}/api/calls/{answer['call']}")
        await viewer.close()
    gc.collect()


def _held(url: str, server: int) -> dict[str, float]:
    process = psutil.Process(server)
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    tasks = next(float(line.split()[1]) for line in lines if line.startswith("vividlive_tasks "))
    family = [process, *process.children()]
    return {
        "tasks": tasks,
        "descriptors": sum(member.num_fds() for member in family),
        "threads": sum(member.num_threads() for member in family),
        "shared_segments": len([name for name in os.listdir(SHARED) if name.startswith("psm_")]),
        "memory_mb": round(sum(_memory(server).values()), 1),
    }


def _memory(server: int) -> dict[str, float]:
    """Unique memory (USS) of the server's processes in MB, by role and order."""
    process = psutil.Process(server)
    family = [process, *sorted(process.children(), key=lambda child: child.pid)]
    return {
        ("media" if member is process else f"child-{number}"): member.memory_full_info().uss / 1e6
        for number, member in enumerate(family)
    }


def _delete(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
        answer.read()
