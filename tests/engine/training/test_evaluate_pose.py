"""The pose evaluation tells a head that follows the voice from one that does not, on made-up sounds."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from engine.conventions import FRAME_SAMPLES
from engine.errors import InputError, UnavailableError
from engine.motion.head_pose import HeadPose, HeadState
from engine.training.evaluate import evaluate_pose, pose
from engine.training.evaluate.media import find_sounds
from engine.training.evaluate.report import Report
from tests.engine.training.test_evaluate import write_wav


class Nodder(HeadPose):
    """Nods when the level rises, a frame late; deaf ones nod at random."""

    deaf = False

    def step(self, state: HeadState, amount: float = 1.0) -> np.ndarray:
        rise = state.heard[-4, 2] > 0.8 if not self.deaf else state.rng.random() < 0.05
        state.code = int(state.rng.integers(self.config.codes))
        state.memory[0] += 0.6 * ((4.0 if rise else 0.0) - state.memory[0])
        state.memory[1] += 0.02 * (state.rng.normal(0, 20) - state.memory[1])
        return np.array([state.memory[1], state.memory[0], 0, 0, 0, 0], np.float32)


class Deaf(Nodder):
    deaf = True


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sounds with syllables at random times."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        frames = 250
        level = np.full(frames, 0.004)
        for frame in np.cumsum(rng.integers(8, 20, 30)):
            level[frame : frame + 4] = 0.2
        tone = np.sin(2 * np.pi * 180 * np.arange(frames * FRAME_SAMPLES) / 16000)
        write_wav(folder / f"{name}.wav", (tone * level.repeat(FRAME_SAMPLES)).astype(np.float32))
    (folder / "notes.txt").write_text("no sound")
    return folder


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SEEDS", 3), ("SHUFFLES", 120), ("SILENCE_S", 8), ("HOUR_S", 60)):
        monkeypatch.setattr(pose, name, value)


def bars(report: Report) -> Mapping[str, float]:
    return {bar.name: bar.value for bar in report.bars}


@pytest.mark.usefixtures("short")
def test_a_head_that_follows_the_voice_is_told_from_a_deaf_one(sounds: Path) -> None:
    progress: list[float] = []
    follows, deaf = (
        evaluate_pose(sounds, head=head, progress=progress.append) for head in (Nodder(), Deaf())
    )
    assert [row["sound"] for row in follows.rows] == ["one", "two"]
    assert bars(follows)["beat alignment above shuffled"] > 0.1 and bars(follows)["chance of that"] < 0.01
    assert bars(deaf)["beat alignment above shuffled"] < 0.05 and bars(deaf)["chance of that"] > 0.01
    # all codes are as likely, so that nearly as many as there are windows are in use
    assert bars(follows)["perplexity of the codes"] > 50
    assert progress[-1] <= 1.0


@pytest.mark.usefixtures("short")
def test_the_head_that_ships_is_measured(sounds: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = evaluate_pose([sounds / "one.wav"], plots=tmp_path / "plots")
    values = bars(report)
    assert values["change between frames, deg"] < 4.0 and values["speed under 3 Hz"] > 0.9
    assert values["two seeds apart, deg"] > 0.3
    assert (tmp_path / "plots" / "one.png").stat().st_size > 10_000


@pytest.mark.usefixtures("short")
def test_plots_without_matplotlib_say_what_to_install(sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UnavailableError, match=r"pip install 'vividlive\[eval\]'"):  # zsh wants the quotes
        evaluate_pose(sounds, plots=sounds, head=Nodder())


def test_sounds_are_found_and_wrong_paths_refused(sounds: Path, tmp_path: Path) -> None:
    assert list(find_sounds([sounds])) == ["one", "two"]
    with pytest.raises(InputError, match="expected sounds"):
        find_sounds([tmp_path])
    write_wav(tmp_path / "short.wav", np.zeros(16000, np.float32))
    with pytest.raises(InputError, match="at least 2.5 s"):
        evaluate_pose(tmp_path)
