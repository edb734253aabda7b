"""Gaze: leaps that follow the main sequence, fixations on a viewer whom both eyes meet, aversion where people avert."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, FRAME_RATE
from engine.motion.conversation import Conversation
from engine.motion.gaze import (
    DOWN_DEG,
    SIDE_DEG,
    UP_DEG,
    VERGENCE_DEG,
    GazeState,
    look,
    new_gaze,
    saccade_s,
    turn_eyes,
)
from tests.engine.motion.talks import Flags, ends, phrases

MINUTES = 12
FRAMES = MINUTES * 60 * FRAME_RATE
SILENT = np.zeros(FRAMES, bool)
TALK = phrases(FRAMES, 5)


def run(seed: int, speaking: Flags, heard: Flags) -> tuple[NDArray[np.float64], Flags, NDArray[np.float64]]:
    """Gaze [T, 2], whether it is away [T], and the sizes of leaps that begin [T]."""
    state, talk = new_gaze(np.random.default_rng(seed)), Conversation()
    gaze, away, leaps = [], [], []
    for own, other in zip(speaking.tolist(), heard.tolist(), strict=True):
        talk.follow(own, other)
        leaps.append(look(state, talk))
        gaze.append((state.right, state.down))
        away.append(state.away)
    return np.array(gaze), np.array(away), np.array(leaps)


def eyes(
    right: float, down: float, vergence: float = 0.0, yaw: float = 0.0, pitch: float = 0.0
) -> dict[str, float]:
    """What is set of eyeLook* and the lids."""
    state = GazeState(np.random.default_rng(0), 0.7, right=right, down=down, vergence=vergence)
    shapes = np.zeros(52)
    turn_eyes(state, shapes, yaw, pitch)
    return {name: float(shapes[index]) for name, index in ARKIT_INDEX.items() if shapes[index]}


def test_leaps_take_longer_the_larger_they_are_as_the_main_sequence_says() -> None:
    assert saccade_s(10.0) == pytest.approx(0.043)
    assert saccade_s(1.0) < saccade_s(5.0) < saccade_s(20.0) < 2 / FRAME_RATE


def test_larger_leaps_are_seen_underway_more_often() -> None:
    gaze, _, leaps = run(1, TALK, SILENT)
    underway: dict[bool, list[float]] = {False: [], True: []}
    for begin in np.flatnonzero(leaps > 2.0)[:-1]:
        if leaps[begin + 1 : begin + 3].any():
            continue
        done = np.hypot(*(gaze[begin : begin + 3] - gaze[begin - 1]).T) / leaps[begin]
        assert done[1] == pytest.approx(1.0, abs=0.3)  # 43 ms at most for these; then perhaps a tremor
        underway[bool(leaps[begin] > 6.0)].append(float(done[0] < 0.95))
    assert len(underway[True]) > 50
    assert np.mean(underway[True]) > np.mean(underway[False]) + 0.1


def test_the_eyes_rest_between_leaps() -> None:
    gaze, _, leaps = run(1, SILENT, SILENT)
    speed = np.hypot(*np.diff(gaze, axis=0).T)
    assert (speed == 0.0).mean() > 0.7
    assert 0.5 < (leaps > 0.5).sum() / (MINUTES * 60) < 3.0
    tremor = speed[(speed > 0.0) & (speed < 0.5)]
    assert 0.5 < len(tremor) / (MINUTES * 60) < 4.0


@pytest.mark.parametrize(
    ("speaking", "heard", "least", "most"),
    [(SILENT, SILENT, 0.7, 0.9), (TALK, SILENT, 0.7, 0.9), (SILENT, TALK, 0.87, 0.98)],
    ids=["silent", "speaking", "listening"],
)
def test_the_viewer_is_looked_at_most_of_all_by_a_listener(
    speaking: Flags, heard: Flags, least: float, most: float
) -> None:
    gaze, away, _ = run(2, speaking, heard)
    assert least < 1.0 - away.mean() < most
    assert np.abs(gaze[~away]).mean(axis=0).max() < 2.5
    assert np.abs(gaze).max() < 16.0
    assert np.abs(gaze.mean(axis=0)).max() < 1.5


def test_the_gaze_returns_at_the_end_of_a_phrase_and_stays() -> None:
    _, away, _ = run(3, TALK, SILENT)
    after = np.array(
        [away[end + 8 : end + 20].mean() for end in ends(TALK)[:-1] if not TALK[end : end + 20].any()]
    )
    assert len(after) > 20
    assert after.mean() < 0.05
    assert away[TALK].mean() > 0.15


def test_a_turn_often_begins_looking_away() -> None:
    frame = np.arange(FRAMES)
    turns = frame % 200 >= 100  # four seconds of silence, four of speech
    _, away, _ = run(4, turns, SILENT)
    begins = np.flatnonzero(turns[1:] & ~turns[:-1]) + 1
    at_begin = np.mean([away[begin + 2 : begin + 8].mean() for begin in begins[:-1]])
    before = np.mean([away[begin - 15 : begin - 1].mean() for begin in begins[:-1]])
    assert at_begin > 1.5 * before


def test_who_was_asked_looks_up_or_aside_to_think() -> None:
    frame = np.arange(FRAMES)
    asked = frame % 200 < 120
    gaze, away, _ = run(5, SILENT, asked)
    thinking = (frame % 200 >= 137) & (frame % 200 < 150)
    assert away[thinking].mean() > 0.5
    assert away[asked].mean() < 0.15
    assert gaze[thinking & away, 1].mean() < -1.5


def test_both_eyes_turn_to_the_nose_for_a_viewer_who_is_near() -> None:
    state, talk = new_gaze(np.random.default_rng(0)), Conversation()
    state.away, state.vergence = False, 0.0
    for _ in range(40):
        talk.follow(False, False)
        look(state, talk)
        state.away = False
    assert state.vergence == pytest.approx(VERGENCE_DEG, abs=0.01)
    assert eyes(0.0, 0.0, VERGENCE_DEG) == pytest.approx(
        {"eyeLookInLeft": VERGENCE_DEG / SIDE_DEG, "eyeLookInRight": VERGENCE_DEG / SIDE_DEG}
    )
    far = eyes(6.0, 0.0, VERGENCE_DEG)
    assert SIDE_DEG * (far["eyeLookInRight"] - far["eyeLookOutLeft"]) == pytest.approx(2 * VERGENCE_DEG)


def test_vergence_is_never_so_large_as_to_cross_the_eyes() -> None:
    state, talk = new_gaze(np.random.default_rng(6)), Conversation()
    found = []
    for speaking in TALK[:9000].tolist():
        talk.follow(speaking, False)
        look(state, talk)
        found.append(state.vergence)
    assert 0.0 <= min(found) < 0.5 and VERGENCE_DEG - 0.01 < max(found) <= VERGENCE_DEG
    assert np.abs(np.diff(found)).max() < 0.5


def test_eyes_look_where_the_gaze_goes() -> None:
    assert eyes(SIDE_DEG / 2, DOWN_DEG / 2) == pytest.approx(
        {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5, "eyeLookDownLeft": 0.5, "eyeLookDownRight": 0.5}
    )
    up_left = eyes(-SIDE_DEG / 4, -UP_DEG / 2)
    assert up_left["eyeLookInLeft"] == up_left["eyeLookOutRight"] == 0.25
    assert up_left["eyeLookUpLeft"] == up_left["eyeLookUpRight"] == 0.5


def test_upper_lids_rise_with_an_upward_gaze() -> None:
    lids = [eyes(0.0, down).get("eyeWideLeft", 0.0) for down in (3.0, -3.0, -6.0)]
    assert lids[0] == 0.0 < lids[1] < lids[2] < 0.25


def test_the_gaze_holds_on_while_the_head_turns() -> None:
    turned = eyes(0.0, 0.0, yaw=7.0, pitch=-5.0)
    assert turned["eyeLookInLeft"] * SIDE_DEG == pytest.approx(7.0)
    assert turned["eyeLookOutRight"] * SIDE_DEG == pytest.approx(7.0)
    assert turned["eyeLookDownLeft"] * DOWN_DEG == pytest.approx(5.0)
    assert eyes(90.0, 90.0)["eyeLookDownLeft"] == 1.0


def test_seeds_repeat_and_differ() -> None:
    short = SILENT[:2000]
    assert np.array_equal(run(4, short, short)[0], run(4, short, short)[0])
    assert not np.array_equal(run(4, short, short)[0], run(5, short, short)[0])
