"""A listener nods while the other side speaks, near the ends of its phrases, gently, and not otherwise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.motion.conversation import Conversation
from engine.motion.listening import NOD_DEG, listen, new_listener
from tests.engine.motion.talks import Flags, ends, near, phrases

MINUTES = 12
FRAMES = MINUTES * 60 * FRAME_RATE
SILENT = np.zeros(FRAMES, bool)
TALK = phrases(FRAMES, 5)


def run(seed: int, speaking: Flags, heard: Flags) -> NDArray[np.float64]:
    """[T, 4]: nod, brows, both corners of a smile."""
    state, talk = new_listener(np.random.default_rng(seed)), Conversation()
    rows = []
    for own, other in zip(speaking.tolist(), heard.tolist(), strict=True):
        talk.follow(own, other)
        answer = listen(state, talk)
        rows.append((answer.nod_deg, answer.brows, answer.smile_left, answer.smile_right))
    return np.array(rows)


@pytest.fixture(scope="module")
def shown() -> NDArray[np.float64]:
    return run(1, SILENT, TALK)


def nods(pitch: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.flatnonzero((pitch[1:] > 0.0) & (pitch[:-1] == 0.0)) + 1


def test_nobody_is_nodded_to_while_the_other_side_is_silent() -> None:
    assert not run(1, SILENT, SILENT).any()
    assert not run(1, TALK, SILENT).any()
    assert not run(1, ~SILENT, TALK).any()  # the avatar speaks over it


def test_nods_are_a_listeners_in_number_and_near_the_ends_of_phrases(shown: NDArray[np.float64]) -> None:
    at = nods(shown[:, 0])
    assert 5 < len(at) / MINUTES < 14
    window = near(ends(TALK), FRAMES, FRAME_RATE // 2)
    assert window[at].mean() > 3 * window.mean()


def test_a_long_phrase_is_nodded_to_before_it_ends() -> None:
    heard = np.arange(FRAMES) % 1000 < 950
    at = nods(run(2, SILENT, heard)[:, 0])
    assert (at % 1000 < 940).sum() > MINUTES


def test_nods_are_small_smooth_and_return(shown: NDArray[np.float64]) -> None:
    pitch = shown[:, 0]
    assert pitch.min() == 0.0 and NOD_DEG[0] < pitch.max() < 5.0
    assert np.abs(np.diff(pitch)).max() < 1.4  # of the 4 degrees that heads make in a frame at most
    power = np.abs(np.fft.rfft((pitch - pitch.mean()) * np.hanning(FRAMES))) ** 2
    assert power[np.fft.rfftfreq(FRAMES, 1 / FRAME_RATE) > 3.0].sum() < 0.02 * power.sum()
    lengths = [int(np.flatnonzero(pitch[begin:] == 0.0)[0]) for begin in nods(pitch)[:-1]]
    assert 0.4 * FRAME_RATE < min(lengths) < 0.8 * FRAME_RATE < max(lengths) < 2.1 * FRAME_RATE


def test_further_dips_of_a_nod_are_less_deep(shown: NDArray[np.float64]) -> None:
    pitch = shown[:, 0]
    peaks = np.flatnonzero((pitch[1:-1] > pitch[:-2]) & (pitch[1:-1] >= pitch[2:])) + 1
    pairs = [(a, b) for a, b in zip(peaks, peaks[1:], strict=False) if pitch[a:b].min() < 0.3 and b - a < 20]
    assert len(pairs) > 10
    assert all(pitch[b] < pitch[a] for a, b in pairs)


def test_now_and_then_brows_rise_and_a_smile_comes_a_little_askew(shown: NDArray[np.float64]) -> None:
    for column, most in ((1, 0.26), (2, 0.24), (3, 0.24)):
        risen = shown[:, column] > 0.05
        assert 0.002 < risen.mean() < 0.25
        assert shown[:, column].max() < most
        assert np.abs(np.diff(shown[:, column])).max() < 0.04
    assert 0.0 < np.abs(shown[:, 2] - shown[:, 3]).max() < 0.08


def test_a_smile_ends_when_the_avatar_speaks() -> None:
    state, talk = new_listener(np.random.default_rng(0)), Conversation()
    state.smile.show(0.2, 100.0)
    for _ in range(50):
        talk.follow(False, True)
        listen(state, talk)
    assert listen(state, talk).smile_left > 0.15
    left = []
    for _ in range(50):
        talk.follow(True, False)
        left.append(listen(state, talk).smile_left)
    assert left[12] < 0.08 and left[-1] == 0.0


def test_seeds_repeat_and_differ() -> None:
    quiet, voice = SILENT[:3000], TALK[:3000]
    assert np.array_equal(run(4, quiet, voice), run(4, quiet, voice))
    assert not np.array_equal(run(4, quiet, voice), run(5, quiet, voice))
