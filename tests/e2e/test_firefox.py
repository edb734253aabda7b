"""The page in Firefox, which has no H.264 as Debian ships it and gets VP8."""

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from benchmarks.firefox import Tab, find_firefox, firefox
from benchmarks.live_page import PROBE

pytestmark = pytest.mark.e2e

AUDIBLE = 0.01  # RMS of full scale; Firefox's fake microphone hears a tone of 0.1
SILENT = 0.002
MOVING = 0.2  # levels, between pictures of a second


@pytest.fixture
def tab(url: str) -> Iterator[Tab]:
    if find_firefox() is None:
        pytest.skip("no Firefox on this machine: apt install firefox-esr")
    with firefox() as started:
        started.preload(PROBE.read_text())
        started.go(url)
        yield started
        started.go("about:blank")


def test_page_plays_and_hears_in_firefox(tab: Tab) -> None:
    tab.wait_for('document.querySelector(\'[data-testid="stage"][data-state="live"].playing\') !== null')
    inbound = tab.evaluate("probe.inbound()")
    assert inbound["video"]["codec"]["mimeType"] == "video/VP8"
    assert inbound["audio"]["codec"]["mimeType"] == "audio/opus"
    tab.wait_for(
        f"probe.inbound().then((now) => now.video.framesDecoded > {inbound['video']['framesDecoded']} + 20)"
    )
    first, *_, last = pictures(tab, 8, 150)
    assert first.shape == (512, 512, 3)
    assert np.abs(first.astype(float) - last).mean() > MOVING, "the portrait stands still"
    assert tab.evaluate("probe.loudness(1)") < SILENT

    click(tab, "start")
    tab.wait_for("document.querySelector('[data-testid=\"choose-headphones\"]').checkVisibility()")
    click(tab, "choose-headphones")
    tab.wait_for("document.querySelector('[data-testid=\"start\"].talking') !== null")
    tab.wait_for("document.querySelector('[data-testid=\"status-words\"]').innerText === 'Speaking'")
    assert tab.evaluate("probe.loudness(4)") > AUDIBLE

    click(tab, "start")
    tab.wait_for("document.querySelector('[data-testid=\"status-words\"]').innerText === 'Live'")


def click(tab: Tab, name: str) -> None:
    tab.evaluate(f"document.querySelector('[data-testid=\"{name}\"]').click()")


def pictures(tab: Tab, count: int, interval_ms: int) -> list[np.ndarray]:
    """BGR pictures of the video as it is shown."""
    shown = []
    for address in tab.evaluate(f"probe.pictures({count}, {interval_ms})"):
        jpeg = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
        picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert picture is not None
        shown.append(picture)
    return shown
