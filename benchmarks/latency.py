"""From a sample of sound to the frame that shows it: what each piece of the way takes, and what is left of the budget.

Within the engine, sound is pushed 20 ms at a time on a simulated clock that waits for nothing but what was measured:
latency is 40 ms until a frame's samples are complete, the look-ahead, and the time that the engine took for it. Through a
browser, ``benchmarks.media`` measures a real call on this machine.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchmarks.machine import FRAME_MS, commit, machine, times_ms
from benchmarks.stages import SPEECH, WARM_UP, versions
from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_SAMPLES, LOOK_AHEADS_MS, SAMPLE_RATE
from engine.errors import UnavailableError
from engine.pipeline import Engine, EngineSettings
from engine.speech.audio_file import load_audio
from kernels.build import backend
from streaming.encoder import VideoEncoder

CHUNK: Final = FRAME_SAMPLES // 2
BROWSER_S: Final = 15.0
"""The least for a call: sound begins every other second."""
BUDGETS_MS: Final = {80: 160.0, 40: 120.0}
"""The server's default latency for each look-ahead."""


def measure(
    avatar: Avatar,
    *,
    size: int = 512,
    seconds: float = 20.0,
    browser: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """The budget of both look-aheads, and on request a call in Chromium; JSON values.

    Raises:
        UnavailableError: a browser is asked for and there is none.
    """
    if browser:
        _check_browser()
    rows: list[dict[str, Any]] = []
    for done, look_ahead_ms in enumerate(LOOK_AHEADS_MS):
        rows += _pieces(avatar, size, seconds, look_ahead_ms)
        progress((done + 1) / (len(LOOK_AHEADS_MS) + browser))
    result: dict[str, Any] = {
        "benchmark": "latency",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "size": size,
            "seconds": seconds,
            "quality": "geometric",
            "kernels": backend(),
            "browser": browser,
        },
        "latency": rows,
    }
    if browser:
        found = _in_browser(size, max(seconds, BROWSER_S))
        result["in_browser"] = found
        result["latency"] += browser_rows(found)
        result["notes"] = {"in Chromium": browser_notes(found)}
        progress(1.0)
    return result


def missed_bars(result: dict[str, Any]) -> list[str]:
    """Which budgets the slowest hundredth of the frames exceeds, in words."""
    return [
        f"expected {row['way']} to keep to its budget at the 99th percentile, got {row['p99_ms']} ms left"
        for row in result["latency"]
        if row["name"] == "left of the budget" and row["p99_ms"] < 0
    ]


def _pieces(avatar: Avatar, size: int, seconds: float, look_ahead_ms: int) -> list[dict[str, Any]]:
    engine = Engine(EngineSettings(size=size, quality="geometric", badge=True, look_ahead_ms=look_ahead_ms))
    session, encoder = engine.session(avatar, seed=0), VideoEncoder(size)
    speech = load_audio(SPEECH.read_bytes()).analysis
    speech = np.resize(speech, int((seconds + 2) * SAMPLE_RATE) // CHUNK * CHUNK)
    motion, drawing, encoding, arrival = [], [], [], []
    for start in range(0, len(speech), CHUNK):
        pushed_ms = (start + CHUNK) * 1e3 / SAMPLE_RATE
        began = time.perf_counter()
        session.push_audio(speech[start : start + CHUNK])
        for frame in session:
            ready = time.perf_counter()
            encoder.encode(frame.i420, frame.number)
            encoded = time.perf_counter()
            first_ms = frame.first_sample * 1e3 / SAMPLE_RATE
            arrival.append(pushed_ms - first_ms + (ready - began) * 1e3)
            motion.append(frame.stage_ms["motion"])
            drawing.append((ready - began) * 1e3 - frame.stage_ms["motion"])
            encoding.append((encoded - ready) * 1e3)
    whole = [a + b for a, b in zip(arrival, encoding, strict=True)]
    way = f"{look_ahead_ms} ms ahead"
    fixed = (("own 40 ms", FRAME_MS), ("look-ahead", float(look_ahead_ms)))
    measured = (
        ("motion", motion),
        ("drawing, to I420", drawing),
        ("first sample to I420", arrival),
        ("H.264", encoding),
        ("first sample to packet", whole),
    )
    rows = [{"way": way, "name": name, **times_ms([value])} for name, value in fixed]
    rows += [{"way": way, "name": name, **times_ms(values[WARM_UP:])} for name, values in measured]
    # Percentiles of what is left are those of the slow frames: the 99th is what 99 % of them leave.
    over = times_ms([value - BUDGETS_MS[look_ahead_ms] for value in whole[WARM_UP:]])
    left = {name: -value for name, value in over.items()}
    return [*rows, {"way": way, "name": "left of the budget", **left}]


def browser_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What a page measured, beside the pieces; a spread says nothing of the slowest hundredth."""
    rows: list[dict[str, Any]] = []
    for name in ("microphone_to_picture", "server_to_picture"):
        times = found[name] or {"median": None, "p95": None}
        row = {"way": "in Chromium", "name": name.replace("_", " ")}
        rows.append(
            row | {"median_ms": times["median"], "p95_ms": times["p95"], "p99_ms": None, "max_ms": None}
        )
    return rows


def browser_notes(found: dict[str, Any]) -> list[str]:
    """How smooth the picture was and how far from its sound, in words."""
    notes = [
        f"{found['presented_per_second']:.1f} frames a second presented, {found['shown_twice_share']:.1%} of them shown "
        f"twice; sound began {found['onsets']} times"
    ]
    offset = found["sound_after_picture"]["to_webaudio"]
    if offset is not None:
        notes.append(
            f"sound after picture {offset['mean']:+.0f} ms in the mean, {offset['p5']:+.0f} to {offset['p95']:+.0f} for "
            "nine in ten"
        )
    return notes


def _check_browser() -> None:
    from benchmarks.live_page import find_chromium

    if find_chromium() is None:
        raise UnavailableError(
            "expected a Chromium on this machine: scripts/install_chromium.sh installs one"
        )


def _in_browser(size: int, seconds: float) -> dict[str, Any]:
    """A call in Chromium whose microphone hears bursts: see ``benchmarks.media.latency``."""
    from benchmarks.media.latency import latency
    from benchmarks.media.marked_call import marked_call

    with marked_call("--size", str(size)) as call:
        call.page.wait_for_timeout(8_000)
        return latency(call, seconds)
