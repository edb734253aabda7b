"""The page's files, answered from memory: a page that loads asks for all of them at once."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class _File:
    changed_ns: int
    content: bytes
    etag: str
    media_type: str


class PageFiles:
    """ASGI app: the files of one folder, read again when they change.

    Browsers ask whether theirs are still current, so that versions never mix.
    """

    def __init__(self, directory: Path) -> None:
        self._paths = {
            path.name: path for path in directory.iterdir() if path.is_file() and path.suffix != ".py"
        }
        self._files: dict[str, _File] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD; HTTPException 404 and 405 for anything else."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        await self.response(name, Headers(scope=scope).get("if-none-match"))(scope, receive, send)

    def response(self, name: str, known: str | None = None) -> Response:
        """The file of this name, or 304 when the browser ``known`` ETag is the one it has."""
        file = self._file(name)
        headers = {"Cache-Control": "no-cache", "ETag": file.etag}
        if known is not None and file.etag in known:
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    def _file(self, name: str) -> _File:
        path = self._paths.get(name)
        try:
            if path is None:
                raise FileNotFoundError(name)
            changed_ns = path.stat().st_mtime_ns
            known = self._files.get(name)
            if known is None or known.changed_ns != changed_ns:
                content = path.read_bytes()
                etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
                kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
                known = self._files[name] = _File(changed_ns, content, etag, kind)
            return known
        except OSError as error:
            raise HTTPException(404) from error
