"""The page against the real server in a real browser: a real offer, real Opus, real decoded video."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.live_page import PORTRAITS, SPEECH, start_talking
from engine.avatar.landmarks import FaceLandmarker
from tests.e2e.faces import lip_gaps, pictures

pytestmark = pytest.mark.e2e

WAIT_MS = 60_000
AUDIBLE = 0.01  # RMS of full scale (-40 dBFS); the bundled speech peaks above 0.1
SILENT = 0.002  # Opus comfort noise and rounding stay well under -54 dBFS


@pytest.fixture(scope="module")
def landmarker() -> FaceLandmarker:
    return FaceLandmarker()


def test_portrait_is_alive_on_load(page: Page, landmarker: FaceLandmarker) -> None:
    before = page.evaluate("probe.inbound()")["video"]
    first, *_, last = images = pictures(page, count=12, interval_ms=200)
    after = page.evaluate("probe.inbound()")["video"]

    assert after["codec"]["mimeType"] == "video/H264"
    assert (after["frameWidth"], after["frameHeight"]) == (512, 512)
    assert after["framesDecoded"] > before["framesDecoded"]
    assert not np.array_equal(first, last), "the portrait stands still"
    gaps = lip_gaps(landmarker, images)
    assert not np.isnan(gaps).any(), "no face in the picture"
    assert page.evaluate("probe.loudness(1)") < SILENT


def test_microphone_is_spoken_and_comes_back(page: Page, landmarker: FaceLandmarker) -> None:
    closed = lip_gaps(landmarker, pictures(page, count=15))
    start_talking(page)
    expect(page.get_by_test_id("status-words")).to_have_text("Speaking", timeout=WAIT_MS)
    assert page.evaluate("probe.loudness(4)") > AUDIBLE
    spoken = lip_gaps(landmarker, pictures(page, count=40))

    assert not np.isnan(spoken).any(), "no face in the picture"
    # Inter-ocular distances. An open vowel parts the lips by 0.1 and more; landmarks of shut lips wobble by 0.01.
    assert np.quantile(spoken, 0.9) > np.quantile(closed, 0.9) + 0.03
    assert page.evaluate("document.querySelector('video').muted") is False

    page.get_by_test_id("start").click()
    expect(page.get_by_test_id("status-words")).to_have_text("Live", timeout=WAIT_MS)
    expect(page.get_by_test_id("start")).to_have_text(re.compile("Start talking"))


def test_loudspeakers_keep_the_sound_off(page: Page) -> None:
    start_talking(page, headphones=False)
    expect(page.get_by_test_id("sound")).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("document.querySelector('video').muted") is True
    page.get_by_test_id("sound").click()
    assert page.evaluate("document.querySelector('video').muted") is False


def test_sound_file_is_spoken_until_interrupted(page: Page) -> None:
    page.get_by_test_id("speech-file").set_input_files(SPEECH / "long.wav")
    expect(page.get_by_test_id("speech-time")).to_contain_text("/", timeout=WAIT_MS)
    expect(page.get_by_test_id("status-words")).to_have_text("Speaking", timeout=WAIT_MS)
    assert page.evaluate("probe.loudness(2)") > AUDIBLE

    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("speech")).to_be_hidden()
    expect(page.get_by_test_id("status-words")).to_have_text("Live", timeout=WAIT_MS)
    assert page.evaluate("probe.loudness(1)") < SILENT


def test_file_without_sound_is_refused_with_the_servers_line(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "words.wav"
    text.write_text("These are words, not sound.")
    page.get_by_test_id("speech-file").set_input_files(text)
    expect(page.get_by_test_id("notice-words")).to_have_text(
        re.compile("^Expected .*sound", re.I), timeout=WAIT_MS
    )
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "live")


def test_photo_becomes_the_avatar_and_can_be_deleted(page: Page, landmarker: FaceLandmarker) -> None:
    (default,) = pictures(page)
    _choose_photo(page, PORTRAITS / "astronaut.png")
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("upload-refusal")).to_contain_text("whose face")
    page.get_by_test_id("rights-public-domain").check()
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("upload-refusal")).to_contain_text("Confirm")
    page.get_by_test_id("consent").check()
    page.get_by_test_id("avatar-name").fill("Test <b>pilot</b>")
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("making")).to_be_visible()
    expect(page.get_by_test_id("upload-dialog")).to_be_hidden(timeout=2 * WAIT_MS)

    made = page.locator(".avatar[aria-pressed=true]")
    expect(made).to_contain_text("Test <b>pilot</b>")
    page.wait_for_timeout(1000)
    (shown,) = pictures(page)
    assert np.abs(shown.astype(int) - default).mean() > 10, "the picture still shows the default avatar"
    assert not np.isnan(lip_gaps(landmarker, [shown])).any()

    page.get_by_role("button", name="Delete Test").click()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("notice-words")).to_contain_text("deleted")
    expect(page.get_by_text("Test <b>pilot</b>", exact=True)).to_have_count(0)
    page.wait_for_timeout(1000)
    (back,) = pictures(page)
    assert np.abs(back.astype(int) - default).mean() < 10, "the default avatar did not come back"


def test_text_file_as_photo_is_refused_with_the_servers_line(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "portrait.jpg"
    text.write_text("This is a text, not a portrait.")
    _choose_photo(page, text)
    page.get_by_test_id("rights-self").check()
    page.get_by_test_id("consent").check()
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("upload-refusal")).to_have_text(
        re.compile("^Expected .*photo", re.I), timeout=WAIT_MS
    )
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "live")


def test_sliders_send_the_style(page: Page) -> None:
    for name in ("expressiveness", "head-motion"):
        page.get_by_test_id(name).fill("1.5")
    page.wait_for_timeout(300)
    last = [sent for sent in page.evaluate("probe.sent") if sent["type"] == "style"][-1]
    assert last == {"type": "style", "expressiveness": 1.5, "head_motion": 1.5}
    assert not [got for got in page.evaluate("probe.received") if got["type"] == "error"]


def test_meter_shows_what_the_server_and_the_browser_measure(page: Page) -> None:
    expect(page.get_by_test_id("meter-fps")).to_have_text(re.compile(r"\d fps"), timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-latency")).to_have_text(re.compile(r"\d ms"), timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-repeated")).to_have_text(re.compile(r"\d %"), timeout=WAIT_MS)
    page.get_by_test_id("meter-details").locator("summary").click()
    expect(page.get_by_test_id("meter-stages").locator("li").first).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-av-offset")).to_have_text(re.compile(r"\d ms"), timeout=WAIT_MS)
    assert [sent for sent in page.evaluate("probe.sent") if sent["type"] == "playout"]


def test_hang_up_ends_the_call_and_start_begins_another(page: Page) -> None:
    with page.expect_request(lambda request: request.method == "DELETE" and "/api/calls/" in request.url):
        page.get_by_test_id("hang-up").click()
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "ended")
    expect(page.get_by_test_id("overlay-title")).to_have_text("Call ended")
    page.get_by_test_id("retry").click()
    page.wait_for_selector('[data-testid="stage"][data-state="live"].playing', timeout=WAIT_MS)


def _choose_photo(page: Page, photo: Path) -> None:
    page.get_by_test_id("add-avatar").click()
    page.get_by_test_id("photo-file").set_input_files(photo)
