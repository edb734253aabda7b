"""Signs of life: blinks, gaze, breathing and head sway have human rates and sizes, and follow the seed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, FRAME_RATE
from engine.motion.idle import BLINK, live, new_idle

MINUTES = 4
FRAMES = MINUTES * 60 * FRAME_RATE
Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def run(seed: int, talks: bool, head_motion: float = 1.0, frames: int = FRAMES) -> Arrays:
    state = new_idle(seed)
    rng = np.random.default_rng(7)
    rows = []
    for frame in range(frames):
        speaking = talks and frame % 150 < 110
        rows.append(live(state, speaking, bool(speaking and rng.random() < 0.08), 1.0, head_motion))
    shapes, poses, breaths = zip(*rows, strict=True)
    return np.array(shapes), np.array(poses), np.array(breaths)


@pytest.fixture(scope="module", params=[False, True], ids=["silent", "talking"])
def life(request: pytest.FixtureRequest) -> Arrays:
    return run(1, request.param)


def test_blinks_are_as_frequent_as_a_persons(life: Arrays) -> None:
    lids = life[0][:, ARKIT_INDEX["eyeBlinkLeft"]]
    assert lids.max() == 1.0
    assert 13 <= ((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum() / MINUTES <= 24
    assert np.array_equal(lids, life[0][:, ARKIT_INDEX["eyeBlinkRight"]])


def test_a_blink_closes_faster_than_it_opens() -> None:
    assert BLINK.index(1.0) < len(BLINK) - 1 - BLINK.index(1.0)


def test_head_sways_smoothly_within_its_bounds(life: Arrays) -> None:
    angles = life[1][:, :3]
    assert np.array_equal(angles[0].round(2), [0.0, 0.0, 0.0])
    assert np.all(angles.std(axis=0) > (0.5, 0.3, 0.3))
    assert np.all(np.abs(angles).max(axis=0) < (11, 9, 7))
    power = (
        np.abs(np.fft.rfft((angles - angles.mean(axis=0)) * np.hanning(len(angles))[:, None], axis=0)) ** 2
    )
    above = np.fft.rfftfreq(len(angles), 1 / FRAME_RATE) > 3.0
    assert np.all(power[above].sum(axis=0) < 0.002 * power.sum(axis=0))
    assert np.abs(np.diff(angles, axis=0)).max() < 1.2


def test_breath_rises_and_falls_about_fourteen_times_a_minute(life: Arrays) -> None:
    breath = life[2]
    assert 0.0 <= breath.min() < 0.01 and 0.99 < breath.max() <= 1.0
    assert 12 <= ((breath[1:] > 0.5) & (breath[:-1] <= 0.5)).sum() / MINUTES <= 16
    assert np.abs(np.diff(breath)).max() < 0.06


def test_eyes_counter_the_head_and_stay_in_range(life: Arrays) -> None:
    shapes, poses, _ = life
    eye = shapes[:, ARKIT_INDEX["eyeLookOutLeft"]] - shapes[:, ARKIT_INDEX["eyeLookInLeft"]]
    assert np.abs(eye).max() < 0.7
    assert np.corrcoef(eye, poses[:, 0])[0, 1] < -0.2  # the gaze holds on to the viewer while the head turns


def test_the_mouth_is_left_alone(life: Arrays) -> None:
    mouth = [
        index for name, index in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw", "tongue", "cheek"))
    ]
    assert not life[0][:, mouth].any()
    assert life[0].min() >= 0.0 and life[0].max() <= 1.0


def test_head_motion_zero_keeps_the_head_still() -> None:
    assert not run(3, True, head_motion=0.0, frames=500)[1].any()


def test_seeds_repeat_and_differ() -> None:
    one, again, other = run(4, True, frames=500), run(4, True, frames=500), run(5, True, frames=500)
    for a, b in zip(one, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one[1], other[1])
