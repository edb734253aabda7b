from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from streaming.page_files import PageFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    page = tmp_path / "page"
    page.mkdir()
    (page / "main.js").write_text("old")
    (page / "icon.svg").write_text("<svg/>")
    return page


async def test_files_are_answered_and_read_again_when_they_change(folder: Path) -> None:
    app = Starlette(routes=[Mount("/static", PageFiles(folder))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        first = await client.get("/static/main.js")
        assert (first.text, first.headers["cache-control"]) == ("old", "no-cache")
        assert first.headers["content-type"].startswith("text/javascript")
        assert (await client.get("/static/icon.svg")).headers["content-type"].startswith("image/svg")
        known = {"If-None-Match": first.headers["etag"]}
        assert (await client.get("/static/main.js", headers=known)).status_code == 304
        (folder / "main.js").write_text("newer")
        second = await client.get("/static/main.js", headers=known)
        assert (second.status_code, second.text) == (200, "newer")


@pytest.mark.parametrize("path", ["nothing.js", "../secret", "%2e%2e/secret", "page/../main.js/", ""])
async def test_nothing_else_is_answered(folder: Path, path: str) -> None:
    app = Starlette(routes=[Mount("/static", PageFiles(folder))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        assert (await client.get(f"/static/{path}")).status_code in (307, 404)
        assert (await client.post("/static/main.js")).status_code == 405
