"""The head's codebook in calls: without seams, seeded, causal, alive, and never far from the photo's pose."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import UnavailableError
from engine.motion.head_pose import LIMITS, HeadPose, HeadState, bridge
from engine.motion.prosody import PROSODY
from engine.motion.stage import MotionStage, MotionStyle
from engine.speech.audio_file import load_audio

SPEECH = Path(__file__).parents[3] / "engine" / "assets" / "speech"
Float = NDArray[np.floating]


@pytest.fixture(scope="module")
def head() -> HeadPose:
    return HeadPose()


@pytest.fixture(scope="module")
def stage() -> MotionStage:
    return MotionStage()


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return load_audio(SPEECH / "hello.wav").analysis


@pytest.fixture(scope="module")
def prosody() -> NDArray[np.float32]:
    """Something like the prosody of syllables and pauses, for tests of length: [F, PROSODY]."""
    rng = np.random.default_rng(0)
    frames = 40 * FRAME_RATE
    speaking = np.arange(frames) % 200 < 150
    syllable = speaking * np.sin(2 * np.pi * np.arange(frames) / 6.0)
    rows = 0.3 * rng.standard_normal((frames, PROSODY)) * speaking[:, None]
    rows[:, 0] = speaking
    rows[:, 1] += np.where(speaking, syllable, -3.0)
    rows[:, 2] = np.diff(rows[:, 1], prepend=-3.0)
    rows[:, 3] = rows[:, 4] = np.maximum(rows[:, 2], 0.0) / 2
    rows[:, 5] = speaking * 0.8
    return rows.astype(np.float32)


def follow(head: HeadPose, state: HeadState, rows: Sequence[Float] | Float, amount: float = 1.0) -> Float:
    """Poses [F, 6] of a head that hears rows of prosody."""
    poses = []
    for row in rows:
        state.heard[:-1] = state.heard[1:]
        state.heard[-1] = row
        poses.append(head.step(state, amount))
    return np.array(poses, np.float64)


def poses_of(stage: MotionStage, pieces: Sequence[NDArray[np.float32]], seed: int) -> Float:
    state = stage.new_state(seed)
    motions = [motion for piece in pieces for motion in stage.step(state, piece)] + stage.flush(state)
    return np.array([motion.pose for motion in motions])


def test_a_bridge_leads_from_one_motion_to_the_other() -> None:
    window = 7
    rng = np.random.default_rng(1)
    polynomial = np.polynomial.Polynomial(rng.standard_normal(6) / window ** np.arange(6))

    def motion(t: float) -> list[float]:
        return [float(polynomial.deriv(order)(t)) if order else float(polynomial(t)) for order in range(3)]

    way = bridge(window) @ np.array(motion(0.0) + motion(window))
    np.testing.assert_allclose(way, polynomial(np.arange(1, window + 1)), rtol=1e-4, atol=1e-5)


def test_windows_meet_without_a_seam(head: HeadPose, prosody: Float) -> None:
    window = head.config.window
    poses = follow(head, head.new_state(3), np.tile(prosody, (4, 1)))
    second = np.abs(np.diff(poses, n=2, axis=0))
    # the second difference k lies at frame k + 1; those at a border take poses of two windows
    place = (np.arange(len(second)) + 1) % window
    border = np.isin(place, (0, window - 1))
    for axis in range(6):
        assert second[border, axis].mean() < 1.7 * second[~border, axis].mean()
        assert second[border, axis].max() < 2.2 * second[~border, axis].max()


def test_decoding_goes_on_from_any_motion(head: HeadPose) -> None:
    rng = np.random.default_rng(2)
    code = 0
    motion = np.zeros((3, 6), np.float32)
    for code in rng.integers(head.config.codes, size=20):
        path, after = head.decode(int(code), motion)
        jump = np.abs(path[0] - (motion[0] + motion[1] + motion[2] / 2))
        assert np.all(jump[:3] < 0.25)  # degrees: what the third derivative adds in a frame
        np.testing.assert_allclose(path[-1], after[0], atol=1e-5)
        motion = after


def test_seeds_repeat_and_differ(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    one, again, other = (poses_of(stage, [speech], seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert np.abs(one - other)[:, :3].mean() > 0.3


def test_streaming_equals_whole(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    cuts = np.cumsum(np.random.default_rng(3).integers(1, 2500, 60))
    pieces = np.split(speech, cuts[cuts < len(speech)])
    assert np.array_equal(poses_of(stage, pieces, 4), poses_of(stage, [speech], 4))


def test_later_sound_does_not_change_earlier_poses(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    frame = 30
    heard = FRAME_SAMPLES * (frame + 1) + stage.look_ahead_samples
    noise = 0.2 * np.random.default_rng(5).standard_normal(len(speech) - heard)
    other = np.concatenate([speech[:heard], noise.astype(np.float32)])
    one, two = poses_of(stage, [speech], 6), poses_of(stage, [other], 6)
    assert np.array_equal(one[: frame + 1], two[: frame + 1])
    assert not np.array_equal(one, two)


def test_speech_moves_the_head_and_silence_calms_it(head: HeadPose, prosody: Float) -> None:
    speaking, silent = [], []
    quiet = np.zeros_like(prosody)
    quiet[:, 1] = -3.0
    for seed in range(4):
        state = head.new_state(seed)
        for rows, speeds in ((prosody, speaking), (quiet, silent)):
            poses = follow(head, state, rows)
            speeds.append(np.linalg.norm(np.diff(poses[250:, :3], axis=0), axis=1).mean())
    assert 0.005 < np.mean(silent) < 0.6 * np.mean(speaking)


def test_an_hour_stays_near_the_photo(head: HeadPose, prosody: Float) -> None:
    state = head.new_state(7)
    frames = 3600 * FRAME_RATE
    # a window's codes are drawn by the last frames heard, so that only these need to be given
    poses = []
    window = head.config.window
    for frame in range(0, frames, window):
        state.heard[:] = prosody[(frame + np.arange(window)) % len(prosody)]
        poses += [head.step(state) for _ in range(window)]
    angles = np.array(poses)[:, :3]
    assert np.all(np.abs(angles) < LIMITS[:3])
    assert np.abs(np.diff(angles, axis=0)).max() < 4.0
    tenths = angles[: len(angles) // 6 * 6].reshape(6, -1, 3)
    assert np.abs(tenths.mean(axis=1)).max() < 2.0
    spread = tenths.std(axis=1)
    assert np.all(spread > (1.0, 0.7, 0.5)) and spread.max() < 1.8 * spread.min(axis=0).max()


def test_codes_are_used(head: HeadPose, prosody: Float) -> None:
    used = set()
    for seed in range(6):
        state = head.new_state(seed)
        for start in range(0, 4 * len(prosody), head.config.window):
            state.heard[:] = prosody[(start + np.arange(head.config.window)) % len(prosody)]
            for _ in range(head.config.window):
                head.step(state)
            used.add(state.code)
    assert len(used) > head.config.codes / 2


def test_the_amount_scales_and_changes_softly(head: HeadPose, prosody: Float) -> None:
    still = follow(head, head.new_state(8), prosody, 0.0)
    assert not still.any()
    one, two = (follow(head, head.new_state(8), prosody, amount) for amount in (1.0, 2.0))
    assert 1.6 < np.abs(two[:, :3]).mean() / np.abs(one[:, :3]).mean() <= 2.0
    state = head.new_state(8)
    jumpy = np.concatenate([follow(head, state, prosody[:500], 0.0), follow(head, state, prosody[500:], 2.0)])
    assert np.abs(np.diff(jumpy[:, :3], axis=0)).max() < 4.0
    np.testing.assert_allclose(jumpy[-1], two[-1], atol=1e-3)


def test_a_still_style_keeps_the_head_still(stage: MotionStage) -> None:
    state = stage.new_state(1)
    state.style = MotionStyle(head_motion=0.0)
    motions = stage.step(state, np.zeros(SAMPLE_RATE, np.float32))
    assert motions and not np.any([motion.pose for motion in motions])


def test_two_sessions_do_not_mix(head: HeadPose, prosody: Float) -> None:
    alone = follow(head, head.new_state(1), prosody[:200])
    one, other = head.new_state(1), head.new_state(2)
    beside = []
    for number, row in enumerate(prosody[:200]):
        beside.append(follow(head, one, [row])[0])
        follow(head, other, [prosody[-number]])
    assert np.array_equal(alone, beside)


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"absent\.safetensors"):
        HeadPose(tmp_path / "absent.safetensors")
    with pytest.raises(UnavailableError, match="expected the weights of the head pose"):
        HeadPose(SPEECH.parent / "face_motion.safetensors")
