"""Measures the live call in Chromium: frame rate, repeated and missing frames, latency, sound against picture.

    python -m benchmarks.e2e_report --seconds 60 --json benchmarks/results/e2e.json

Server and browser share the machine. The microphone hears the bundled speech again and again. What the server
says of itself and what the browser measures are kept apart in the result: only the server knows which frames it
sent twice, only the browser which of them never came.
"""

import argparse
import sys
from typing import Any, Final

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.command import result_path, run_main
from benchmarks.live_page import (
    SPEECH,
    find_chromium,
    launched,
    opened,
    served,
    start_talking,
    wait_for_portraits,
    wait_until_live,
)
from benchmarks.machine import commit, machine, spread
from vividlive.terminal import EXIT_BAR_MISSED, write_json

FRAME_RATE: Final = 25
TICKS_PER_FRAME: Final = 90_000 // FRAME_RATE
SETTLE_S: Final = 5.0
MAX_REPEATED: Final = 0.02
MIN_RATE: Final = 24.5


def measure(url: str, seconds: float, *, talk: bool = True) -> dict[str, Any]:
    """Watch one call for ``seconds``; JSON values, times in milliseconds."""
    with (
        sync_playwright() as playwright,
        launched(playwright, microphone=SPEECH / "long.wav") as browser,
        opened(browser, url) as page,
    ):
        version = browser.version
        wait_until_live(page)
        if talk:
            start_talking(page)
        page.wait_for_timeout(1000 * SETTLE_S)
        heard = page.evaluate("probe.received.length")
        seen = page.evaluate("seconds => probe.watch(seconds)", seconds)
        stats = [message for message in page.evaluate("probe.received")[heard:] if message["type"] == "stats"]
        codec = page.evaluate("probe.inbound()")["video"]["codec"]["mimeType"]
    return {
        "seconds": seconds,
        "talking": talk,
        "codec": codec,
        "browser": version,
        "seen_by_browser": _seen(seen["frames"], seen["samples"]),
        "said_by_server": _said(stats),
    }


def _seen(frames: list[list[float]], samples: list[dict[str, Any]]) -> dict[str, Any]:
    ticks, presented = np.asarray(frames, float).T
    due = (ticks[-1] - ticks[0]) / TICKS_PER_FRAME
    skipped = np.maximum(0, np.diff(ticks) / TICKS_PER_FRAME - np.diff(presented))
    offsets = [s["videoMs"] - s["audioMs"] for s in samples if s["videoMs"] and s["audioMs"]]
    seconds = (samples[-1]["atMs"] - samples[0]["atMs"]) / 1000
    return {
        "frames_due": int(due),
        "decoded_per_second": (samples[-1]["decoded"] - samples[0]["decoded"]) / seconds,
        "missing_share": float(skipped.sum()) / due,
        "freezes": samples[-1]["freezes"] - samples[0]["freezes"],
        "sound_after_picture_ms": spread(offsets),
    }


def _said(stats: list[dict[str, Any]]) -> dict[str, Any]:
    frames = stats[-1]["frame"] - stats[0]["frame"]
    repeated = stats[-1]["repeated"] - stats[0]["repeated"]
    names = sorted({name for message in stats for name in message["stages"]})
    return {
        "fps": spread([message["fps"] for message in stats]),
        "repeated_share": repeated / frames,
        "latency_ms": spread([message["latency_ms"] for message in stats]),
        "ladder": sorted({message["ladder"] for message in stats}),
        "stages": {name: spread([m["stages"][name] for m in stats if name in m["stages"]]) for name in names},
    }


def main() -> int:
    """Run the report; exit code 3 with ``--check`` when a bar is missed."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--url", help="a server that runs already")
    options.add_argument("--silent", action="store_true", help="leave the microphone off")
    options.add_argument("--json", type=result_path, default="-", help="where the result goes; - is stdout")
    options.add_argument("--check", action="store_true", help="hold the result against the bars")
    given = options.parse_args()
    if find_chromium() is None:
        print(
            "expected a Chromium on this machine: scripts/install_chromium.sh installs one", file=sys.stderr
        )
        return 2
    if given.url:
        result = measure(given.url, given.seconds, talk=not given.silent)
    else:
        with served() as url:
            wait_for_portraits(url)
            result = measure(url, given.seconds, talk=not given.silent)
    result = {"machine": machine(), "commit": commit()} | result
    write_json(given.json, result)
    seen, said = result["seen_by_browser"], result["said_by_server"]
    met = (
        seen["decoded_per_second"] >= MIN_RATE
        and seen["missing_share"] + said["repeated_share"] <= MAX_REPEATED
    )
    return 0 if met or not given.check else EXIT_BAR_MISSED


if __name__ == "__main__":
    run_main(main)
