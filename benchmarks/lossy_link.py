"""A bad network between a real browser's microphone and the server: what it does to the call.

    python -m benchmarks.lossy_link --loss 0.05 --jitter-ms 20 --json benchmarks/results/lossy_link.json

The answer's candidates are rewritten so that the browser sends to a relay on this machine, which loses and delays
what carries sound (RTP and its reports; handshakes pass). The call runs undisturbed, then over the bad link, then
undisturbed again.
"""

import argparse
import contextlib
import heapq
import json
import random
import re
import select
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Page, Route, sync_playwright

from benchmarks.command import result_path, run_main
from benchmarks.live_page import SPEECH, launched, served, start_talking, wait_until_live
from benchmarks.machine import commit, machine
from vividlive.terminal import write_json

SAMPLE_S: Final = 0.25
SETTLE_S: Final = 5.0
NORMAL_MS: Final = 10.0
LASTING: Final = 8
"""The delay is normal again when so many samples in a row (2 s) are no further than this from what they were."""


class LossyLink:
    """Relays datagrams between one browser and the server. Only what the browser sends is disturbed.

    ``loss`` in [0, 1]; ``jitter_s``: each packet is late by something even between 0 and this, on its own. Both may
    be changed at any time.
    """

    def __init__(self, seed: int = 1) -> None:
        self.loss = 0.0
        self.jitter_s = 0.0
        self.sent = 0
        self.lost = 0
        self._random = random.Random(seed)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("0.0.0.0", 0))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.bind(("0.0.0.0", 0))
        self._server: tuple[str, int] | None = None
        self._browser: tuple[str, int] | None = None
        self._late: list[tuple[float, int, bytes]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._relay, name="lossy-link")
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._front.close()
        self._back.close()

    def through(self, answer: str) -> str:
        """The answer with this relay as its only candidate."""
        found = re.search(r"a=candidate:\S+ 1 udp (\d+) (\d+\.\d+\.\d+\.\d+) (\d+) typ host.*", answer, re.I)
        assert found is not None, f"expected a host candidate over IPv4 in the answer, got:\n{answer}"
        self._server = (found[2], int(found[3]))
        candidate = f"a=candidate:1 1 udp {found[1]} {found[2]} {self._front.getsockname()[1]} typ host"
        lines = [line for line in answer.splitlines() if not line.startswith("a=candidate:")]
        at = next(n for n, line in enumerate(lines) if line.startswith("a=ice-ufrag:"))
        return "\r\n".join([*lines[:at], candidate, *lines[at:], ""])

    def _relay(self) -> None:
        count = 0
        while not self._ended.is_set():
            now_s = time.monotonic()
            while self._late and self._late[0][0] <= now_s:
                self._pass_on(heapq.heappop(self._late)[2])
            wait_s = min(0.1, self._late[0][0] - now_s) if self._late else 0.1
            for ready in select.select([self._front, self._back], [], [], wait_s)[0]:
                data, sender = ready.recvfrom(2048)
                if ready is self._back:
                    if self._browser is not None:
                        self._front.sendto(data, self._browser)
                    continue
                self._browser = sender
                media = 128 <= data[0] <= 191  # RFC 7983
                self.sent += media
                if media and self._random.random() < self.loss:
                    self.lost += 1
                elif media and self.jitter_s:
                    count += 1
                    due_s = time.monotonic() + self._random.uniform(0, self.jitter_s)
                    heapq.heappush(self._late, (due_s, count, data))
                else:
                    self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        if self._server is not None:
            self._back.sendto(data, self._server)


