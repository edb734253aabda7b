"""Measure how long a new visitor waits for the picture: page load to the first frame that Chromium presents.

``python -m benchmarks.page_load [--runs 9] [--url http://127.0.0.1:8080] [--json PATH|-]``; without an address a server
is started. Times are milliseconds since the navigation began (``performance.now()``).
"""

import argparse
from contextlib import nullcontext
from statistics import median
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

from benchmarks.command import result_path, run_main
from benchmarks.live_page import launched, served
from vividlive.terminal import write_json

SETTLE_MS: Final = 1500
"""For the new window itself: Chromium draws its own buttons with a page of theirs, which costs more than ours."""

MARKS: Final = """
const marks = {};
window.loadMarks = new Promise((resolve) => addEventListener("DOMContentLoaded", () => {
  document.querySelector("video").requestVideoFrameCallback(() => {
    marks.first_frame = performance.now();
    resolve(marks);
  });
}));
const Native = RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    const mark = (name) => (marks[name] ??= performance.now());
    mark("peer");
    this.addEventListener("signalingstatechange", () => mark(this.signalingState === "stable" ? "answered" : "offered"));
    this.addEventListener("connectionstatechange", () => mark(this.connectionState));
  }
};
"""

RESOURCES: Final = """() => Object.fromEntries(performance.getEntriesByType("resource")
  .map((entry) => [new URL(entry.name).pathname, [entry.startTime, entry.responseEnd]]))"""


def load_once(browser: Browser, url: str) -> dict[str, Any]:
    """Open the page as a new visitor; returns its marks, and begin and end of every request."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    try:
        page = context.new_page()
        page.add_init_script(MARKS)
        page.wait_for_timeout(SETTLE_MS)
        page.goto(url)
        seen = {"marks": page.evaluate("loadMarks"), "requests": page.evaluate(RESOURCES)}
        page.goto("about:blank")
        page.wait_for_timeout(300)
        return seen
    finally:
        context.close()


def measure(url: str, runs: int) -> dict[str, Any]:
    """Load the page ``runs`` times and once before, uncounted; returns all first frames and median marks."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        loads = [load_once(browser, url) for _ in range(runs + 1)][1:]
    names = sorted({name for load in loads for name in load["marks"]})
    paths = list(loads[-1]["requests"])
    return {
        "first_frame_ms": sorted(round(load["marks"]["first_frame"]) for load in loads),
        "median_ms": {
            name: round(median(load["marks"][name] for load in loads if name in load["marks"]))
            for name in names
        },
        "last_requests_ms": {path: [round(t) for t in loads[-1]["requests"][path]] for path in paths},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--url", help="a running server")
    parser.add_argument("--json", type=result_path, default="-", metavar="PATH|-")
    options = parser.parse_args()
    with nullcontext(options.url) if options.url else served() as url:
        result = measure(url, options.runs)
    write_json(options.json, result)


if __name__ == "__main__":
    run_main(main)
