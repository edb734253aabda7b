"""What the page says when there is no call, and how it comes back to one: fake engine, real browser."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.live_page import opened, wait_until_live
from tests.e2e.servers import FakeServer, fake_server

pytestmark = pytest.mark.e2e

WAIT_MS = 60_000
VIEWER, SPEAKER, OWNER = "viewer-secret", "speaker-secret", "owner-secret"


@pytest.fixture(scope="module")
def playground(url: str) -> Iterator[FakeServer]:
    """A server that is open to everybody, with one place; after the real one, so that both run with one Chromium."""
    with fake_server(max_sessions="1", idle_timeout_s="30") as server:
        yield server


@pytest.fixture(scope="module")
def locked(url: str) -> Iterator[FakeServer]:
    """A server that asks for tokens."""
    tokens = f"view={VIEWER} view,publish={SPEAKER} all={OWNER}"
    with fake_server(tokens=tokens, log_format="json") as server:
        yield server


def words(page: Page, name: str, pattern: str) -> None:
    expect(page.get_by_test_id(name)).to_have_text(re.compile(pattern), timeout=WAIT_MS)


def kept(page: Page, name: str) -> Any:
    return page.evaluate(f"JSON.parse(sessionStorage.getItem('vividlive.{name}'))")


def test_a_reload_comes_back_to_the_same_call(browser: Browser, playground: FakeServer) -> None:
    with opened(browser, playground.url) as page:
        wait_until_live(page)
        session = kept(page, "session")
        page.get_by_test_id("expressiveness").fill("1.5")
        page.get_by_test_id("mood").fill("-0.5")
        page.get_by_test_id("avatar-astronaut").click()
        page.wait_for_timeout(300)  # the slider's value and the choice are on their way
        with page.expect_response(lambda answer: answer.url.endswith("/api/calls")) as placed:
            page.reload()
        wait_until_live(page)
        answer = placed.value.json()
        assert (answer["session"], answer["avatar"]) == (session, "astronaut")
        assert kept(page, "session") == session
        expect(page.get_by_test_id("avatar-astronaut")).to_have_attribute("aria-pressed", "true")
        assert page.get_by_test_id("expressiveness").input_value() == "1.5"
        expect(page.get_by_test_id("mood-value")).to_have_text("sad 0.50")
        assert httpx.get(f"{playground.url}/healthz").json()["sessions"] == 1


def test_a_session_that_has_ended_is_followed_by_a_new_one(browser: Browser, playground: FakeServer) -> None:
    with opened(browser, playground.url) as page:
        wait_until_live(page)
        page.evaluate("sessionStorage.setItem('vividlive.session', '\"gone-for-good-1\"')")
        page.reload()
        wait_until_live(page)
        assert kept(page, "session") not in (None, "gone-for-good-1")


def test_guests_join_and_watch_a_session(browser: Browser, playground: FakeServer) -> None:
    with opened(browser, playground.url) as host:
        wait_until_live(host)
        session = kept(host, "session")
        with opened(browser, f"{playground.url}/?join={session}") as guest:
            wait_until_live(guest)
            expect(guest.get_by_test_id("start")).to_be_enabled()
            assert kept(guest, "session") is None
            guest.get_by_test_id("avatar-astronaut").click()
            chosen = host.get_by_test_id("avatar-astronaut")
            expect(chosen).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
        with opened(browser, f"{playground.url}/?watch={session}") as viewer:
            wait_until_live(viewer)
            words(viewer, "status-words", "^Watching$")
            words(viewer, "hint", "You are watching")
            for control in ("start", "speak-file", "clear", "manner"):
                expect(viewer.get_by_test_id(control)).to_be_hidden()
            expect(viewer.get_by_test_id("avatar-grace_hopper")).to_be_disabled()  # not the one that is shown
            sent = viewer.evaluate("probe.sent")
            assert {message["type"] for message in sent} <= {"playout"}
            assert httpx.get(f"{playground.url}/healthz").json()["viewers"] == 2
    with opened(browser, f"{playground.url}/?watch=nobody-here") as viewer:
        words(viewer, "overlay-title", "^There is no such call$")
        words(viewer, "overlay-countdown", "Trying again")


def upload(page: Page, name: str) -> Locator:
    """Make an avatar; its card in this page."""
    page.get_by_test_id("add-avatar").click()
    photo = {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": b"a face"}
    page.get_by_test_id("photo-file").set_input_files(photo)
    page.get_by_test_id("rights-self").check()
    page.get_by_test_id("consent").check()
    page.get_by_test_id("upload-submit").click()
    words(page, "notice-words", f"“{name}” is ready")
    return page.locator(".avatar", has_text=name)


def test_who_watches_chooses_nobody(browser: Browser, playground: FakeServer) -> None:
    with opened(browser, playground.url) as host:
        wait_until_live(host)
        with opened(browser, f"{playground.url}/?watch={kept(host, 'session')}") as viewer:
            wait_until_live(viewer)
            expect(upload(viewer, "mine")).to_have_attribute("aria-pressed", "false")
            upload(host, "theirs")
            shown = viewer.locator(".avatar", has_text="theirs")
            expect(shown).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
            viewer.get_by_label("Delete theirs").click()
            viewer.get_by_test_id("delete-confirm").click()
            default = viewer.get_by_test_id("avatar-grace_hopper")
            expect(default).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
            assert {message["type"] for message in viewer.evaluate("probe.sent")} <= {"playout"}


def test_a_full_server_says_so_and_takes_the_next_when_there_is_room(
    browser: Browser, playground: FakeServer
) -> None:
    with opened(browser, playground.url) as first:
        wait_until_live(first)
        with opened(browser, playground.url) as second:
            words(second, "overlay-title", "^The server is full$")
            words(second, "overlay-words", "at most 1 ")
            words(second, "overlay-countdown", r"Trying again in \d+ s")
            first.goto("about:blank")
            wait_until_live(second)


def test_a_token_is_asked_for_and_kept_in_the_tab(browser: Browser, locked: FakeServer) -> None:
    with opened(browser, locked.url) as page:
        expect(page.get_by_test_id("token-dialog")).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_test_id("token-refusal")).to_be_hidden()
        page.get_by_test_id("token").fill("guessed-secret")
        page.get_by_test_id("token-submit").click()
        expect(page.get_by_test_id("token-refusal")).to_be_visible(timeout=WAIT_MS)
        page.get_by_test_id("token").fill("пароль")  # which no header can carry
        page.get_by_test_id("token-submit").click()
        expect(page.get_by_test_id("token")).to_have_value("", timeout=WAIT_MS)
        expect(page.get_by_test_id("token-refusal")).to_be_visible()
        page.get_by_test_id("token-cancel").click()
        words(page, "overlay-title", "asks for a token")
        page.get_by_test_id("retry").click()
        page.get_by_test_id("token").fill(OWNER)
        page.get_by_test_id("token-submit").click()
        wait_until_live(page)
        shown = page.locator(".avatar img").first
        expect(shown).to_have_js_property("naturalWidth", 64, timeout=WAIT_MS)  # fetched with the token
        page.reload()
        wait_until_live(page)
        expect(page.get_by_test_id("add-avatar")).to_be_visible()
    assert OWNER not in locked.log and "guessed-secret" not in locked.log


def test_a_link_with_a_token_does_what_the_token_allows(browser: Browser, locked: FakeServer) -> None:
    with opened(browser, f"{locked.url}/?token={SPEAKER}#here") as page:
        wait_until_live(page)
        assert page.url == f"{locked.url}/#here"
        expect(page.get_by_test_id("start")).to_be_enabled()
        expect(page.get_by_test_id("add-avatar")).to_have_count(0)
    with opened(browser, f"{locked.url}/?token={VIEWER}") as page:
        wait_until_live(page)
        words(page, "status-words", "^Watching$")
        expect(page.get_by_test_id("start")).to_be_hidden()
        assert kept(page, "session") == "grace_hopper"  # the one that is spoken to, not one of its own


def test_another_token_allows_something_else(browser: Browser, locked: FakeServer) -> None:
    with opened(browser, f"{locked.url}/?token={VIEWER}") as page:
        wait_until_live(page)
        page.get_by_test_id("hang-up").click()
        page.route("**/api/calls", lambda route: route.fulfill(status=401, json={"error": "no"}), times=1)
        page.get_by_test_id("retry").press("Enter")
        page.get_by_test_id("token").fill(SPEAKER)
        page.get_by_test_id("token-submit").click()
        wait_until_live(page)
        words(page, "status-words", "^Live$")
        expect(page.get_by_test_id("start")).to_be_enabled()


def test_the_keyboard_goes_on_with_the_controls_when_the_call_comes_back(
    browser: Browser, playground: FakeServer
) -> None:
    with opened(browser, playground.url) as page:
        wait_until_live(page)
        page.get_by_test_id("hang-up").click()
        page.get_by_test_id("retry").press("Enter")
        wait_until_live(page)
        expect(page.get_by_test_id("controls")).to_be_focused()


def test_a_restart_is_announced_and_survived(browser: Browser, url: str) -> None:
    with fake_server() as server, opened(browser, server.url) as page:
        wait_until_live(page)
        session = kept(page, "session")
        server.stop()
        words(page, "overlay-title", "^The server is restarting$")
        words(page, "overlay-countdown", "Trying again")
        assert server.process is not None and server.process.returncode == 0
        assert "Traceback" not in server.log
        server.start()
        wait_until_live(page)
        expect(page.get_by_test_id("overlay")).to_be_hidden()
        assert kept(page, "session") != session


def test_a_server_that_was_killed_is_missed(browser: Browser, url: str) -> None:
    with fake_server() as server, opened(browser, server.url) as page:
        wait_until_live(page)
        assert server.process is not None
        server.process.kill()
        words(page, "overlay-title", "^Connection lost$")
        words(page, "overlay-words", "does not answer|no network")


WITHOUT = {
    "webrtc": ("delete window.RTCPeerConnection", "^This browser cannot show the call$", "needs WebRTC"),
    "codecs": (
        "RTCRtpReceiver.getCapabilities = () => ({ codecs: [{ mimeType: 'video/AV1' }] })",
        "^This browser cannot show the call$",
        r"neither H\.264 nor VP8",
    ),
    "a path": (
        """window.RTCPeerConnection = class extends RTCPeerConnection {
          constructor(given) { super({ ...given, iceTransportPolicy: "relay" }); }
          setConfiguration() {}
        }""",
        "^Cannot connect$",
        "firewall may block UDP",
    ),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_what_is_missing_is_said(browser: Browser, playground: FakeServer, what: str) -> None:
    script, title, reason = WITHOUT[what]
    context = browser.new_context()
    try:
        page = context.new_page()
        page.add_init_script(script)
        page.goto(playground.url)
        words(page, "overlay-title", title)
        words(page, "overlay-words", reason)
        page.goto("about:blank")
    finally:
        context.close()


def test_without_tls_the_page_says_why_there_is_no_microphone(
    browser: Browser, playground: FakeServer
) -> None:
    with opened(browser, playground.url) as page:
        page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        page.reload()
        wait_until_live(page)
        words(page, "hint", "https")
        page.get_by_test_id("start").click()
        words(page, "notice-words", "https")


ONLY_VP8 = """
const native = RTCRtpTransceiver.prototype.setCodecPreferences;
RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
  native.call(this, codecs.filter(({ mimeType }) => !mimeType.endsWith("H264")));
};
"""


def test_a_browser_without_h264_gets_vp8(browser: Browser, playground: FakeServer) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.add_init_script(ONLY_VP8)
        page.goto(playground.url)
        wait_until_live(page)
        page.get_by_test_id("meter-details").locator("summary").click()
        words(page, "meter-codec", "^VP8, 512 × 512$")
        page.goto("about:blank")
    finally:
        context.close()


def test_a_network_that_comes_back_is_used_at_once(browser: Browser, playground: FakeServer) -> None:
    with opened(browser, playground.url) as page:
        wait_until_live(page)
        session = kept(page, "session")
        page.context.set_offline(True)
        words(page, "overlay-words", "no network|does not answer")
        page.context.set_offline(False)
        wait_until_live(page)
        assert kept(page, "session") == session
