"""Made head motion: slow, bounded, livelier with the style, and moved by the speech."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import InputError
from engine.motion.head_pose import LIMITS
from engine.motion.prosody import PITCH, PROSODY
from engine.training.pose_data import accents, make_stream, move
from engine.training.pose_measures import alignment, find_strokes, slow_share
from engine.training.shards import find_shards, write_shard
from tests.engine.training.test_face_motion import utterance

SECONDS = 60
VOWELS = [(0.5 + 0.3 * k, 0.65 + 0.3 * k) for k in range(60)]  # until 18.5 s
PHRASES = [(0.4, 9.2), (9.6, 18.6)]
STRESSED = set(range(2, 60, 5))


@pytest.fixture(scope="module")
def prosody() -> NDArray[np.float32]:
    rows = np.zeros((SECONDS * FRAME_RATE, PROSODY), np.float32)
    rows[:, 1] = -3.0
    for number, (begin, end) in enumerate(VOWELS):
        own = slice(round(begin * FRAME_RATE), round(end * FRAME_RATE))
        rows[own, 0], rows[own, 1] = 1.0, 1.0 if number in STRESSED else 0.2
        rows[own, PITCH] = 1.0 if number in STRESSED else -0.5
    return rows


def heads(prosody: NDArray[np.float32], style: tuple[float, float], count: int = 6) -> NDArray[np.float32]:
    return np.array(
        [
            move(np.random.default_rng([seed, 5]), VOWELS, PHRASES, prosody, np.array(style, np.float32))
            for seed in range(count)
        ]
    )


def test_accents_are_the_loud_high_vowels(prosody: NDArray[np.float32]) -> None:
    found = [begin for begin, _ in accents(VOWELS, prosody)]
    assert found == [VOWELS[number][0] for number in sorted(STRESSED)]
    assert accents(VOWELS[:2], prosody) == []


def test_motion_is_slow_and_bounded(prosody: NDArray[np.float32]) -> None:
    for poses in heads(prosody, (1.0, 0.0)):
        assert poses.shape == (SECONDS * FRAME_RATE, 6) and np.all(np.abs(poses) < LIMITS)
        assert np.abs(np.diff(poses[:, :3], axis=0)).max() < 3.7
        assert slow_share(poses[:, :3], 3.0) > 0.9


def test_style_and_speech_decide_how_much_it_moves(prosody: NDArray[np.float32]) -> None:
    calm, lively = heads(prosody, (0.0, 0.0)), heads(prosody, (1.0, 0.0))
    assert lively[..., :3].std() > 1.8 * calm[..., :3].std()
    speed = np.linalg.norm(np.diff(lively[..., :3], axis=1), axis=2)
    talk = 18 * FRAME_RATE
    assert speed[:, :talk].mean() > 2 * speed[:, talk + FRAME_RATE :].mean()


def test_strokes_follow_the_accents(prosody: NDArray[np.float32]) -> None:
    stressed = np.array([round(VOWELS[number][0] * FRAME_RATE) for number in sorted(STRESSED)])
    talk = 19 * FRAME_RATE

    def near(lag: int) -> float:
        return float(
            np.mean(
                [
                    alignment(stressed + lag, find_strokes(poses[:talk, :3]))
                    for poses in heads(prosody, (0.7, 0.0), 20)
                ]
            )
        )

    assert near(4) > 1.25 * max(near(0), near(12), near(17))


def test_nodders_nod_and_turners_turn(prosody: NDArray[np.float32]) -> None:
    talk = slice(0, 18 * FRAME_RATE)

    def pitch_for_yaw(habit: float) -> float:
        speed = np.abs(np.diff(heads(prosody, (0.7, habit), 12)[:, talk], axis=1)).mean(axis=(0, 1))
        return float(speed[1] / speed[0])

    assert pitch_for_yaw(1.0) > 1.15 * pitch_for_yaw(-1.0)


def test_streams_follow_the_seed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_shard(tmp_path / "made-0000.npz", [utterance(rng) for _ in range(4)])
    shards = find_shards(tmp_path)
    one, again, other = (make_stream([seed, 1], shards, 8.0) for seed in (3, 3, 4))
    assert np.array_equal(one.poses, again.poses) and np.array_equal(one.prosody, again.prosody)
    assert not np.array_equal(one.poses, other.poses)
    assert one.prosody.shape == (8 * FRAME_RATE, PROSODY) and one.prosody[:, 0].any()
    with pytest.raises(InputError, match="synth-speech"):
        find_shards(tmp_path / "nothing")
