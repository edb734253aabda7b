"""One page on a marked server: what is shown and heard, and when, by the wall clock that all processes share."""

import tempfile
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

from benchmarks.live_page import launched, opened, running, start_talking, wait_for_portraits, wait_until_live

MARKS: Final = Path(__file__).with_name("live_marks.js")
RATE: Final = 48_000
BURST_S: Final = 0.3
PERIOD_S: Final = 1.7
"""Bursts of a voice-like sound; not a multiple of the frame, so that onsets fall anywhere within one."""


@dataclass
class Noted:
    """What the page noted; times are milliseconds of the wall clock."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    heard: list[dict[str, float]] = field(default_factory=list)
    heard_levels: list[tuple[float, float, float]] = field(default_factory=list)
    """Every 11 ms: when, the loudest sample since, and when the last one above -34 dBFS came."""
    said: list[dict[str, float]] = field(default_factory=list)
    hushed: list[float] = field(default_factory=list)
    """When the page turned its own sound down."""
    unread: int = 0

    @property
    def onset_frames(self) -> list[dict[str, Any]]:
        """Frames in which sound begins."""
        return [frame for frame in self.frames if frame["onset"] is not None]


@dataclass
class MarkedCall:
    """A server, and a page that is on a call with it."""

    page: Page
    url: str
    pid: int
    departures_log: Path

    def note(self, seconds: float) -> Noted:
        """Look and listen for some seconds."""
        self.page.evaluate("probe.takeMarks()")
        self.page.wait_for_timeout(1000 * seconds)
        return self.noted()

    def noted(self) -> Noted:
        """What was noted since the last time."""
        taken = self.page.evaluate("probe.takeMarks()")
        return Noted(
            taken["frames"],
            taken["heard"],
            taken["heardLevels"],
            taken["said"],
            taken["hushed"],
            taken["unread"],
        )

    def departures(self) -> dict[int, float]:
        """When each frame left the server, by its number."""
        lines = [line.split() for line in self.departures_log.read_text().splitlines()]
        return {int(line[0]): float(line[1]) for line in lines if len(line) == 2}


@contextmanager
def marked_call(
    *options: str, talk: bool = True, microphone: Path | None = None, path: str = ""
) -> Iterator[MarkedCall]:
    """Run a marked server with ``options``, and Chromium on its page; with ``talk`` its microphone is on.

    microphone: a sound file for the browser's microphone in place of bursts of a voice-like sound. path: what follows
    the server's address in the page's.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vividlive-marks-")))
        log = folder / "departures.txt"
        if microphone is None:
            microphone = folder / "bursts.wav"
            write_wav(microphone, bursts(10 * PERIOD_S))
        server = stack.enter_context(
            running("benchmarks.media.marked_server", "--departures", str(log), *options)
        )
        wait_for_portraits(server.url)
        playwright = stack.enter_context(sync_playwright())
        browser = stack.enter_context(launched(playwright, microphone=microphone))
        page = stack.enter_context(opened(browser, server.url + path, scripts=(MARKS,)))
        wait_until_live(page)
        if talk:
            start_talking(page)
        page.evaluate("probe.startMarks()")
        yield MarkedCall(page, server.url, server.pid, log)


def voice(seconds: float, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A voice-like sound, float32 at 48 kHz: harmonics of 140 Hz under the resonances of an open vowel."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 28):
        hertz = 140.0 * harmonic
        weight = sum(
            1.0 / (1.0 + ((hertz - centre) / width) ** 2)
            for centre, width in ((730, 90), (1090, 110), (2440, 160))
        )
        sound += (weight + 0.05) * np.sin(2 * np.pi * hertz * time_s + harmonic * harmonic)
    return np.asarray(amplitude * sound / np.abs(sound).max(), np.float32)


def bursts(seconds: float) -> NDArray[np.float32]:
    """Bursts of ``voice`` with silence between."""
    sound = np.zeros(int(seconds * RATE), np.float32)
    burst = voice(BURST_S)
    for start in np.arange(0.5, seconds - BURST_S, PERIOD_S):
        first = int(start * RATE)
        sound[first : first + len(burst)] = burst
    return sound


def write_wav(path: Path, sound: NDArray[np.float32]) -> None:
    """Write float32 at 48 kHz as a 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
