"""The HTTP side of recordings: a call starts and stops one, its name is the key to the file."""

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from streaming.server import Server


def add_recordings(app: FastAPI, server: Server) -> None:
    """Add the routes of docs/protocol.md, "Recordings"."""
    kept = server.recordings

    @app.post("/api/calls/{call}/recording", status_code=201)
    async def start(call: str) -> dict[str, Any]:
        """Begin to record the call's session: what everybody sees and hears of the avatar."""
        return asdict(kept.start(server.call(call).session))

    @app.delete("/api/calls/{call}/recording")
    async def stop(call: str) -> dict[str, Any]:
        """Stop recording; answers when the file is complete."""
        return asdict(await kept.finish(kept.of_session(server.call(call).session)))

    @app.get("/api/calls/{call}/recording")
    async def newest(call: str) -> FileResponse:
        """The call's newest recording, once it has ended."""
        return await _mp4(kept.of_session(server.call(call).session))

    @app.get("/api/recordings")
    async def recordings() -> dict[str, Any]:
        """All recordings, the newest first."""
        return {"recordings": [asdict(info) for info in kept.all()]}

    @app.get("/api/recordings/{recording}")
    async def download(recording: str) -> FileResponse:
        """A recording that has ended."""
        return await _mp4(recording)

    @app.delete("/api/recordings/{recording}", status_code=204)
    async def delete(recording: str) -> Response:
        """Delete a recording, and stop it if it still runs."""
        await kept.delete(recording)
        return Response(status_code=204)

    async def _mp4(name: str) -> FileResponse:
        path = await kept.file(name)
        return FileResponse(path, media_type="video/mp4", filename=f"vividlive-{name[:6]}.mp4")
