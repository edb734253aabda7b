"""The page against the real server in a real browser: a real offer, real Opus, real decoded video."""

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Playwright, expect

from benchmarks.live_page import PORTRAITS, SPEECH, launched, opened, start_talking, wait_until_live
from engine.avatar.landmarks import FaceLandmarker
from tests.e2e.faces import lip_gaps, pictures

pytestmark = pytest.mark.e2e

Picture = NDArray[np.uint8]

WAIT_MS = 60_000
AUDIBLE = 0.01  # RMS of full scale (-40 dBFS); the bundled speech peaks above 0.1
SILENT = 0.002  # Opus comfort noise and rounding stay well under -54 dBFS
DIFFERENT = 30.0  # levels: a swaying head differs from itself by up to 12, the two bundled portraits by 90


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
    expect(page.get_by_test_id("sound")).to_have_text(re.compile("Sound off"))
    assert page.evaluate("document.querySelector('video').muted") is True
    page.get_by_test_id("sound").click()
    assert page.evaluate("document.querySelector('video').muted") is False


def test_sound_file_is_spoken_until_interrupted(page: Page) -> None:
    page.get_by_test_id("speech-file").set_input_files(SPEECH / "long.wav")
    expect(page.get_by_test_id("speech-time")).to_contain_text("/", timeout=WAIT_MS)
    expect(page.get_by_test_id("status-words")).to_have_text("Speaking", timeout=WAIT_MS)
    assert page.evaluate("probe.loudness(2)") > AUDIBLE

    page.evaluate(
        "() => { const video = document.querySelector('video'); let seen = '';"
        " video.addEventListener('volumechange', () => { video.dataset.volumes = seen += video.volume; }); }"
    )
    page.get_by_test_id("clear").click()
    expect(page.get_by_test_id("avatar-video")).to_have_attribute(
        "data-volumes", "01"
    )  # hushed, and loud again
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
    shown = _picture_when(page, lambda picture: _apart(picture, default) > DIFFERENT)
    assert shown is not None, "the picture still shows the default avatar"
    assert not np.isnan(lip_gaps(landmarker, [shown])).any()

    page.get_by_role("button", name="Delete Test").click()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("notice-words")).to_contain_text("deleted")
    expect(page.get_by_text("Test <b>pilot</b>", exact=True)).to_have_count(0)
    # A head sways, so no fixed distance says that it is the same one: it is the nearer of the two.
    back = _picture_when(page, lambda picture: _apart(picture, default) < _apart(picture, shown))
    assert back is not None, "the default avatar did not come back"


def test_text_file_as_photo_is_refused_with_the_servers_line(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "portrait.jpg"
    text.write_text("This is a text, not a portrait.")
    _choose_photo(page, text)
    page.get_by_test_id("rights-self").check()
    page.get_by_test_id("consent").check()
    page.get_by_test_id("upload-submit").click()
    expect(page.get_by_test_id("upload-refusal")).to_have_text(
        re.compile("^Expected .*photo", re.I), timeout=2 * WAIT_MS
    )
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "live")


def test_one_of_several_faces_is_picked(page: Page, tmp_path: Path) -> None:
    one = cv2.imread(str(PORTRAITS / "astronaut.png"))
    two = tmp_path / "two.png"
    cv2.imwrite(str(two), np.hstack([one, one[:, ::-1]]))
    _choose_photo(page, two)
    page.get_by_test_id("rights-public-domain").check()
    page.get_by_test_id("consent").check()
    page.get_by_test_id("upload-submit").click()

    expect(page.locator(".face")).to_have_count(2, timeout=2 * WAIT_MS)
    photo = page.get_by_test_id("photo-preview").bounding_box()
    middles = []
    for number in (0, 1):
        box = page.get_by_test_id(f"face-{number}").bounding_box()
        assert photo is not None and box is not None
        middles.append((box["x"] + box["width"] / 2 - photo["x"]) / photo["width"])
    # The face is at 0.43 of the portrait's width; the second portrait is the first one mirrored.
    assert sorted(middles) == pytest.approx([0.22, 0.78], abs=0.05)

    page.get_by_test_id("face-1").click()
    expect(page.get_by_test_id("upload-dialog")).to_be_hidden(timeout=2 * WAIT_MS)
    expect(page.locator(".avatar[aria-pressed=true]")).to_contain_text("two")
    page.get_by_role("button", name="Delete two").click()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("notice-words")).to_contain_text("deleted")


