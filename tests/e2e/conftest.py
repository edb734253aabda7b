"""One server and one Chromium for all end-to-end tests, a new visitor for each."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.live_page import find_chromium, launched, opened, served, wait_until_live

URL_VARIABLE = "VIVIDLIVE_E2E_URL"
"""Address of a running server to test instead of one of our own, for work on the page."""


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Address of a running server."""
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine: scripts/install_chromium.sh installs one")
    if running := os.environ.get(URL_VARIABLE):
        yield running
    else:
        # Machines that test are busy: a wide budget keeps every frame whole.
        with served("--latency-ms", "600") as started:
            yield started


@pytest.fixture(scope="session")
def playwright(url: str) -> Iterator[Playwright]:
    """Drives browsers; not before there is a server."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium whose microphone hears the bundled speech."""
    with launched(playwright) as started:
        yield started


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page, live, for a new visitor."""
    with opened(browser, url) as page:
        wait_until_live(page)
        yield page
