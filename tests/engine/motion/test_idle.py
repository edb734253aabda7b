"""Signs of life together: switches, seeds and an hour without drift, on a head that turns from side to side."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, FRAME_RATE
from engine.errors import SettingError
from engine.motion.idle import LifeSettings, live, new_idle

ALL = LifeSettings()
MINUTES = 4
FRAMES = MINUTES * 60 * FRAME_RATE
LID, IN, DOWN = (ARKIT_INDEX[name] for name in ("eyeBlinkLeft", "eyeLookInLeft", "eyeLookDownLeft"))
Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def swaying(frame: int) -> NDArray[np.float64]:
    """A head that turns slowly from side to side."""
    return np.array([6.0 * np.sin(frame / 40), 0.0, 0.0, 0.0, 0.0, 0.0])


def run(
    seed: int,
    talks: bool,
    head_motion: float = 1.0,
    frames: int = FRAMES,
    hears: bool = False,
    shown: LifeSettings = ALL,
) -> Arrays:
    state = new_idle(seed)
    rows = []
    for frame in range(frames):
        speaking = talks and frame % 150 < 110
        heard = hears and frame % 150 < 90
        rows.append(live(state, head_motion * swaying(frame), speaking, 1.0, head_motion, heard, shown))
    shapes, poses, breaths = zip(*rows, strict=True)
    return np.array(shapes), np.array(poses), np.array(breaths)


def columns(*begins: str) -> list[int]:
    return [index for name, index in ARKIT_INDEX.items() if name.startswith(begins)]


@pytest.fixture(scope="module", params=["silent", "talking", "listening"])
def life(request: pytest.FixtureRequest) -> Arrays:
    return run(1, request.param == "talking", hears=request.param == "listening")


def test_blinks_are_as_frequent_as_a_persons(life: Arrays) -> None:
    lids = life[0][:, ARKIT_INDEX["eyeBlinkLeft"]]
    assert lids.max() == 1.0
    assert 13 <= ((lids[1:] > 0.4) & (lids[:-1] <= 0.4)).sum() / MINUTES <= 22


def test_eyes_counter_the_head_and_stay_in_range(life: Arrays) -> None:
    shapes, poses, _ = life
    eye = shapes[:, ARKIT_INDEX["eyeLookOutLeft"]] - shapes[:, ARKIT_INDEX["eyeLookInLeft"]]
    assert np.abs(eye).max() < 0.7
    assert np.corrcoef(eye, poses[:, 0])[0, 1] < -0.2  # the gaze holds on to the viewer while the head turns
    assert np.abs(np.diff(shapes[:, columns("eyeLook")], axis=0)).max() < 0.8


def test_the_mouth_is_left_alone_but_for_a_listeners_smile(life: Arrays) -> None:
    smile = columns("mouthSmile", "cheekSquint")
    others = [index for index in columns("mouth", "jaw", "tongue", "cheek") if index not in smile]
    assert not life[0][:, others].any()
    assert life[0][:, smile].max() < 0.25
    assert life[0].min() >= 0.0 and life[0].max() <= 1.0


def test_nobody_smiles_unless_the_other_side_speaks() -> None:
    assert not run(1, True)[0][:, columns("mouth", "cheek")].any()
    assert run(1, False, hears=True)[0][:, columns("mouthSmile")].any()


def test_breath_lifts_the_head_a_little_and_nothing_else_of_a_speaker_does() -> None:
    _, poses, breath = run(3, True, frames=500)
    added = poses - [swaying(frame) for frame in range(500)]
    assert np.allclose(added[:, 1], -0.25 * breath) and np.allclose(added[:, 4], -0.002 * breath)
    assert not added[:, [0, 2, 3, 5]].any()


def test_head_motion_zero_keeps_the_head_still() -> None:
    assert not run(3, True, head_motion=0.0, frames=500)[1].any()
    assert not run(3, False, head_motion=0.0, frames=500, hears=True)[1].any()


def test_what_is_switched_off_is_exactly_zero_and_changes_nothing_else() -> None:
    everything = run(6, False, frames=3000, hears=True)
    touched = {"blinks": ("eyeBlink",), "gaze": ("eyeLook", "eyeWide"), "brows": ("brow",), "breath": ()}
    for name, begins in touched.items():
        shapes, _, breath = run(6, False, frames=3000, hears=True, shown=LifeSettings(**{name: False}))
        assert not shapes[:, columns(*begins)].any() if begins else not breath.any()
        assert everything[0][:, columns(*begins)].any() if begins else everything[2].any()
        kept = [index for index in range(52) if index not in (columns(*begins) if begins else [])]
        if name in ("blinks", "brows"):  # the others lead to blinks, or turn the eyes with the chest
            assert np.array_equal(shapes[:, kept], everything[0][:, kept])


def test_listening_switched_off_is_a_face_that_hears_nothing_but_looks() -> None:
    shown = LifeSettings(listening=False, breath=False)
    hearing = run(6, False, frames=3000, hears=True, shown=shown)
    deaf = run(6, False, frames=3000, shown=shown)
    assert np.array_equal(hearing[1], deaf[1])
    assert not hearing[0][:, columns("mouth", "brow", "cheek")].any()
    assert not np.array_equal(run(6, False, frames=3000, hears=True)[1], run(6, False, frames=3000)[1])


def test_with_all_off_only_the_head_moves() -> None:
    off = LifeSettings(**{field.name: False for field in fields(LifeSettings)})
    shapes, poses, breath = run(2, True, frames=500, hears=True, shown=off)
    assert not shapes.any() and not breath.any() and poses.any()


@pytest.mark.parametrize("value", [1, "no", None])
def test_switches_that_are_neither_on_nor_off_are_refused(value: object) -> None:
    with pytest.raises(SettingError, match="true or false for gaze"):
        LifeSettings(gaze=value)  # type: ignore[arg-type]


def test_seeds_repeat_and_differ() -> None:
    one, again, other = run(4, True, frames=500), run(4, True, frames=500), run(5, True, frames=500)
    for a, b in zip(one, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one[0], other[0])


def test_an_hour_ends_as_it_began() -> None:
    state = new_idle(8)
    rows = []
    for frame in range(60 * 60 * FRAME_RATE):
        part = frame % 250
        shapes, pose, breath = live(state, swaying(frame), part < 110, 1.0, 1.0, 130 < part < 230)
        rows.append((shapes[LID], shapes[IN], shapes[DOWN], pose[0], pose[1], breath))
    ten = 10 * 60 * FRAME_RATE
    first, last = np.array(rows[:ten]), np.array(rows[-ten:])
    blinks = [((lids[1:] > 0.4) & (lids[:-1] <= 0.4)).sum() for lids in (first[:, 0], last[:, 0])]
    assert 0.75 < blinks[1] / blinks[0] < 1.33
    spread = first.std(axis=0)
    assert np.all(np.abs(last.mean(axis=0) - first.mean(axis=0)) < 0.35 * spread)
    assert np.all((last.std(axis=0) / spread > 0.75) & (last.std(axis=0) / spread < 1.3))
