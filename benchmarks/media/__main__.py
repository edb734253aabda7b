"""``python -m benchmarks.media MEASURE... [--json PATH|-]``: see --help."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.command import result_path, run_main
from benchmarks.live_page import find_chromium, running, wait_for_portraits
from benchmarks.machine import commit, machine
from benchmarks.media import endurance, events
from benchmarks.media.latency import latency
from benchmarks.media.marked_call import marked_call
from benchmarks.media.viewers import viewers
from engine.errors import InputError
from vividlive.terminal import write_json

RUNS: Final = 3
RUN_S: Final = 30.0
SETTLE_MS: Final = 8_000


def measure_latency(*options: str) -> list[dict[str, Any]]:
    """Three runs of 30 s, each with a server and a browser of its own."""
    results = []
    for _ in range(RUNS):
        with marked_call(*options) as call:
            call.page.wait_for_timeout(SETTLE_MS)
            results.append(latency(call, RUN_S))
    return results


def measure_events() -> dict[str, Any]:
    """Barge-in, another face, an agent's first word, a dead worker."""
    with marked_call(talk=False) as call, tempfile.TemporaryDirectory() as folder:
        call.page.wait_for_timeout(SETTLE_MS)
        return {
            "clear": events.clear(call, 8),
            "swap": events.swap(call, 6),
            "push": events.push(call, 10),
            "kill": events.kill(call, 3, Path(folder)),
        }


def measure_viewers() -> dict[str, Any]:
    """One, four and sixteen viewers of one avatar."""
    with marked_call() as call:
        call.page.wait_for_timeout(SETTLE_MS)
        return viewers(call, (1, 4, 16), RUN_S)


def measure_connects() -> dict[str, Any]:
    """Two hundred calls, one after the other, with the shipped server."""
    with running("vividlive", "serve") as server:
        wait_for_portraits(server.url)
        return endurance.connects(server.url, server.pid, 200)


def measure_long_call(minutes: int) -> dict[str, Any]:
    """Memory, and sound against picture, minute by minute."""
    with marked_call() as call:
        call.page.wait_for_timeout(SETTLE_MS)
        return endurance.long_call(call, minutes)


MEASURES: Final[dict[str, Callable[[], Any]]] = {
    "latency": measure_latency,
    "latency-120": lambda: measure_latency("--latency-ms", "120"),
    "events": measure_events,
    "viewers": measure_viewers,
    "connects": measure_connects,
    "long-call": lambda: measure_long_call(30),
    "ten-minutes": lambda: measure_long_call(12),
}


def main() -> int:
    """Measure what is asked for; results are added to those that the file holds already."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.media", description="Measure the media path in a real browser."
    )
    parser.add_argument(
        "measures",
        nargs="+",
        choices=MEASURES,
        metavar="MEASURE",
        help="latency, latency-120 (with --latency-ms 120): three runs of 30 s; events: barge-in, another face, an "
        "agent's first word, a dead worker; viewers: 1, 4 and 16 of one avatar; connects: 200 calls one after the "
        "other; long-call: half an hour; ten-minutes: the same for twelve",
    )
    parser.add_argument("--json", type=result_path, default="-", help="where the results go; - is stdout")
    given = parser.parse_args()
    if find_chromium() is None:
        print(
            "expected a Chromium on this machine: scripts/install_chromium.sh installs one", file=sys.stderr
        )
        return 2
    path = None if given.json == "-" else Path(given.json)
    results = _results_in(path) if path is not None and path.exists() else {}
    for name in given.measures:
        results[name] = {"machine": machine(), "commit": commit(), "result": MEASURES[name]()}
        if path is not None:
            write_json(given.json, results)
    if path is None:
        write_json("-", results)
    return 0


def _results_in(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected results of this command in {path}: {error}") from error
    if not isinstance(results, dict):
        raise InputError(f"expected results of this command in {path}")
    return results


if __name__ == "__main__":
    run_main(main)
