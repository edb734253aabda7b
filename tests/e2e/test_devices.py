"""What the page does with microphone, camera and recordings when a call ends or is left: fake engine, real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.live_page import opened, start_talking, wait_until_live
from tests.e2e.servers import FakeServer, fake_server

pytestmark = pytest.mark.e2e

WAIT_MS = 60_000
ASKING = """
const given = [];
let permission = Promise.resolve();
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (asked) => {
  await permission;
  const stream = await open(asked);
  given.push(...stream.getTracks());
  return stream;
};
window.devices = {
  ask: () => (permission = new Promise((resolve) => (window.devices.allow = resolve))),
  open: () => given.filter((track) => track.readyState === "live").length,
  count: () => given.length,
};
"""
"""Makes the browser's permission wait between ``devices.ask()`` and ``devices.allow()``; ``open()`` counts open devices."""


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[FakeServer]:
    with fake_server(max_faces="0") as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: FakeServer) -> Iterator[Page]:
    with opened(browser, server.url) as page:
        page.add_init_script(ASKING)
        page.reload()
        wait_until_live(page)
        yield page


def state(page: Page, name: str) -> None:
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", name, timeout=WAIT_MS)


def comes(page: Page, expression: str) -> None:
    """Wait until it holds; asked from here, as the page's own policy lets nothing be evaluated inside it later."""
    for _ in range(WAIT_MS // 100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"expected {expression}")


def record(page: Page) -> None:
    page.get_by_test_id("record").click()
    expect(page.get_by_test_id("record-words")).to_have_text("Stop 0:01", timeout=WAIT_MS)


def saved(page: Page, press: Callable[[], None]) -> None:
    with page.expect_download(timeout=WAIT_MS) as downloading:
        press()
    assert downloading.value.suggested_filename.endswith(".mp4")
    expect(page.get_by_test_id("record-words")).to_have_text("Record", timeout=WAIT_MS)


def test_a_permission_that_comes_after_hanging_up_opens_nothing(page: Page) -> None:
    start_talking(page)
    page.get_by_test_id("start").click()
    assert page.evaluate("devices.open()") == 0
    page.evaluate("() => void devices.ask()")
    page.get_by_test_id("start").click()
    page.get_by_test_id("start").click(force=True)  # once more while the browser asks: nothing
    page.get_by_test_id("hang-up").click()
    state(page, "ended")
    page.evaluate("() => devices.allow()")
    comes(page, "devices.count() === 2 && devices.open() === 0")
    state(page, "ended")
    expect(page.get_by_test_id("start-words")).to_have_text("Start talking")
    start_again = page.get_by_test_id("start")
    start_again.click()
    wait_until_live(page)
    assert page.evaluate("devices.open()") == 1


def test_a_microphone_that_cannot_be_heard_is_given_back(page: Page) -> None:
    start_talking(page)
    page.get_by_test_id("start").click()
    page.evaluate(
        """() => { window.AudioContext = class {
            constructor() { throw new DOMException("rates differ", "NotSupportedError"); }
        }; }"""
    )
    page.get_by_test_id("start").click()
    words = page.get_by_test_id("notice-words")
    expect(words).to_contain_text("cannot be opened (NotSupportedError)", timeout=WAIT_MS)
    assert page.evaluate("devices.count() === 2 && devices.open() === 0")


def test_buttons_keep_the_keyboards_focus(page: Page) -> None:
    start_talking(page)
    start = page.get_by_test_id("start")
    start.focus()
    for words in ("Start talking", "Stop talking", "Start talking"):
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("start-words")).to_have_text(words, timeout=WAIT_MS)
        expect(start).to_be_focused()


def test_where_no_face_may_drive_none_is_offered(page: Page) -> None:
    expect(page.get_by_test_id("drive-card")).to_be_hidden()


def test_a_recording_goes_on_over_a_reload(page: Page) -> None:
    record(page)
    page.reload()
    wait_until_live(page)
    expect(page.get_by_test_id("record-words")).to_contain_text("Stop 0:")
    saved(page, page.get_by_test_id("record").click)


def test_hanging_up_mutes_at_once_and_a_recording_can_still_be_saved(page: Page) -> None:
    start_talking(page)
    record(page)
    page.route("**/api/recordings/**", lambda route: route.abort())
    page.get_by_test_id("hang-up").click()
    comes(page, "devices.open() === 0")
    state(page, "ended")
    expect(page.get_by_test_id("notice-words")).to_contain_text("recording was not saved", timeout=WAIT_MS)
    page.unroute("**/api/recordings/**")
    saved(page, page.get_by_test_id("record").click)
    expect(page.get_by_test_id("record")).to_be_disabled()


def test_a_recording_that_was_deleted_is_given_up(page: Page) -> None:
    record(page)
    page.evaluate(
        "async () => { const { recordings } = await (await fetch('/api/recordings')).json();"
        " await fetch(`/api/recordings/${recordings[0].recording}`, { method: 'DELETE' }); }"
    )
    page.get_by_test_id("record").click()
    expect(page.get_by_test_id("notice-words")).to_contain_text("was not saved", timeout=WAIT_MS)
    expect(page.get_by_test_id("record-words")).to_have_text("Record")
    record(page)
    saved(page, page.get_by_test_id("record").click)


def test_interrupting_stops_a_file_on_its_way(page: Page) -> None:
    page.route("**/speech", lambda route: None)  # never answered
    page.get_by_test_id("sample").click()
    expect(page.get_by_test_id("speech-time")).to_have_text("sending", timeout=WAIT_MS)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/speech"), timeout=WAIT_MS):
        page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("speech")).to_be_hidden()
    expect(page.get_by_test_id("notice")).to_be_hidden()


def test_an_avatar_that_is_no_longer_wanted_is_listed_only(page: Page) -> None:
    page.get_by_test_id("add-avatar").click()
    page.get_by_test_id("photo-file").set_input_files(
        {"name": "first.jpg", "mimeType": "image/jpeg", "buffer": b"slow"}
    )
    page.get_by_test_id("rights-self").check()
    page.get_by_test_id("consent").check()
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("making")).to_be_visible()
    second = {"name": "second.jpg", "mimeType": "image/jpeg", "buffer": b"a face"}
    page.get_by_test_id("photo-file").set_input_files(second)
    expect(page.get_by_test_id("avatars")).to_contain_text("first", timeout=WAIT_MS)
    expect(page.get_by_test_id("upload-dialog")).to_be_visible()
    expect(page.get_by_test_id("photo-name")).to_have_text("second.jpg")
    expect(page.get_by_test_id("avatar-grace_hopper")).to_have_attribute("aria-pressed", "true")
