"""The real server with benchmarks.media.marked_engine, and a log of when each marked frame left.

    python -m benchmarks.media.marked_server --port 8090 --departures departures.txt --data-dir DIR [--latency-ms 160]

A line of the log is the frame's number in its marks and the wall-clock time in milliseconds.
"""

import argparse
import logging
import time
from pathlib import Path
from typing import IO

from benchmarks.media.marked_engine import read_mark
from engine.conventions import FRAME_RATE
from streaming.pictures import Picture
from streaming.serve import serve
from streaming.server import Server
from streaming.session import AvatarSession
from streaming.settings import ServeSettings


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--departures", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--latency-ms", type=float)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--max-sessions", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = ServeSettings(
        port=given.port,
        data_dir=given.data_dir,
        latency_ms=given.latency_ms,
        size=given.size,
        max_sessions=given.max_sessions,
        engine="benchmarks.media.marked_engine:marked_engine",
    )
    with given.departures.open("w") as log:
        serve(settings, lambda settings: LoggingServer(settings, log))


class LoggingServer(Server):
    """A server that writes down when frames leave."""

    def __init__(self, settings: ServeSettings, log: IO[str]) -> None:
        super().__init__(settings)
        self._log = log

    def open_session(self, avatar: str | None, seed: int = 0, name: str | None = None) -> AvatarSession:
        session = super().open_session(avatar, seed, name)
        session.watch(self._note)
        return session

    def _note(self, picture: Picture) -> None:
        now_ms = time.time() * 1e3
        read = read_mark(picture.i420[: picture.i420.shape[1]])
        if read is not None and not picture.repeated:
            self._log.write(f"{read[0]} {now_ms:.2f}\n")
            if picture.number % FRAME_RATE == 0:
                self._log.flush()


if __name__ == "__main__":
    main()