DROP = """([name, type]) => {
  const carried = new DataTransfer();
  carried.items.add(new File(["made up"], name, { type }));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""


def test_dropped_files_go_where_they_belong(page: Page) -> None:
    page.evaluate(DROP, ["notes.txt", "text/plain"])
    expect(page.get_by_test_id("notice-words")).to_contain_text("neither a photo nor a sound file")
    page.evaluate(DROP, ["words.mp3", "audio/mpeg"])
    expect(page.get_by_test_id("notice-words")).to_contain_text("sound", timeout=WAIT_MS)
    page.evaluate(DROP, ["portrait.png", "image/png"])
    expect(page.get_by_test_id("upload-dialog")).to_be_visible()
    expect(page.get_by_test_id("photo-name")).to_have_text("portrait.png")


def test_sliders_send_the_style(page: Page) -> None:
    for name in ("expressiveness", "head-motion"):
        page.get_by_test_id(name).fill("1.5")
    page.wait_for_timeout(300)
    last = [sent for sent in page.evaluate("probe.sent") if sent["type"] == "style"][-1]
    # Nobody has touched the mood: it is left as an agent may have set it.
    assert last == {"type": "style", "expressiveness": 1.5, "head_motion": 1.5}
    assert not [got for got in page.evaluate("probe.received") if got["type"] == "error"]


def test_the_mood_slider_sends_the_mood_and_says_it_in_words(page: Page) -> None:
    def last() -> Any:
        page.wait_for_timeout(300)
        return [sent for sent in page.evaluate("probe.sent") if sent["type"] == "style"][-1]

    slider = page.get_by_role("slider", name="Mood")
    for value, words in (("0.5", "cheerful 0.50"), ("-1", "sad 1.00"), ("0", "calm")):
        slider.fill(value)
        expect(page.get_by_test_id("mood-value")).to_have_text(words)
        expect(slider).to_have_attribute("aria-valuetext", words)
        assert last() == {"type": "style", "expressiveness": 1, "head_motion": 1, "mood": float(value)}
    slider.press("ArrowLeft")
    expect(page.get_by_test_id("mood-value")).to_have_text("sad 0.05")
    page.get_by_test_id("style-reset").click()
    expect(page.get_by_test_id("mood-value")).to_have_text("calm")
    assert last()["mood"] == 0
    page.get_by_test_id("head-motion").fill("0.5")
    assert last() == {"type": "style", "expressiveness": 1, "head_motion": 0.5, "mood": 0}
    assert not [got for got in page.evaluate("probe.received") if got["type"] == "error"]


def test_meter_shows_what_the_server_and_the_browser_measure(page: Page) -> None:
    expect(page.get_by_test_id("meter-fps")).to_have_text(re.compile(r"\d fps"), timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-latency")).to_have_text(re.compile(r"\d ms"), timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-repeated")).to_have_text(re.compile(r"\d %"), timeout=WAIT_MS)
    page.get_by_test_id("meter-details").locator("summary").click()
    expect(page.get_by_test_id("meter-stages").locator("li").first).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_test_id("meter-av-offset")).to_have_text(re.compile(r"\d ms"), timeout=WAIT_MS)
    assert [sent for sent in page.evaluate("probe.sent") if sent["type"] == "playout"]


def test_a_recording_is_saved_when_it_is_stopped_and_when_the_call_is_ended(
    page: Page, tmp_path: Path
) -> None:
    for end in ("record", "hang-up"):
        page.get_by_test_id("record").click()
        expect(page.get_by_test_id("record-words")).to_have_text("Stop 0:02", timeout=WAIT_MS)
        with page.expect_download(timeout=WAIT_MS) as downloading:
            page.get_by_test_id(end).click()
        expect(page.get_by_test_id("record-words")).to_have_text("Record", timeout=WAIT_MS)
        assert downloading.value.suggested_filename.startswith("vividlive-")
        saved = tmp_path / f"{end}.mp4"
        downloading.value.save_as(saved)
        with av.open(saved) as file:
            assert file.streams.video[0].width == 512
            assert sum(1 for _ in file.decode(audio=0)) > 25
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "ended")


def test_hang_up_ends_the_call_and_start_begins_another(page: Page) -> None:
    with page.expect_request(lambda request: request.method == "DELETE" and "/api/calls/" in request.url):
        page.get_by_test_id("hang-up").click()
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "ended")
    expect(page.get_by_test_id("overlay-title")).to_have_text("Call ended")
    page.get_by_test_id("retry").click()
    page.wait_for_selector('[data-testid="stage"][data-state="live"].playing', timeout=WAIT_MS)


def test_call_that_the_server_ends_comes_back(page: Page, url: str) -> None:
    with page.expect_response(lambda answer: answer.url.endswith("/api/calls")) as placed:
        page.reload()
    wait_until_live(page)
    first = placed.value.json()
    with page.expect_response(lambda answer: answer.url.endswith("/api/calls")) as placed:
        urllib.request.urlopen(
            urllib.request.Request(f"{url}/api/calls/{first['call']}", method="DELETE"), timeout=20
        ).close()
    second = placed.value.json()
    assert (second["session"], second["call"] != first["call"]) == (first["session"], True)
    wait_until_live(page)
    expect(page.get_by_test_id("overlay")).to_be_hidden()


def test_server_that_does_not_answer_is_said_and_asked_again(page: Page) -> None:
    page.route("**/api/config", lambda route: route.abort())
    page.reload()
    expect(page.get_by_test_id("overlay-title")).to_have_text("Cannot connect", timeout=WAIT_MS)
    expect(page.get_by_test_id("overlay-words")).to_contain_text("does not answer")
    page.unroute("**/api/config")
    page.get_by_test_id("retry").click()
    wait_until_live(page)


def test_refused_microphone_is_explained(playwright: Playwright, url: str) -> None:
    with launched(playwright, allow_microphone=False) as browser, opened(browser, url) as page:
        wait_until_live(page)
        page.get_by_test_id("start").click()
        page.get_by_test_id("choose-headphones").click()
        expect(page.get_by_test_id("notice-words")).to_contain_text("refused the microphone", timeout=WAIT_MS)
        expect(page.get_by_test_id("start")).to_be_enabled()
        expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "live")


def _picture_when(page: Page, holds: Callable[[Picture], bool]) -> Picture | None:
    """The first picture of which something holds; None when there was none for as long as a test waits."""
    for _ in range(WAIT_MS // 500):
        (picture,) = pictures(page)
        if holds(picture):
            return picture
        page.wait_for_timeout(500)
    return None


def _apart(first: Picture, second: Picture) -> float:
    """Mean difference of two pictures, in levels."""
    return float(np.abs(first.astype(int) - second).mean())


def _choose_photo(page: Page, photo: Path) -> None:
    page.get_by_test_id("add-avatar").click()
    page.get_by_test_id("photo-file").set_input_files(photo)
