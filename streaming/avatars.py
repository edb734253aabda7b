"""The avatars that a server offers: bundled ones, one from the command line, and uploads with a lifetime."""

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.avatar.avatar import BUNDLE_VERSION, RIGHTS, Rights
from engine.errors import InputError
from engine.files import check_output_folder, output_folder, replaced

PORTRAITS: Final = Path(__file__).parent.parent / "engine" / "assets" / "portraits"
ENGINE: Final = Path(__file__).parent.parent / "engine"
BUNDLED: Final = {"grace_hopper": "Grace Hopper", "astronaut": "Eileen Collins"}
"""File stems of the bundled portraits and the names of the people; the first is the default."""

DECLARED_RIGHTS: Final[tuple[Rights, ...]] = tuple(right for right in RIGHTS if right != "unstated")
MAX_NAME: Final = 80


class UnknownAvatarError(InputError):
    """There is no such avatar: HTTP 404."""


class BundledAvatarError(InputError):
    """A bundled avatar cannot be deleted: HTTP 403."""


@dataclass(frozen=True)
class AvatarEntry:
    """One avatar on disk: its bundle, a JPEG of its neutral face, and what is told about it.

    ``key`` says what a bundled avatar was made from; see ``portrait_key``.
    """

    id: str
    name: str
    bundled: bool
    rights: Rights
    created_s: float
    report: dict[str, Any] = field(default_factory=dict)
    key: str = ""

    def public(self) -> dict[str, Any]:
        """As ``GET /api/avatars`` shows it."""
        shown = {k: v for k, v in asdict(self).items() if k not in ("created_s", "key")}
        return {**shown, "picture": f"/api/avatars/{self.id}/picture"}


def default_data_dir() -> Path:
    """Where the platform keeps caches of this user."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vividlive"


def portrait_key(portrait: Path) -> str:
    """Changes whenever a bundled portrait has to be made into an avatar again."""
    digest = hashlib.sha256(portrait.read_bytes() + str(BUNDLE_VERSION).encode())
    for source in sorted((ENGINE / "avatar").glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def new_id() -> str:
    """An id that cannot be guessed."""
    return secrets.token_urlsafe(12)


class AvatarStore:
    """The avatars below one directory; a finished avatar is three files that share its id as their stem."""

    def __init__(
        self, directory: Path, upload_lifetime_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        """``clock()`` is wall time in seconds: a lifetime goes on while the server is down.

        Raises:
            InputError: the directory cannot be made or written to.
        """
        self.directory = directory
        self._lifetime_s = upload_lifetime_s
        self._clock = clock
        self._entries: dict[str, AvatarEntry] = {}
        self._default: str | None = None
        output_folder(directory, mode=0o700)
        check_output_folder(directory)
        for described in sorted(directory.glob("*.json")):
            self._load(described)

    def all(self) -> list[AvatarEntry]:
        """Bundled avatars first, then uploads by age."""
        return sorted(
            self._entries.values(), key=lambda e: (not e.bundled, e.id != self._default, e.created_s)
        )

    @property
    def default(self) -> str:
        """Id of the avatar that a call shows when it names none."""
        if self._default is None:
            raise UnknownAvatarError("no avatar is ready yet: try again in a few seconds")
        return self._default

    def get(self, avatar: str) -> AvatarEntry:
        """Look an avatar up.

        Raises:
            UnknownAvatarError: there is none with this id.
        """
        entry = self._entries.get(avatar)
        if entry is None:
            raise UnknownAvatarError(f"there is no avatar {avatar[:40]!r}: it may have been deleted")
        return entry

    def bundle(self, avatar: str) -> Path:
        """Path of an avatar's bundle."""
        return self._path(self.get(avatar).id, ".avatar")

    def picture(self, avatar: str) -> Path:
        """Path of an avatar's JPEG."""
        return self._path(self.get(avatar).id, ".jpg")

    def made(self, name: str) -> Path:
        """Directory that a new avatar called ``name`` is made in before ``add``."""
        path = self.directory / f"{name}.making"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        return path

    def add(self, entry: AvatarEntry, made: Path, *, default: bool = False) -> None:
        """Take over ``avatar.avatar`` and ``avatar.jpg`` from a directory of ``made``, which is removed."""
        (made / "avatar.avatar").replace(self._path(entry.id, ".avatar"))
        (made / "avatar.jpg").replace(self._path(entry.id, ".jpg"))
        shutil.rmtree(made)
        with replaced(self._path(entry.id, ".json")) as part:
            part.write_text(json.dumps(asdict(entry)))
        self._entries[entry.id] = entry
        if default:
            self._default = entry.id

    def has(self, avatar: str) -> bool:
        """Whether there is such an avatar."""
        return avatar in self._entries

    def set_default(self, avatar: str) -> None:
        """Choose the avatar that calls show when they name none."""
        self._default = self.get(avatar).id

    def delete(self, avatar: str) -> None:
        """Delete an upload, its files included.

        Raises:
            UnknownAvatarError, BundledAvatarError
        """
        if self.get(avatar).bundled:
            raise BundledAvatarError("a bundled avatar cannot be deleted")
        self._remove(avatar)

    def expired(self) -> list[str]:
        """Ids of the uploads whose lifetime is over."""
        oldest = self._clock() - self._lifetime_s
        return [e.id for e in self._entries.values() if not e.bundled and e.created_s < oldest]

    def forget_bundled(self, keys: dict[str, str]) -> None:
        """Delete bundled avatars but those with these ids and keys: other portraits, other versions."""
        for entry in [e for e in self._entries.values() if e.bundled and keys.get(e.id) != e.key]:
            self._remove(entry.id)

    def _remove(self, avatar: str) -> None:
        del self._entries[avatar]
        for suffix in (".json", ".avatar", ".jpg"):
            self._path(avatar, suffix).unlink(missing_ok=True)

    def _path(self, avatar: str, suffix: str) -> Path:
        assert re.fullmatch(r"[\w-]+", avatar)
        return self.directory / f"{avatar}{suffix}"

    def _load(self, described: Path) -> None:
        try:
            entry = AvatarEntry(**json.loads(described.read_text()))
        except (ValueError, TypeError):
            return
        if entry.id == described.stem and all(self._path(entry.id, s).is_file() for s in (".avatar", ".jpg")):
            self._entries[entry.id] = entry
