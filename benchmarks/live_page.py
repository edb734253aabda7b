"""Starts the server and opens its page in Chromium: what the end-to-end tests and the end-to-end report share."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from playwright.sync_api import Browser, Page, Playwright

from benchmarks.machine import ROOT

PORTRAITS: Final = ROOT / "engine" / "assets" / "portraits"
SPEECH: Final = ROOT / "engine" / "assets" / "speech"
PROBE: Final = Path(__file__).with_name("live_probe.js")

START_LIMIT_S: Final = 180.0
STOP_LIMIT_S: Final = 15.0
PORTRAITS_LIMIT_S: Final = 120.0

CHROMIUM_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class Running:
    """A server of ours: where it answers, and its process number."""

    url: str
    pid: int


@contextmanager
def served(*options: str) -> Iterator[str]:
    """Run ``vividlive serve`` on a free port; yields its address.

    Raises:
        RuntimeError: it ended, or did not become healthy; the message holds the end of its log.
    """
    with running("vividlive", "serve", *options) as server:
        yield server.url


@contextmanager
def running(module: str, *options: str) -> Iterator[Running]:
    """Run a server, ``python -m module options --port P``, on a free port, until it is left.

    Raises:
        RuntimeError: it ended, or did not become healthy; the message holds the end of its log.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", module, *options, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # as the command line sets it
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=one_thread)
        try:
            _wait_until_healthy(server, url, log)
            yield Running(url, server.pid)
        finally:
            server.terminate()
            try:
                server.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def launched(
    playwright: Playwright,
    *,
    microphone: Path = SPEECH / "hello.wav",
    allow_microphone: bool = True,
    camera: Path | None = None,
) -> Iterator[Browser]:
    """Run a fresh Chromium whose microphone hears ``microphone`` again and again, or is refused.

    Its camera shows ``camera``, Y4M or MJPEG, again and again, or Chromium's own test picture.

    Needs ``find_chromium()`` to find one.
    """
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={microphone}"]
    if camera is not None:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    if allow_microphone:
        flags.append("--use-fake-ui-for-media-stream")
    browser = playwright.chromium.launch(
        executable_path=find_chromium(), args=flags, ignore_default_args=["--mute-audio"]
    )
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 860,
    dark: bool = False,
    scripts: Sequence[Path] = (),
) -> Iterator[Page]:
    """Open the page as a new visitor; ``window.probe`` (live_probe.js, then ``scripts``) is there for measuring."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        bypass_csp=bool(scripts),  # which load their audio worklet from themselves
    )
    try:
        page = context.new_page()
        for script in (PROBE, *scripts):
            page.add_init_script(path=script)
        page.goto(url)
        yield page
        page.goto("about:blank")  # as a person who leaves: the page ends its call
    finally:
        context.close()


def wait_until_live(page: Page, limit_s: float = 60.0) -> None:
    """Wait until the call is up and its picture is shown."""
    page.wait_for_selector('[data-testid="stage"][data-state="live"].playing', timeout=1000 * limit_s)


def start_talking(page: Page, *, headphones: bool = True) -> None:
    """Press Start and answer how one listens."""
    page.get_by_test_id("start").click()
    page.get_by_test_id("choose-headphones" if headphones else "choose-speakers").click()
    page.wait_for_selector('[data-testid="start"].talking')


def wait_for_portraits(url: str) -> None:
    """The server makes the avatars of the bundled portraits while it already takes calls; measure after that."""
    portraits = len(list(PORTRAITS.iterdir()))
    end = time.monotonic() + PORTRAITS_LIMIT_S
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{url}/api/avatars", timeout=10) as answer:
            if sum(avatar["bundled"] for avatar in json.load(answer)["avatars"]) >= portraits:
                return
        time.sleep(1.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, log: IO[str]) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    log.seek(0)
    raise RuntimeError(
        f"expected a healthy server at {url} within {START_LIMIT_S:.0f} s; its log ends:\n{log.read()[-3000:]}"
    )
