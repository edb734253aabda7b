"""Commands look at their outputs before any work, keep their inputs, and clear up when they are ended."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.files import replaced
from vividlive.outputs import writes

Command = Callable[..., "Result"]  # type: ignore[name-defined]  # noqa: F821


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file in it and a link to that."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("file")
    return tmp_path


def refuse(vividlive: Command, here: Path, words: str) -> str:
    """The one line with which the command ends; the inputs that it names are missing, so that nothing was read."""
    before = sorted(here.iterdir())
    done = vividlive(*words.split())
    assert done.code == 2, done
    assert (here / "file").read_text() == "precious" and sorted(here.iterdir()) == before
    (line,) = done.err.splitlines()
    return str(line)


@pytest.mark.parametrize(
    "words",
    [
        "avatar none.jpg --out none/x",
        "avatar none.jpg --out x --sheet none/x",
        "avatar none.jpg --out x --report none/x",
        "render --avatar none --audio none --out none/x",
        "render --avatar none --audio none --out file/x",
        "render --avatar none --audio none --out .",
        "render --avatar none --audio none --out x --json none/x",
        "motion --audio none --out none/x",
        "track none.mp4 --out none/x",
        "track --camera none.mp4 --out none/x",
        "doctor --json none/x",
        "evaluate lips none --json none/x",
        "evaluate lips none --plots file",
        "bench --quick --avatar none --out none/x",
        "bench stages --avatar none --json none/x",
        "bench latency --avatar none --json none/x",
        "bench scaling --avatar none --json none/x",
        "bench kernels --avatar none --json none/x",
        "bench floor --avatar none --json none/x",
        "bench sessions --avatar none --json none/x",
        "bench quality --lips none --json none/x",
        "bench motion --weights none --json none/x",
        "bench motion --weights none --exports file",
        "bench compare none none --json none/x",
        "bench report none --out none/x",
        "bench report none --out x --png file",
        "train synth-speech --out file",
        "train face-motion --data none --out file/x",
        "train head-pose --data none --out file",
        "train renderer --data none --out x --json none/x",
        "train renderer-pairs --out file",
        "train export-motion --weights none --out file",
    ],
)
def test_outputs_are_looked_at_first(vividlive: Command, here: Path, words: str) -> None:
    assert refuse(vividlive, here, words).startswith("error: expected a place that can be written for ")


@pytest.mark.parametrize(
    "words",
    [
        "avatar file --out file",
        "avatar none.jpg --out x --report ./x",
        "render --avatar none --audio file --out link",
        "render --avatar link --audio none --out x --json file",
        "motion --audio file --out file",
        "track file --out file",
        "track --camera file --out file",
        "evaluate lips file --json file",
        "bench stages --avatar file --json file",
        "bench compare none file --json link",
        "bench report none file --out file",
    ],
)
def test_inputs_are_no_outputs(vividlive: Command, here: Path, words: str) -> None:
    assert "no input and no other output" in refuse(vividlive, here, words)


def test_data_of_the_server_that_cannot_be_kept_are_refused(
    vividlive: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIVIDLIVE_DATA_DIR", str(here / "file"))
    assert "expected a place that can be written" in refuse(vividlive, here, "serve --port 0")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_several_outputs_may_go_to_one_device(here: Path) -> None:
    os.mkfifo(here / "pipe")
    both: list[Path] = []

    @writes("out", "sheet")
    def command(out: Path, sheet: Path) -> None:
        both.extend((out, sheet))

    command(out=here / "pipe", sheet=here / "pipe")
    assert len(both) == 2


def test_sigterm_clears_up(here: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    @writes("out")
    def command(out: Path) -> None:
        with replaced(out) as part:
            part.write_text("half")
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        command(out=here / "file")
    assert (here / "file").read_text() == "precious"
    assert sorted(path.name for path in here.iterdir()) == ["file", "link"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_page_stays_until_the_next_is_complete(
    vividlive: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = Path(__file__).parents[2] / "benchmarks" / "results" / "quality.json"
    monkeypatch.setattr("benchmarks.html_report.report", lambda results: "half a \ud800 page")
    with pytest.raises(UnicodeEncodeError):
        vividlive("bench", "report", result, "--out", "file")
    assert (here / "file").read_text() == "precious"
