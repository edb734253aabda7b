"""Servers with the fake engine, in processes of their own, with settings of their own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 180.0
STOP_LIMIT_S = 30.0


class FakeServer:
    """One address, where a server with the fake engine can be started and stopped."""

    def __init__(self, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        scheme = "https" if "tls_cert" in settings else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        named = {f"VIVIDLIVE_{name.upper()}": value for name, value in settings.items()}
        self._environ = {**os.environ, "VIVIDLIVE_LATENCY_MS": "600", **named}
        self._log = tempfile.TemporaryFile("w+")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "tests.streaming.fake_server", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self._environ, stdout=self._log, stderr=self._log
        )
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz", verify=False, timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise RuntimeError(f"expected a healthy server at {self.url}; its log ends:\n{self.log[-3000:]}")

    def stop(self) -> None:
        """End it as systemd and Docker do, with SIGTERM."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def log(self) -> str:
        """What it has said so far."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        """End it, and forget what it said."""
        self.stop()
        self._log.close()


@contextmanager
def fake_server(**settings: str) -> Iterator[FakeServer]:
    """Run a server whose ``VIVIDLIVE_NAME`` settings these are."""
    server = FakeServer(**settings)
    try:
        server.start()
        yield server
    finally:
        server.close()
