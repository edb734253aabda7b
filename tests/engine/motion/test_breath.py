"""Breath: fourteen a minute while silent, in before and between phrases and slowly out within them."""

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.motion.breath import BreathState, breathe
from engine.motion.conversation import Conversation
from tests.engine.motion.talks import Flags, phrases

MINUTES = 8
FRAMES = MINUTES * 60 * FRAME_RATE
SILENT = np.zeros(FRAMES, bool)


def run(seed: int, speaking: Flags, heard: Flags = SILENT) -> NDArray[np.float64]:
    state, talk = BreathState(np.random.default_rng(seed)), Conversation()
    chest = []
    for own, other in zip(speaking.tolist(), heard.tolist(), strict=False):
        talk.follow(own, other)
        chest.append(breathe(state, talk))
    return np.array(chest)


def breaths(chest: NDArray[np.float64]) -> int:
    rising = np.diff(chest) > 0.0
    return int((rising[1:] & ~rising[:-1]).sum())


def test_a_silent_chest_rises_about_fourteen_times_a_minute_and_falls_more_slowly() -> None:
    chest = run(1, SILENT)
    assert 12.5 <= breaths(chest) / MINUTES <= 15.5
    assert 0.0 <= chest.min() < 0.02 and 0.85 < chest.max() <= 1.0
    steps = np.diff(chest)
    assert (steps > 0.0).sum() < 0.75 * (steps < 0.0).sum()
    assert np.abs(steps).max() < 0.06


def test_speech_is_breathed_out() -> None:
    talk = phrases(FRAMES, 3)
    chest = run(2, talk)
    steps = np.diff(chest, prepend=chest[0])
    within = talk & np.roll(talk, 8)  # beyond the end of a breath in
    assert (steps[within] > 0.0).mean() < 0.02
    assert 8 <= breaths(chest) / MINUTES <= 20
    assert 0.0 <= chest.min() and chest.max() <= 1.0
    assert np.abs(steps).max() < 0.16


def test_the_chest_fills_between_phrases_and_before_an_answer() -> None:
    frame = np.arange(FRAMES)
    own = frame % 150 < 110
    chest = run(3, own)
    ends = np.flatnonzero(own[:-1] & ~own[1:])[:-1]
    assert np.mean(chest[ends + 16] - chest[ends]) > 0.3
    asked = frame % 250 < 120
    chest = run(4, SILENT, asked)
    done = np.flatnonzero(asked[:-1] & ~asked[1:])[:-1] + 15
    elsewhere = np.random.default_rng(0).integers(0, FRAMES - 20, 500)
    rise = np.mean(chest[done + 14] - chest[done])
    assert rise > 0.2 > np.mean(chest[elsewhere + 14] - chest[elsewhere])


def test_seeds_repeat_and_differ() -> None:
    assert np.array_equal(run(4, SILENT[:2000]), run(4, SILENT[:2000]))
    assert not np.array_equal(run(4, SILENT[:2000]), run(5, SILENT[:2000]))
