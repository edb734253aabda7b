"""The recordings of a server: those that are being made, and those that are kept for a time."""

import asyncio
import logging
import re
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import InputError
from engine.files import output_folder
from streaming.avatars import new_id
from streaming.recorder import Recorder
from streaming.session import AvatarSession, BusyError

MOST_S: Final = 2 * 3600.0
MOST_BYTES: Final = 2_000_000_000
"""A recording that reaches one of these ends."""

logger = logging.getLogger(__name__)


class UnknownRecordingError(InputError):
    """There is no such recording: HTTP 404."""


@dataclass(frozen=True)
class RecordingInfo:
    """What is told about a recording.

    created_s: when it began, in unix time; of one that an earlier server made, when it was last written.
    ended: why it ended; None while it runs.
    """

    recording: str
    created_s: float
    size_bytes: int
    ended: str | None


class Recordings:
    """The MP4s below one directory, by unguessable names. All methods belong to the event loop."""

    def __init__(self, directory: Path, lifetime_s: float, clock: Callable[[], float] = time.time) -> None:
        """``clock()`` is wall time in seconds: a lifetime goes on while the server is down."""
        self.directory = directory
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._recorders: dict[str, Recorder] = {}
        self._begun_s: dict[str, float] = {}
        # Not by the session's name: one that is shared has its avatar's, which comes again.
        self._newest: weakref.WeakKeyDictionary[AvatarSession, str] = weakref.WeakKeyDictionary()
        output_folder(directory, mode=0o700)
        self.sweep()

    def start(self, session: AvatarSession) -> RecordingInfo:
        """Begin to record a session.

        Raises:
            BusyError: it is being recorded already.
        """
        before = self._recorders.get(self._newest.get(session, ""))
        if before is not None and before.ended is None:
            raise BusyError("expected a session that nobody records yet: stop that recording first")
        name = new_id()
        path = self._path(name)
        path.touch(mode=0o600)
        self._recorders[name] = Recorder(session, path, most_s=MOST_S, most_bytes=MOST_BYTES)
        self._begun_s[name] = self._clock()
        self._newest[session] = name
        return self.info(name)

    def of_session(self, session: AvatarSession) -> str:
        """The newest recording of a session.

        Raises:
            UnknownRecordingError: it was never recorded.
        """
        if session not in self._newest:
            raise UnknownRecordingError("this call has not been recorded")
        return self._newest[session]

    async def finish(self, name: str) -> RecordingInfo:
        """Stop a recording, if it still runs, and wait until its file is complete."""
        if name in self._recorders:
            await self._recorders[name].stop()
        return self.info(name)

    def info(self, name: str) -> RecordingInfo:
        """What is known about a recording.

        Raises:
            UnknownRecordingError: there is none with this name.
        """
        state = self._existing(name).stat()
        recorder = self._recorders.get(name)
        begun_s = self._begun_s.get(name, state.st_mtime)
        ended = recorder.ended if recorder is not None else "kept"
        return RecordingInfo(name, round(begun_s, 3), state.st_size, ended)

    def all(self) -> list[RecordingInfo]:
        """All recordings, the newest first."""
        infos = []
        for path in self.directory.glob("*.mp4"):
            with suppress(UnknownRecordingError):  # a file of somebody else's
                infos.append(self.info(path.stem))
        return sorted(infos, key=lambda info: -info.created_s)

    async def file(self, name: str) -> Path:
        """The file of a recording that is over.

        Raises:
            UnknownRecordingError: there is none with this name.
            BusyError: it still runs.
        """
        self._existing(name)
        if name in self._recorders:
            if self._recorders[name].ended is None:
                raise BusyError("expected a recording that has ended: stop it first")
            await self._recorders[name].stop()  # its last fragment may be on its way to the disk
        return self._existing(name)

    async def delete(self, name: str) -> None:
        """Stop a recording, if it still runs, and delete its file.

        Raises:
            UnknownRecordingError: there is none with this name.
        """
        path = self._existing(name)
        await self.finish(name)
        self._forget(path)

    def sweep(self) -> None:
        """Delete the recordings whose lifetime is over."""
        oldest = self._clock() - self._lifetime_s
        for path in self.directory.glob("*.mp4"):
            recorder = self._recorders.get(path.stem)
            try:
                if (recorder is None or recorder.ended is not None) and path.stat().st_mtime < oldest:
                    self._forget(path)
            except OSError as error:  # as on Windows while somebody fetches it
                logger.error("a recording cannot be deleted: %s", error)

    async def stop(self) -> None:
        """Complete every file."""
        await asyncio.gather(*(recorder.stop() for recorder in self._recorders.values()))

    def _forget(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._recorders.pop(path.stem, None)
        self._begun_s.pop(path.stem, None)
        for session in [session for session, name in self._newest.items() if name == path.stem]:
            del self._newest[session]

    def _existing(self, name: str) -> Path:
        if not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII) or not self._path(name).is_file():
            raise UnknownRecordingError(f"there is no recording {name[:40]!r}: it may have been deleted")
        return self._path(name)

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.mp4"
