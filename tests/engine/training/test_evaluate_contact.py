"""Which lips meet in p, b and m, on motions that are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.conventions import ARKIT_INDEX, FRAME_RATE, SAMPLE_RATE
from engine.errors import InputError
from engine.motion.values import Motion, rest
from engine.training.evaluate import evaluate_contact
from engine.training.shards import write_shard
from engine.training.voices import Phone, Utterance

HOPPER = Path(__file__).parents[3] / "engine" / "assets" / "portraits" / "grace_hopper.jpg"
PHONES = tuple(Phone(ipa, k / 5, (k + 1) / 5) for k, ipa in enumerate("ɑmɑtæbɛnɑpufɪ"))  # five frames each


class Told:
    """A motion stage that moves the mouth as it is told, whatever it hears.

    shut: the sounds in which it does what ``how`` says; the jaw is open throughout.
    """

    def __init__(self, shut: str, how: str = "seal", late_s: float = 0.0) -> None:
        self._shut, self._how, self._late_s = shut, how, late_s

    def new_state(self, seed: int = 0) -> None:
        return None

    def step(self, state: None, samples: np.ndarray) -> list[Motion]:
        return [self._motion(n) for n in range(round(len(samples) / SAMPLE_RATE * FRAME_RATE))]

    def flush(self, state: None) -> list[Motion]:
        return []

    def _motion(self, number: int) -> Motion:
        motion = rest(number)
        motion.blendshapes[ARKIT_INDEX["jawOpen"]] = 0.2
        time_s = (number + 0.5) / FRAME_RATE - self._late_s
        sound = next((phone.ipa for phone in PHONES if phone.start_s <= time_s < phone.end_s), "_")
        if sound in self._shut:
            if self._how == "seal":
                return replace(motion, lip_offsets=np.array([1, 0, 0, 0, 0], np.float32))
            motion.blendshapes[ARKIT_INDEX["mouthClose"]] = 0.2
        return motion


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    samples = np.zeros(round(PHONES[-1].end_s * SAMPLE_RATE), np.float32)
    write_shard(tmp_path / "kokoro-0000.npz", [Utterance(samples, PHONES)])
    write_shard(tmp_path / "kokoro-0001.npz", [Utterance(samples, PHONES)] * 2)  # training's
    return tmp_path


@pytest.mark.parametrize(
    ("told", "met", "unsealed", "false"),
    [
        (Told("pbm"), 1.0, 0.0, 0.0),
        (Told("pbm", how="close"), 1.0, 1.0, 0.0),
        (Told("m"), 1 / 3, 0.0, 0.0),
        (Told(""), 0.0, 0.0, 0.0),
        (Told("pbm", late_s=0.3), 0.0, 0.0, None),
        (Told("pbmɑæɛuɪ"), 1.0, 0.0, 1.0),
    ],
)
def test_lips_that_meet_are_counted(
    speech: Path, told: Told, met: float, unsealed: float, false: float | None
) -> None:
    report = evaluate_contact(HOPPER, speech=speech, motion=told)  # type: ignore[arg-type]
    (row,) = report.rows
    assert row["voice"] == "kokoro" and row["bilabials"] == 3
    assert row["met"] == pytest.approx(met) and row["unsealed"] == pytest.approx(unsealed)
    if false is not None:
        assert row["false"] == pytest.approx(false)
    assert report.met == (met >= 0.95)


def test_vowels_beside_a_bilabial_do_not_count(speech: Path) -> None:
    (row,) = evaluate_contact(HOPPER, speech=speech, motion=Told("pbm")).rows  # type: ignore[arg-type]
    assert row["vowel_frames"] == 7 * 5 - 6  # six vowels have one such frame


def test_a_folder_without_speech_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="synth-speech"):
        evaluate_contact(HOPPER, speech=tmp_path)