@contextlib.contextmanager
def relayed(page: Page) -> Iterator[LossyLink]:
    """Let the calls that this page places go over a link."""
    link = LossyLink()

    def place(route: Route) -> None:
        request = route.request
        if request.method != "POST":
            route.continue_()
            return
        body: dict[str, Any] = json.loads(request.post_data or "{}")
        body["sdp"] = re.sub(r"a=candidate:.*\r\n", "", body["sdp"])  # the server answers to whom it hears
        response = route.fetch(post_data=json.dumps(body))
        if not response.ok:
            route.fulfill(response=response)
            return
        answer = response.json()
        answer["sdp"] = link.through(answer["sdp"])
        route.fulfill(response=response, json=answer)

    page.route("**/api/calls", place)
    try:
        yield link
    finally:
        link.close()


def measure(url: str, *, loss: float, jitter_ms: float, seconds: float) -> dict[str, Any]:
    """One call in three phases; JSON values."""
    with sync_playwright() as playwright, launched(playwright, microphone=SPEECH / "long.wav") as browser:
        page = browser.new_page()
        page.add_init_script(path=Path(__file__).with_name("live_probe.js"))
        with relayed(page) as link:
            page.goto(url)
            wait_until_live(page)
            start_talking(page)
            page.wait_for_timeout(1000 * SETTLE_S)
            phases = {"before": _watch(page, url, link, seconds)}
            link.loss, link.jitter_s = loss, jitter_ms / 1000
            phases["during"] = _watch(page, url, link, seconds)
            link.loss, link.jitter_s = 0.0, 0.0
            phases["after"] = _watch(page, url, link, seconds)
            page.goto("about:blank")
    usual_ms = phases["before"]["lead_ms"]["median"]
    leads = phases["after"].pop("leads")
    for phase in ("before", "during"):
        phases[phase].pop("leads")
    normal = [abs(lead_ms - usual_ms) <= NORMAL_MS for _, lead_ms in leads]
    again_s = next((leads[n][0] for n in range(len(leads) - LASTING) if all(normal[n : n + LASTING])), None)
    return {
        "loss": loss,
        "jitter_ms": jitter_ms,
        "seconds": seconds,
        "phases": phases,
        "normal_again_after_s": again_s if again_s is None else round(again_s, 2),
    }


def _watch(page: Page, url: str, link: LossyLink, seconds: float) -> dict[str, Any]:
    """What happens in so many seconds."""
    before, sent, lost = _counts(url), link.sent, link.lost
    leads: list[tuple[float, float]] = []
    begin_s = time.monotonic()
    while (passed_s := time.monotonic() - begin_s) < seconds:
        page.wait_for_timeout(1000 * SAMPLE_S)
        leads.append((passed_s, _counts(url)["vividlive_microphone_lead_ms"]))
    after = _counts(url)

    def grown(name: str) -> float:
        return after[name] - before[name]

    values = [lead_ms for _, lead_ms in leads]
    return {
        "packets": link.sent - sent,
        "lost": link.lost - lost,
        "made_up_ms": grown("vividlive_microphone_gap_samples_total") / 16,
        "from_copies_ms": grown("vividlive_microphone_recovered_samples_total") / 16,
        "frames_sent": grown("vividlive_frames_sent_total"),
        "frames_repeated": grown("vividlive_frames_repeated_total"),
        "lead_ms": {"median": median(values), "least": min(values), "most": max(values)},
        "leads": leads,
    }


def _counts(url: str) -> dict[str, float]:
    """The server's metrics, summed over their labels; what is not there yet is 0."""
    found = {"vividlive_microphone_lead_ms": 0.0}
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name.split("{")[0]] = found.get(name.split("{")[0], 0.0) + float(value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--jitter-ms", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each of the three phases")
    parser.add_argument("--url", help="a server that runs already, with no other call")
    parser.add_argument("--json", type=result_path, default="-", metavar="PATH|-")
    options = parser.parse_args()
    with contextlib.nullcontext(options.url) if options.url else served() as url:
        result = measure(url, loss=options.loss, jitter_ms=options.jitter_ms, seconds=options.seconds)
    write_json(options.json, {"machine": machine(), "commit": commit(), **result})


if __name__ == "__main__":
    run_main(main)
