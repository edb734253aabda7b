"""The page lets the user's face drive the avatar: a film in place of the camera, the real tracker, a drawn engine."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, Playwright, expect

from benchmarks.live_page import PORTRAITS, launched, opened, wait_until_live
from engine.avatar.create import create_avatar
from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from tests.e2e.faces import pictures
from tests.e2e.servers import fake_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

WAIT_MS = 300_000
SESSION = "JSON.parse(sessionStorage.getItem('vividlive.session'))"
SHUT_FRAMES, OPEN_FRAMES = 60, 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that shuts and opens its mouth, 25 pictures a second, as Y4M."""
    renderer = GeometricRenderer(create_avatar(PORTRAITS / "grace_hopper.jpg"), 512)

    def face(jaw: float) -> NDArray[np.uint8]:
        shapes = np.zeros(52, np.float32)
        shapes[ARKIT_INDEX["jawOpen"]] = jaw
        rgbx = renderer.render(Motion(0, shapes, np.zeros(6, np.float32)), StageTimer())
        return np.ascontiguousarray(rgbx.view(np.uint8).reshape(512, 512, 4)[..., :3])

    path = tmp_path_factory.mktemp("film") / "face.y4m"
    with av.open(str(path), "w", format="yuv4mpegpipe") as container:
        stream = container.add_stream("wrapped_avframe", rate=25)
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for image in [face(0.0)] * SHUT_FRAMES + [face(0.7)] * OPEN_FRAMES:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def page(playwright: Playwright, film: Path) -> Iterator[Page]:
    with (
        fake_server() as server,
        launched(playwright, camera=film) as browser,
        opened(browser, server.url) as page,
    ):
        wait_until_live(page)
        yield page


def mouth_open(picture: NDArray[np.uint8]) -> bool:
    """Whether the drawn mouth of the fake engine is."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    side = luma.shape[0]
    return bool(luma[side * 3 // 4 - side // 40, luma.shape[1] // 2] < 70)


def seen_when(page: Page, holds: Callable[[NDArray[np.uint8]], bool]) -> bool:
    end = time.monotonic() + WAIT_MS / 1e3
    while time.monotonic() < end:
        wait_until_live(page)  # a busy machine may lose the call, which comes back
        if any(holds(picture) for picture in pictures(page, count=5)):
            return True
    return False


def test_the_face_drives_the_avatar_until_the_voice_is_chosen(page: Page) -> None:
    assert not any(mouth_open(picture) for picture in pictures(page, count=10))
    expect(page.get_by_test_id("drive-by")).to_be_visible()
    expect(page.get_by_test_id("drive-card")).to_contain_text("never stored")

    page.get_by_test_id("drive-face").click()
    expect(page.get_by_test_id("drive-face")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("drive-words")).to_have_text(
        "The avatar does what your face does.", timeout=WAIT_MS
    )
    assert seen_when(page, mouth_open)
    assert seen_when(page, lambda picture: not mouth_open(picture))
    expect(page.get_by_test_id("face-rest")).to_be_visible()
    page.get_by_test_id("face-rest").click()

    with opened(page.context.browser, page.url + "?join=" + page.evaluate(SESSION)) as second:
        wait_until_live(second)
        second.get_by_test_id("drive-face").click()
        expect(second.get_by_test_id("notice-words")).to_contain_text("face", timeout=WAIT_MS)
        expect(second.get_by_test_id("drive-words")).to_have_text("Your camera is off.")
        expect(second.get_by_test_id("drive-voice")).to_have_attribute("aria-pressed", "true")

    page.get_by_test_id("drive-voice").click()
    expect(page.get_by_test_id("drive-words")).to_have_text("Your camera is off.")
    page.wait_for_timeout(3_000)
    assert not any(mouth_open(picture) for picture in pictures(page, count=40))
    expect(page.get_by_test_id("stage")).to_have_attribute("data-state", "live")

    page.get_by_test_id("drive-face").click()
    expect(page.get_by_test_id("drive-face")).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    page.get_by_test_id("hang-up").click()
    expect(page.get_by_test_id("drive-words")).to_have_text("Your camera is off.")
    expect(page.get_by_test_id("drive-face")).to_be_disabled()
