"""Blinks: as many as a person's, at the ends of phrases more than chance, quickly shut and slowly opened."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.motion.blink import LEAP_BLINK, blink, new_blinks
from engine.motion.conversation import Conversation
from engine.motion.gaze import look, new_gaze
from tests.engine.motion.talks import Flags, ends, near, phrases

MINUTES = 12
SEEDS = 4
FRAMES = MINUTES * 60 * FRAME_RATE


def run(seed: int, speaking: Flags, heard: Flags, leap_deg: float | None = None) -> NDArray[np.float64]:
    """Both lids, [T, 2], with the gaze's own leaps or one of that size in each frame."""
    state, talk = new_blinks(np.random.default_rng(seed)), Conversation()
    gaze = new_gaze(np.random.default_rng([seed, 1]))
    lids = []
    for own, other in zip(speaking.tolist(), heard.tolist(), strict=True):
        talk.follow(own, other)
        lids.append(blink(state, talk, look(gaze, talk) if leap_deg is None else leap_deg))
    return np.array(lids)


def begins(lids: NDArray[np.float64]) -> NDArray[np.intp]:
    left = lids[:, 0]
    return np.flatnonzero((left[1:] > 0.4) & (left[:-1] <= 0.4)) + 1


SILENT = np.zeros(FRAMES, bool)
TALK = phrases(FRAMES, 5)
ROLES = {"silent": (SILENT, SILENT), "speaking": (TALK, SILENT), "listening": (SILENT, TALK)}


@pytest.fixture(scope="module")
def lids() -> dict[str, NDArray[np.float64]]:
    return {
        role: np.concatenate([run(seed, *flags) for seed in range(SEEDS)]) for role, flags in ROLES.items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_fifteen_to_twenty_blinks_a_minute(lids: dict[str, NDArray[np.float64]], role: str) -> None:
    assert 14.5 < len(begins(lids[role])) / (SEEDS * MINUTES) < 20.0


def test_a_listener_blinks_less_than_a_speaker(lids: dict[str, NDArray[np.float64]]) -> None:
    assert len(begins(lids["listening"])) < 0.98 * len(begins(lids["speaking"]))


@pytest.mark.parametrize("every_s", [2.0, 5.0, 8.0])
def test_the_rate_does_not_hang_on_how_often_phrases_end(every_s: float) -> None:
    frame = np.arange(FRAMES)
    period = int(every_s * FRAME_RATE)
    talk = frame % period < period - 8
    assert 13.5 < len(begins(run(3, talk, SILENT))) / MINUTES < 21.0


@pytest.mark.parametrize(("role", "lift"), [("speaking", 2.0), ("listening", 1.4)])
def test_blinks_cluster_at_the_ends_of_phrases(
    lids: dict[str, NDArray[np.float64]], role: str, lift: float
) -> None:
    window = np.tile(near(ends(TALK), FRAMES, FRAME_RATE // 2), SEEDS)
    at = begins(lids[role])
    share = window[at].mean()
    assert share > lift * window.mean()
    # Against chance: the same blinks before ends that lie elsewhere.
    rng = np.random.default_rng(0)
    chance = [np.roll(window, int(rng.integers(FRAMES)))[at].mean() for _ in range(200)]
    assert share > max(chance)


def test_blinks_are_not_a_clock(lids: dict[str, NDArray[np.float64]]) -> None:
    pauses = np.diff(begins(lids["silent"])) / FRAME_RATE
    assert 0.35 < pauses.std() / pauses.mean() < 0.9


def test_some_blinks_are_double_and_some_partial(lids: dict[str, NDArray[np.float64]]) -> None:
    left = lids["speaking"][:, 0]
    at = begins(lids["speaking"])
    depth = np.array([left[begin : begin + 6].max() for begin in at])
    assert 0.04 < (depth < 0.95).mean() < 0.2
    assert depth.min() >= 0.5
    assert 0.02 < (np.diff(at) < 0.6 * FRAME_RATE).mean() < 0.15


def test_lids_close_faster_than_they_open_and_all_of_it_takes_a_third_of_a_second(
    lids: dict[str, NDArray[np.float64]],
) -> None:
    left = lids["silent"][:, 0]
    shutting, opening, lengths = [], [], []
    for begin in begins(lids["silent"]):
        open_before = np.flatnonzero(left[:begin] == 0.0)[-1]
        open_after = begin + np.flatnonzero(left[begin:] == 0.0)[0]
        top = left[open_before:open_after]
        if top.max() < 1.0 or open_after - open_before > 14:  # partial, or double
            continue
        full = np.flatnonzero(top == 1.0) + open_before
        shutting.append(full[0] - open_before)
        opening.append(open_after - full[-1])
        lengths.append((open_after - open_before) / FRAME_RATE)
    assert np.mean(opening) > 1.6 * np.mean(shutting)
    assert 0.25 < np.mean(lengths) < 0.45


def test_lids_make_no_jump(lids: dict[str, NDArray[np.float64]]) -> None:
    for both in lids.values():
        assert both.min() >= 0.0 and both.max() == 1.0
        assert np.abs(np.diff(both[:FRAMES], axis=0)).max() < 0.8


def test_both_eyes_blink_together_but_not_in_step_to_the_millisecond(
    lids: dict[str, NDArray[np.float64]],
) -> None:
    left, right = lids["silent"].T
    assert 0.0 < np.abs(left - right).max() < 0.2
    assert np.corrcoef(left, right)[0, 1] > 0.99


def test_leaps_of_the_gaze_bring_blinks_the_larger_the_more() -> None:
    few, some, many = (len(begins(run(1, SILENT, SILENT, leap))) for leap in (0.0, 2.0, 20.0))
    assert few < some < many
    assert 0.0 < LEAP_BLINK * 33.0 < 1.0


def test_seeds_repeat_and_differ() -> None:
    short = SILENT[:2000]
    assert np.array_equal(run(4, short, short), run(4, short, short))
    assert not np.array_equal(run(4, short, short), run(5, short, short))
