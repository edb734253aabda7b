"""Drives a headless Firefox by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): what the tests of it need."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from benchmarks.live_page import free_port

START_LIMIT_S: Final = 180.0
ANSWER_LIMIT_S: Final = 120.0

PREFERENCES: Final[dict[str, Any]] = {
    "media.cubeb.force_mock_context": True,  # without a sound device WebAudio would not run
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,  # a microphone that hears a tone
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.autoplay.block-webaudio": False,
    "media.gmp-manager.updateEnabled": False,  # no H.264 plugin from the internet
    "media.gmp-manager.url": "",
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
    "dom.ipc.processCount": 1,
}


def find_firefox() -> str | None:
    """Path of a Firefox on this machine."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Tab:
    """One tab, told what to do in JavaScript."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._tell("session.new", capabilities={})
        self._context = self._tell("browsingContext.create", type="tab")["context"]
        self._tell("browsingContext.activate", context=self._context)

    def preload(self, script: str) -> None:
        """Run a script at the beginning of every page."""
        self._tell("script.addPreloadScript", functionDeclaration=f"() => {{{script}}}")

    def go(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self._tell("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def show(self, url: str, html: str) -> None:
        """Open a page with other HTML than the server has for it, and wait until it has loaded."""
        event = "network.beforeRequestSent"
        self._tell("session.subscribe", events=[event])
        pattern = {"type": "string", "pattern": url}
        self._tell("network.addIntercept", phases=["beforeRequestSent"], urlPatterns=[pattern])
        loaded = self._send("browsingContext.navigate", context=self._context, url=url, wait="complete")
        while (told := self._receive()).get("method") != event or not told["params"]["isBlocked"]:
            pass
        self._tell("session.unsubscribe", events=[event])
        headers = [{"name": "Content-Type", "value": {"type": "string", "value": "text/html; charset=utf-8"}}]
        answered = self._send(
            "network.provideResponse",
            request=told["params"]["request"]["request"],
            statusCode=200,
            headers=headers,
            body={"type": "string", "value": html},
        )
        self._results(answered, loaded)

    def evaluate(self, expression: str) -> Any:
        """Value of an expression, awaited, as JSON can have it.

        Raises:
            RuntimeError: it threw.
        """
        answer = self._tell(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        value = answer["result"].get("value")
        return None if value is None else json.loads(value)

    def wait_for(self, expression: str, limit_s: float = 60.0) -> Any:
        """Value of an expression as soon as it is truthy.

        Raises:
            TimeoutError: it never was.
        """
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if value := self.evaluate(expression):
                return value
            time.sleep(0.2)
        raise TimeoutError(f"expected {expression} within {limit_s:.0f} s")

    def _tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = self._send(method, **parameters)
        return self._results(number)[number]

    def _send(self, method: str, **parameters: Any) -> int:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return number

    def _receive(self) -> dict[str, Any]:
        received: dict[str, Any] = json.loads(self._connection.recv(ANSWER_LIMIT_S))
        if received["type"] == "error":
            raise RuntimeError(f"{received['error']}: {received['message']}")
        return received

    def _results(self, *numbers: int) -> dict[int, dict[str, Any]]:
        """The answers to commands, in whatever order they and events come."""
        results: dict[int, dict[str, Any]] = {}
        while not set(numbers) <= set(results):
            received = self._receive()
            if received["type"] == "success":
                results[received["id"]] = received["result"]
        return results


@contextmanager
def firefox(preferences: dict[str, Any] | None = None) -> Iterator[Tab]:
    """Run a fresh Firefox with one tab; needs ``find_firefox()`` to find one."""
    executable = find_firefox()
    assert executable is not None
    port = free_port()
    with tempfile.TemporaryDirectory() as profile, tempfile.TemporaryFile() as log:
        wanted = PREFERENCES | (preferences or {})
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        command = [
            executable,
            "--headless",
            "--no-remote",
            "--profile",
            profile,
            f"--remote-debugging-port={port}",
        ]
        browser = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with _connected(port) as connection:
                yield Tab(connection)
        finally:
            browser.terminate()
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()


def _connected(port: int) -> ClientConnection:
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return connect(f"ws://127.0.0.1:{port}/session", max_size=None)
        except (OSError, WebSocketException):
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
