"""The examples do what they say, against the fake engine; they lie outside the package, as a user's programs do."""

import asyncio
import contextlib
import csv
import importlib
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from engine.conventions import ARKIT_NAMES, POSE_NAMES
from streaming.server import Server
from tests.streaming.websocket.client import until
from tests.streaming.websocket.conftest import served
from tests.streaming.websocket.test_listener import HELLO, User, hello

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports an example as Python does that runs one of them."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(EXAMPLES)):
            del sys.modules[name]


async def run(name: str, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


def recorded(path: Path, seconds: float, rate: int = 24_000) -> str:
    """A WAV file of silence, 16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(seconds * rate)))
    return str(path)


@pytest_asyncio.fixture(loop_scope="session")
async def quiet(server: Server) -> AsyncIterator[None]:
    """Ends the sessions after the test."""
    yield
    for session in list(server.sessions):
        await server.close_session(session)


@pytest.mark.usefixtures("quiet")
async def test_blendshapes_are_written_as_a_table(address: str, tmp_path: Path) -> None:
    table = tmp_path / "motion.csv"
    code, output = await run("blendshapes.py", "--url", address, "--seconds", "0.6", "--out", str(table))
    assert (code, output) == (0, "15 frames\n")
    header, *rows = list(csv.reader(table.read_text().splitlines()))
    assert header == ["time_s", *ARKIT_NAMES, *POSE_NAMES]
    times = np.array([float(row[0]) for row in rows])
    assert len(rows) == 15 and (np.diff(times) > 0.039).all()
    assert all(len(row) == 59 for row in rows)


@pytest.mark.usefixtures("quiet")
async def test_the_agent_says_its_recordings_and_ends(address: str) -> None:
    code, output = await run("agent.py", str(HELLO), str(HELLO), "--url", address)
    assert code == 0, output
    assert output.splitlines().count("hello") == 2
    assert "first frame" in output


async def test_what_is_wrong_is_said_in_one_line(address: str, tmp_path: Path) -> None:
    stereo = tmp_path / "not.wav"
    stereo.write_bytes(HELLO.read_bytes().replace(b"\x01\x00\x01\x00", b"\x01\x00\x02\x00", 1))
    slow = recorded(tmp_path / "slow.wav", 0.1, rate=12_000)
    empty = recorded(tmp_path / "empty.wav", 0.0)
    kept = tmp_path / "kept.csv"
    kept.write_text("precious")
    for arguments, words in (
        (["agent.py", str(stereo), "--url", address], "expected 16-bit mono"),
        (["agent.py", "missing.wav", "--url", address], "expected a WAV file"),
        (["parrot.py", "--session", "none", "--url", address], "there is no session"),
        (["agent.py", slow, "--url", address], "48000 Hz in "),
        (["agent.py", empty, "--url", address], "expected sound in "),
        (["parrot.py", "--url", "ws://127.0.0.1:9/ws"], "expected a Vividlive server"),
        (["parrot.py", "--url", address.replace("ws:", "http:")], "expected a Vividlive server"),
        (
            ["blendshapes.py", "--url", "ws://127.0.0.1:9/ws", "--out", str(kept)],
            "expected a Vividlive server",
        ),
        (["blendshapes.py", "--url", address, "--out", str(tmp_path / "none" / "x")], "a place that can be"),
    ):
        code, output = await run(*arguments)
        assert code == 1 and words in output and output.count("\n") == 1, output
    assert kept.read_text() == "precious"


async def test_no_time_at_all_is_one_frame(address: str) -> None:
    code, output = await run("blendshapes.py", "--url", address, "--seconds", "0")
    assert code == 0 and output.endswith("1 frames\n")


@pytest.mark.usefixtures("quiet")
async def test_a_recording_may_be_longer_than_the_servers_buffer(
    address: str, server: Server, examples: Any
) -> None:
    agent = examples("agent")
    minute = agent.Sentence("long", 24_000, bytes(2 * 24_000 * 65))
    async with examples("avatar_socket").AvatarSocket(address) as avatar:
        running = asyncio.create_task(agent.Agent(avatar, [minute], None).run())
        session = server.session("grace_hopper")
        await until(lambda: session.queued_seconds > 45)
    await running


@pytest.mark.usefixtures("quiet")
async def test_a_server_that_stops_ends_the_events(
    server: Server, examples: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with contextlib.AsyncExitStack() as serving:
        address = await serving.enter_async_context(served(server))
        async with examples("avatar_socket").AvatarSocket(address) as avatar:
            reading = asyncio.create_task(examples("parrot").parrot(avatar))
            await serving.aclose()
            assert await reading == 0
    assert "the server hung up" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet")
async def test_the_agent_stops_for_the_user_and_then_goes_on(
    address: str, server: Server, examples: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = examples("agent")
    noise = (3000 * np.sin(np.arange(24_000 * 2) / 9)).astype("<i2").tobytes()
    to_say = [agent.Sentence(f"{word} one two three", 24_000, noise) for word in ("first", "second")]
    async with examples("avatar_socket").AvatarSocket(address) as avatar:
        running = asyncio.create_task(agent.Agent(avatar, to_say, None).run())
        session = server.session("grace_hopper")
        await until(lambda: session.queued_seconds > 2.0)  # both were pushed
        await until(lambda: session.queued_seconds < 3.2)  # and the first one is heard
        await User(session).speak(np.concatenate([hello(), np.zeros(40_000, np.int16)]))
        async with asyncio.timeout(60):
            await running
    first, *rest = [line for line in capsys.readouterr().out.splitlines() if "frame" not in line]
    assert first.startswith("first") and first.endswith("-- interrupted")
    assert rest == ["second one two three"]


@pytest.mark.usefixtures("quiet")
async def test_the_parrot_repeats_what_the_user_said(
    address: str, server: Server, examples: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    parrot = examples("parrot")
    async with examples("avatar_socket").AvatarSocket(address) as avatar:
        running = asyncio.create_task(parrot.parrot(avatar, sentences=1))
        session = server.session("grace_hopper")
        await until(lambda: session.timeline.microphone_aside)
        await User(session).speak(np.concatenate([hello(), np.zeros(40_000, np.int16)]))
        async with asyncio.timeout(60):
            assert await running == 1
    said = float(capsys.readouterr().out.split()[1])
    assert said > 0.8  # a second of speech, what came before it, and the silence that ended it
