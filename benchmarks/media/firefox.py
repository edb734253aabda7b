"""Latency and lip sync of the page in Firefox: ``python -m benchmarks.media.firefox``.

Firefox's microphone hears a steady tone, so speech is a file of bursts that is uploaded to the call: measured are the way
of the picture from the server to the page, and sound against picture. Where there is no sound device, the mock device
that stands in for it is late on a busy machine, and the sound waits for it in the jitter buffer: trust the sound's
numbers only when ``audio_jitter_buffer`` is near 90 ms.
"""

import argparse
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.firefox import Tab, firefox
from benchmarks.live_page import PROBE, running, wait_for_portraits
from benchmarks.media.latency import latency
from benchmarks.media.marked_call import MARKS, PERIOD_S, MarkedCall, bursts, write_wav

LIVE = 'document.querySelector(\'[data-testid="stage"][data-state="live"].playing\') !== null'


class _Page:
    """A Firefox tab as far as ``MarkedCall`` needs a page."""

    def __init__(self, tab: Tab) -> None:
        self._tab = tab

    def evaluate(self, expression: str) -> Any:
        return self._tab.evaluate(expression)

    def wait_for_timeout(self, milliseconds: float) -> None:
        time.sleep(milliseconds / 1e3)


def measure(seconds: float, *options: str) -> dict[str, Any]:
    """Run a marked server and Firefox on its page; as ``benchmarks.media.latency``, and the jitter buffers in ms."""
    with tempfile.TemporaryDirectory(prefix="vividlive-marks-") as folder:
        log, speech = Path(folder) / "departures.txt", Path(folder) / "bursts.wav"
        write_wav(speech, bursts(seconds + 3 * PERIOD_S))
        with (
            running("benchmarks.media.marked_server", "--departures", str(log), *options) as server,
            firefox() as tab,
        ):
            wait_for_portraits(server.url)
            for script in (PROBE, MARKS):
                tab.preload(script.read_text())
            with urllib.request.urlopen(server.url) as answer:
                html = answer.read().decode()
            # The marks' audio worklet lies in no file of the server's.
            tab.show(f"{server.url}/", html.replace("Content-Security-Policy", ""))
            tab.wait_for(LIVE)
            tab.evaluate("probe.startMarks()")
            call = tab.evaluate("probe.call")["call"]
            urllib.request.urlopen(
                urllib.request.Request(
                    f"{server.url}/api/calls/{call}/speech",
                    speech.read_bytes(),
                    {"Content-Type": "audio/wav"},
                )
            ).close()
            before = tab.evaluate("probe.inbound()")
            measured = latency(MarkedCall(_Page(tab), server.url, server.pid, log), seconds)  # type: ignore[arg-type]
            after = tab.evaluate("probe.inbound()")
            return measured | {
                f"{kind}_jitter_buffer": _buffered(before[kind], after[kind]) for kind in ("audio", "video")
            }


def _buffered(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Mean time in a jitter buffer, milliseconds."""
    held, emitted = (
        float(after[key] - before[key]) for key in ("jitterBufferDelay", "jitterBufferEmittedCount")
    )
    return round(1e3 * held / max(1.0, emitted), 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("server", nargs="*", help="options of the server, after --")
    asked = parser.parse_args()
    print(json.dumps(measure(asked.seconds, *asked.server), indent=2))
