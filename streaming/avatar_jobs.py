"""Makes avatars one at a time, of the bundled portraits and of uploads, and puts them into the store."""

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from engine.avatar.avatar import Rights
from engine.errors import InputError
from streaming.avatars import BUNDLED, PORTRAITS, AvatarEntry, AvatarStore, new_id, portrait_key
from streaming.creation import MAX_QUEUED, CreationJob, CreationRequest, Progress, RefusedError, create
from streaming.engine_port import load_object
from streaming.errors import FullError, UnknownJobError
from streaming.settings import ServeSettings

KEPT_JOBS: Final = 64

logger = logging.getLogger(__name__)


class AvatarJobs:
    """Every avatar that is being made, and those that were made last."""

    def __init__(
        self,
        settings: ServeSettings,
        store: AvatarStore,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        """``spawn(work, name)`` lets work go on beside its caller."""
        self._settings = settings
        self._store = store
        self._spawn = spawn
        self._jobs: dict[str, CreationJob] = {}
        self._one_at_a_time = asyncio.Lock()

    async def make_default(self) -> None:
        """Make the default portrait, unless it is there, and the avatar of the command line.

        Raises:
            InputError: the avatar of the command line cannot be used.
        """
        self._store.forget_bundled({stem: portrait_key(_portrait(stem)) for stem in BUNDLED})
        first = next(iter(BUNDLED))
        await self._make_portrait(first)
        self._store.set_default(first)
        given = self._settings.avatar
        if given is not None:
            if not given.is_file():
                raise InputError(f"expected an avatar bundle, but there is no file {given}")
            request = self._request("command-line", given, None)
            await self._make(request, "command-line", given.stem, bundled=True, default=True)

    async def make_bundled(self) -> None:
        """Make the other portraits, unless they are there."""
        for stem in list(BUNDLED)[1:]:
            await self._make_portrait(stem)

    async def check_photo(self, photo: bytes) -> None:
        """Refuse at once what is no picture, is damaged, or is too large.

        Raises:
            PhotoError: says which.
        """
        await asyncio.to_thread(load_object(self._settings.photo_check), photo)

    def begin(self, photo: bytes, rights: Rights, face: int | None, name: str) -> CreationJob:
        """Begin to make an avatar from an uploaded photo.

        Raises:
            FullError: too many photos wait.
        """
        waiting = sum(not job.over for job in self._jobs.values())
        if waiting >= MAX_QUEUED:
            raise FullError(f"expected at most {MAX_QUEUED} photos at a time: try again later")
        over = [job.id for job in self._jobs.values() if job.over]
        for old in over[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[old]
        job = CreationJob(new_id())
        self._jobs[job.id] = job
        self._spawn(self._make_upload(job, photo, rights, face, name), "creation")
        return job

    def get(self, name: str) -> CreationJob:
        """Look a job up.

        Raises:
            UnknownJobError: there is none with this id.
        """
        job = self._jobs.get(name)
        if job is None:
            raise UnknownJobError(f"there is no avatar job {name[:40]!r}")
        return job

    async def _make_portrait(self, stem: str) -> None:
        if self._store.has(stem):
            return
        logger.info("making the avatar of %s, once", BUNDLED[stem])
        portrait = _portrait(stem)
        request = self._request(stem, portrait, "public-domain")
        await self._make(request, stem, BUNDLED[stem], bundled=True, key=portrait_key(portrait))

    async def _make_upload(
        self, job: CreationJob, photo: bytes, rights: Rights, face: int | None, name: str
    ) -> None:
        avatar = new_id()

        def progress(step: str, fraction: float) -> None:
            job.tell("progress", {"step": step, "fraction": round(float(fraction), 3)})

        progress("waiting", 0.0)
        try:
            with tempfile.TemporaryDirectory(prefix="vividlive-") as folder:
                path = Path(folder) / "photo"
                await asyncio.to_thread(path.write_bytes, photo)
                request = self._request(avatar, path, rights, face)
                entry = await self._make(request, avatar, name, bundled=False, progress=progress)
            job.tell("done", {"avatar": entry.public()})
        except RefusedError as error:
            job.tell("refused", {"error": str(error)} | ({"faces": error.faces} if error.faces else {}))
        except asyncio.CancelledError:
            job.tell("refused", {"error": "the server is stopping"})
            raise
        except Exception:
            logger.exception("making an avatar failed")
            job.tell("refused", {"error": "making the avatar failed, see the server's log"})

    def _request(
        self, avatar: str, photo: Path, rights: Rights | None, face: int | None = None
    ) -> CreationRequest:
        return CreationRequest(photo, self._store.made(avatar), rights, face, self._settings.size)

    async def _make(
        self,
        request: CreationRequest,
        avatar: str,
        name: str,
        *,
        bundled: bool,
        default: bool = False,
        key: str = "",
        progress: Progress = lambda step, fraction: None,
    ) -> AvatarEntry:
        try:
            async with self._one_at_a_time:
                report = await create(self._settings.creator, request, progress)
                rights = report.pop("rights", request.rights)
                entry = AvatarEntry(avatar, name, bundled, rights, time.time(), report, key)
                self._store.add(entry, request.directory, default=default)
        finally:
            shutil.rmtree(request.directory, ignore_errors=True)
        return entry


def _portrait(stem: str) -> Path:
    return next(path for path in PORTRAITS.iterdir() if path.stem == stem)
