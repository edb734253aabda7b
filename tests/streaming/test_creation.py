"""How the process that makes an avatar ends."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from streaming import creation
from streaming.avatar_jobs import AvatarJobs
from streaming.avatars import AvatarStore
from streaming.creation import CreationRequest, Progress, create, real_creator
from streaming.settings import ServeSettings
from tests.engine.render.made_up import sheet_avatar
from tests.streaming.fake_engine import fake_creator
from tests.streaming.websocket.client import until


def lingering_creator(request: CreationRequest, progress: Progress) -> dict[str, Any]:
    """Says that it is done, and ends when it is let go."""

    def linger() -> None:
        threading.main_thread().join()
        (request.directory / "lingers").touch()
        while not (request.directory / "go").exists():
            time.sleep(0.01)
        (request.directory / "ended").touch()

    threading.Thread(target=linger).start()
    return {"face_px": 300}


async def test_a_process_that_is_slow_to_end_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "END_S", 30.0)

    async def let_go() -> None:
        await until((tmp_path / "lingers").exists)
        await asyncio.sleep(0.1)  # by now it is waited for
        (tmp_path / "go").touch()

    beside = asyncio.create_task(let_go())
    request = CreationRequest(tmp_path / "photo", tmp_path, "self")
    report = await create("tests.streaming.test_creation:lingering_creator", request, lambda step, part: None)
    await beside
    assert report == {"face_px": 300}
    assert (tmp_path / "ended").exists()  # it was not killed


async def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    request = CreationRequest(tmp_path / "photo", tmp_path, "self")
    await create("tests.streaming.test_creation:lingering_creator", request, lambda step, part: None)
    (tmp_path / "go").touch()
    assert not (tmp_path / "ended").exists()


def portraits_are_fake(request: CreationRequest, progress: Progress) -> dict[str, Any]:
    """Bundles are real."""
    return (real_creator if request.rights is None else fake_creator)(request, progress)


async def test_the_bundle_of_the_command_line_may_have_any_name_and_states_its_rights(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path / "avatars", 60.0)
    settings = ServeSettings(
        avatar=tmp_path / "me.bundle", creator="tests.streaming.test_creation:portraits_are_fake"
    )
    jobs = AvatarJobs(settings, store, lambda work, name: None)
    sheet_avatar(rights="self").save(tmp_path / "me.bundle")
    await jobs.make_default()
    assert (store.default, store.get("command-line").rights) == ("command-line", "self")
    (tmp_path / "me.bundle").write_bytes(b"no bundle")
    with pytest.raises(InputError, match="expected an avatar bundle at"):
        await jobs.make_default()
