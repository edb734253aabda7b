"""Starting and stopping as the command line does it, in a process of its own."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from engine.errors import InputError, UnavailableError
from streaming.serve import serve
from streaming.settings import ServeSettings

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port}.*--port"):
            serve(ServeSettings(port=port, data_dir=tmp_path))


def test_a_missing_avatar_is_said(tmp_path: Path) -> None:
    settings = ServeSettings(
        port=0,
        data_dir=tmp_path,
        avatar=tmp_path / "missing.avatar",
        engine="tests.streaming.fake_engine:fake_engine",
        creator="tests.streaming.fake_engine:fake_creator",
    )
    with pytest.raises(InputError, match=r"no file .*missing\.avatar"):
        serve(settings)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_ends_everything_with_success() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.streaming.fake_server", "--port", str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        health = None
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                    health = json.load(answer)
                break
            except OSError:
                time.sleep(0.1)
        assert health == {"status": "ok", "worker": "running", "sessions": 0, "viewers": 0}
        server.send_signal(signal.SIGINT)
        _, log = server.communicate(timeout=60)
        assert server.returncode == 0
        assert f"serving http://127.0.0.1:{port}" in log
        assert "Traceback" not in log
    finally:
        server.kill()
        server.wait()
        assert server.stderr is not None
        server.stderr.close()
