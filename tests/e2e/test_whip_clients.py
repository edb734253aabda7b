"""Other people's WHIP and WHEP clients against the real server: scripts/install_whip_clients.sh installs them."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

NPM: Final = Path(
    os.environ.get("VIVIDLIVE_NPM")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vividlive" / "npm"
)
MODULES: Final = NPM / "node_modules"

WAIT_MS: Final = 60_000
AUDIBLE: Final = 0.01  # RMS of full scale; the bundled speech peaks above 0.1
SILENT: Final = 0.002  # Opus comfort noise and rounding
MOVING: Final = 0.2  # levels; a still picture coded again and again differs by less than 0.1


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All clients in one script."""
    esbuild = MODULES / ".bin" / "esbuild"
    if not esbuild.exists():
        pytest.skip(f"no WHIP clients in {NPM}: scripts/install_whip_clients.sh installs them")
    made = tmp_path_factory.mktemp("bundle") / "clients.js"
    source = Path(__file__).with_name("whip_clients.js")
    subprocess.run(
        [esbuild, source, "--bundle", "--format=iife", f"--outfile={made}", "--log-level=warning"],
        env=os.environ | {"NODE_PATH": str(MODULES)},
        check=True,
    )
    return made


@pytest.fixture
def clients(browser: Browser, url: str, bundle: Path) -> Iterator[Page]:
    """A page of the server's origin with the clients in it."""
    context = browser.new_context()
    page = context.new_page()
    page.route("**/clients", lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
    page.goto(f"{url}/clients")
    page.add_script_tag(path=bundle)
    yield page
    context.close()


@pytest.mark.parametrize(
    ("viewer", "publisher"),
    [("whip-whep", "whip-whep"), ("@eyevinn/webrtc-player", "@eyevinn/whip-web-client")],
)
def test_client_connects_plays_and_stops(clients: Page, url: str, viewer: str, publisher: str) -> None:
    before = open_calls(url)
    clients.evaluate("([name, url]) => { clients.view(name, url) }", [viewer, f"{url}/whep/grace_hopper"])
    clients.wait_for_function("clients.frames() > 20", timeout=WAIT_MS)
    assert clients.evaluate("clients.movement(1000)") > MOVING
    assert clients.evaluate("clients.loudness(1)") < SILENT

    clients.evaluate(
        "([name, url]) => clients.publish(name, url)", [publisher, f"{url}/whip?avatar=grace_hopper"]
    )
    assert clients.evaluate("clients.loudness(8)") > AUDIBLE
    frames = clients.evaluate("clients.frames()")
    clients.wait_for_function(f"clients.frames() > {frames + 20}", timeout=WAIT_MS)
    assert open_calls(url) == before + 2
    assert all(status == 204 for status in clients.evaluate("clients.patches"))

    clients.evaluate("clients.stop('publisher')")
    clients.evaluate("clients.stop('viewer')")
    end = time.monotonic() + 30
    while open_calls(url) > before and time.monotonic() < end:
        time.sleep(0.2)
    assert open_calls(url) == before
    assert clients.evaluate("clients.faults") == []


def open_calls(url: str) -> int:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("vividlive_calls "):
                return int(float(line.split()[1]))
    raise AssertionError("no vividlive_calls in the metrics")
