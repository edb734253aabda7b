"""Training from the command line: what it takes, and what it says at the end."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.training.shards import write_shard
from tests.engine.training.test_face_motion import utterance

Command = Callable[..., "Result"]  # type: ignore[name-defined]  # noqa: F821


def test_a_run_says_what_it_ended_with_in_one_line(vividlive: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        write_shard(tmp_path / "data" / f"made-{number:04d}.npz", [utterance(rng) for _ in range(3)])
    words = ("train", "face-motion", "--data", tmp_path / "data", "--out", tmp_path / "out", "--steps", 1)
    first = vividlive(*words, "--workers", 0)
    (line,) = first.out.splitlines()
    assert first.code == 0 and line.startswith(f"{tmp_path / 'out'}: step 1, ") and "brow_r" in line
    again = vividlive(*words, "--json", "-")
    assert again.code == 0 and json.loads(again.out)["step"] == 1
    other = vividlive(*words, "--seed", 1)
    assert other.code == 2 and other.err.count("\n") == 1 and "seed was 0 and is 1" in other.err


def test_lists_may_hold_spaces(vividlive: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []

    def synth_speech(out: Path, *, synthesisers: list[str], **rest: object) -> dict[str, float]:
        chosen.extend(synthesisers)
        return {}

    monkeypatch.setattr("engine.training.synth_speech.synth_speech", synth_speech)
    assert vividlive("train", "synth-speech", "--out", tmp_path, "--synthesisers", "flite, espeak,").code == 0
    assert chosen == ["flite", "espeak"]


@pytest.mark.parametrize(
    "words",
    [
        "synth-speech --out x",
        "face-motion --data none --out x",
        "head-pose --data none --out x",
        "renderer-pairs --out x",
        "renderer --data none --out x",
    ],
)
def test_seeds_that_no_generator_takes_are_refused(vividlive: Command, words: str) -> None:
    done = vividlive("train", *words.split(), "--seed", 2**64)
    assert done.code == 2 and "--seed" in done.err and done.err.count("\n") == 1
