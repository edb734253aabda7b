"""Starting and stopping as the command line does it, in a process of its own."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest

from engine.errors import InputError, UnavailableError
from streaming.serve import _allow_descriptors, _bind, _listen, serve
from streaming.settings import ServeSettings
from tests.e2e.servers import fake_server

ROOT = Path(__file__).parents[2]


def test_a_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"port {port}.*--port"):
            serve(ServeSettings(port=port, data_dir=tmp_path))


def test_a_port_that_another_server_took_meanwhile_is_said() -> None:
    with _bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        settings = ServeSettings(port=port)
        with (
            pytest.raises(UnavailableError, match=f"port {port}.*--port"),
            _bind("127.0.0.1", port) as second,
        ):
            _listen(first, settings)
            _listen(second, settings)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_server_may_have_as_many_descriptors_as_the_system_allows() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 1000 if before[1] == resource.RLIM_INFINITY else min(1000, before[1] - 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, before[1]))
    try:
        _allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_loopback_address_is_guarded_whatever_it_was_called() -> None:
    with fake_server(host="127.1") as server:
        answers = [
            httpx.get(f"http://127.0.0.1:{server.port}/healthz", headers={"Host": host}).status_code
            for host in ("127.1", f"localhost:{server.port}", "rebound.example")
        ]
    assert answers == [200, 200, 403]


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
