"""The running server answers every photo that cannot become an avatar with 422 and one line, and goes on."""

import httpx
import pytest

from tests.bad_photos import bad_photos

pytestmark = pytest.mark.e2e

PHOTOS = bad_photos()


@pytest.mark.parametrize("name", PHOTOS)
def test_a_bad_photo_is_refused_and_the_server_goes_on(url: str, name: str) -> None:
    data, words = PHOTOS[name]
    answer = httpx.post(
        f"{url}/api/avatars", files={"photo": ("photo.jpg", data)}, data={"rights": "self"}, timeout=120
    )
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["error"] and "\n" not in answer.json()["error"]
    assert (len(answer.json()["faces"]) == 2) if name == "two faces" else ("faces" not in answer.json())
    assert httpx.get(f"{url}/healthz", timeout=30).status_code == 200
