"""A mood comes and goes softly, is there at once where a session begins with it, and leaves speech its say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX, FRAME_SAMPLES, LIP_OFFSET_NAMES
from engine.errors import SettingError
from engine.motion import stage as stage_module
from engine.motion.idle import LifeSettings
from engine.motion.mood import (
    CHEERFUL,
    CHEERFUL_PITCH_DEG,
    EASE_FRAMES,
    GIVES_WAY,
    SAD,
    SAD_PITCH_DEG,
    MoodState,
    follow,
    wear,
)
from engine.motion.stage import MotionStage, MotionState, MotionStyle
from engine.motion.values import Motion
from engine.training.evaluate.contact import TOUCH_PX, _Lips

ASSETS = Path(__file__).parents[3] / "engine" / "assets"
CALM = np.zeros(52)
STILL = LifeSettings(blinks=False, gaze=False, breath=False)
SEAL = LIP_OFFSET_NAMES.index("seal")
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def stage() -> MotionStage:
    return MotionStage()


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    _, wave = wavfile.read(ASSETS / "speech" / "hello.wav")
    return (resample_poly(wave.astype(np.float64), 2, 3) / 32768).astype(np.float32)


def silence(frames: int) -> NDArray[np.float32]:
    return np.zeros(frames * FRAME_SAMPLES, np.float32)


def speak(stage: MotionStage, sound: NDArray[np.float32], style: MotionStyle) -> list[Motion]:
    state = stage.new_state(0)
    state.style = style
    return stage.step(state, sound) + stage.flush(state)


def shapes(motions: list[Motion], *names: str) -> NDArray[np.float32]:
    """[frames], or [frames, names]."""
    rows = np.stack([motion.blendshapes for motion in motions])
    return rows[:, [ARKIT_INDEX[name] for name in names]].squeeze(1 if len(names) == 1 else ())


def at(**values: float) -> Floats:
    face = np.zeros(52)
    for name, value in values.items():
        face[ARKIT_INDEX[name]] = value
    return face


def same(ones: list[Motion], others: list[Motion]) -> bool:
    return len(ones) == len(others) and all(
        np.array_equal(one.blendshapes, other.blendshapes)
        and np.array_equal(one.pose, other.pose)
        and np.array_equal(one.lip_offsets, other.lip_offsets)
        for one, other in zip(ones, others, strict=True)
    )


# The way to a mood.


def test_a_mood_sets_out_and_arrives_at_rest() -> None:
    state = MoodState()
    way = np.array([follow(state, mood) for mood in [0.0] + [1.0] * EASE_FRAMES + [0.0] * EASE_FRAMES])
    assert way[0] == way[-1] == 0.0
    assert way[EASE_FRAMES] == pytest.approx(1.0)
    steps = np.diff(way)
    assert 0 < steps[0] < 0.01 and 0 < steps[EASE_FRAMES - 1] < 0.01
    assert np.abs(steps).max() < 0.13 and np.abs(np.diff(steps)).max() < 0.05


def test_a_slider_that_is_dragged_about_causes_no_leap_and_goes_nowhere_beyond() -> None:
    rng, state = np.random.default_rng(0), MoodState()
    asked = np.repeat(rng.uniform(-1, 1, 200), rng.integers(1, 9, 200))
    shown = np.array([follow(state, mood) for mood in asked])
    assert np.abs(np.diff(shown)).max() < 2 * 0.13
    assert asked.min() <= shown.min() and shown.max() <= asked.max()


def test_the_mood_that_a_session_begins_with_is_there_at_once() -> None:
    assert follow(MoodState(), -0.7) == pytest.approx(-0.7)


# What is worn.


@pytest.mark.parametrize(("mood", "values"), [(1.0, CHEERFUL), (0.5, CHEERFUL), (-1.0, SAD), (-0.3, SAD)])
def test_a_calm_silent_face_wears_the_calibrated_values(mood: float, values: dict[str, float]) -> None:
    worn = wear(mood, CALM, CALM)
    for name, index in ARKIT_INDEX.items():
        value = values.get(name.removesuffix("Left").removesuffix("Right"), 0.0)
        assert worn[index] == pytest.approx(abs(mood) * value), name
    assert np.count_nonzero(worn) > len(values)  # both sides


@pytest.mark.parametrize(("mood", "corner"), [(1.0, "mouthSmileLeft"), (-1.0, "mouthFrownRight")])
@pytest.mark.parametrize("rounded", ["mouthPucker", "mouthFunnel"])
def test_corners_give_way_to_rounded_lips_and_the_rest_stays(mood: float, corner: str, rounded: str) -> None:
    calm = wear(mood, CALM, CALM)
    for amount, left in ((0.5, 1 - GIVES_WAY / 2), (1.0, 1 - GIVES_WAY), (1.4, 1 - GIVES_WAY)):
        worn = wear(mood, CALM, at(**{rounded: amount}))
        assert worn[ARKIT_INDEX[corner]] == pytest.approx(left * calm[ARKIT_INDEX[corner]])
        for name in ("cheekSquintLeft", "browInnerUp", "mouthShrugLower"):
            assert worn[ARKIT_INDEX[name]] == calm[ARKIT_INDEX[name]]


def test_of_two_smiles_the_larger_one_is_shown() -> None:
    listener = at(mouthSmileLeft=0.2, mouthSmileRight=0.1, cheekSquintLeft=0.12, browInnerUp=0.1)
    smile, cheek, brow = (ARKIT_INDEX[name] for name in ("mouthSmileLeft", "cheekSquintLeft", "browInnerUp"))
    assert wear(1.0, listener, CALM)[smile] == CHEERFUL["mouthSmile"]
    assert wear(1.0, listener, CALM)[brow] == pytest.approx(0.1 + CHEERFUL["browInnerUp"])
    faintly = wear(0.2, listener, CALM)
    assert (faintly[smile], faintly[cheek]) == (0.2, 0.12)
    assert wear(-0.5, listener, CALM)[smile] == pytest.approx(0.1)
    assert wear(-1.0, listener, CALM)[smile] == 0.0


# In a session.


def test_a_calm_session_is_left_as_it_was(
    stage: MotionStage, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a calm face wears nothing")

    never = speak(stage, speech, MotionStyle())
    state = stage.new_state(0)
    state.style = MotionStyle(mood=0.8)
    moody = stage.step(state, speech[: 20 * FRAME_SAMPLES])
    state.style = MotionStyle(mood=-0.4)
    moody += stage.step(state, speech[20 * FRAME_SAMPLES : 30 * FRAME_SAMPLES])
    state.style = MotionStyle()
    moody += stage.step(state, speech[30 * FRAME_SAMPLES : 45 * FRAME_SAMPLES])
    monkeypatch.setattr(stage_module, "wear", refuse)
    monkeypatch.setattr(stage_module, "tilt_deg", refuse)
    after = stage.step(state, speech[45 * FRAME_SAMPLES :]) + stage.flush(state)
    assert not same(moody, never[: len(moody)])
    assert same(after, never[len(moody) :])  # to the bit
    assert same(speak(stage, speech, MotionStyle()), never)


def test_any_chunking_gives_the_same_bits(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    def run(cut: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]) -> list[Motion]:
        state, motions = stage.new_state(1), []
        for number, mood in enumerate((0.0, 1.0, -0.6, 0.0)):
            state.style = MotionStyle(mood=mood)
            for piece in cut(speech[number * 15_000 : (number + 1) * 15_000]):
                motions += stage.step(state, piece)
        return motions + stage.flush(state)

    rng = np.random.default_rng(0)
    assert same(
        run(lambda part: np.split(part, np.sort(rng.integers(0, len(part), 20)))), run(lambda part: [part])
    )


def test_two_sessions_have_their_own_moods(stage: MotionStage) -> None:
    def moody(state: MotionState, mood: float) -> Motion:
        state.style = MotionStyle(mood=mood, life=STILL)
        return stage.step(state, silence(1))[-1]

    one, other = stage.new_state(0), stage.new_state(0)
    for state in (one, other):
        stage.step(state, silence(5))
    for _ in range(EASE_FRAMES):
        cheerful, sad = moody(one, 1.0), moody(other, -1.0)
    assert shapes([cheerful], "mouthSmileLeft") == pytest.approx(CHEERFUL["mouthSmile"])
    assert shapes([sad], "mouthFrownLeft") == pytest.approx(SAD["mouthFrown"])
    assert shapes([cheerful, sad], "mouthFrownLeft")[0] == shapes([cheerful, sad], "mouthSmileLeft")[1] == 0


def test_a_change_of_mood_is_soft_in_shapes_and_head(stage: MotionStage) -> None:
    def run(*moods: float) -> tuple[Floats, Floats]:
        state, motions = stage.new_state(0), []
        for mood in moods:
            state.style = MotionStyle(mood=mood, life=STILL)
            motions += stage.step(state, silence(EASE_FRAMES + 5))
        return np.stack([m.blendshapes for m in motions]), np.stack([m.pose[1] for m in motions])

    changing, calm = run(0.0, 1.0, -1.0, 0.0), run(0.0, 0.0, 0.0, 0.0)
    worn, tilt = (one - other for one, other in zip(changing, calm, strict=True))
    assert np.abs(np.diff(worn, axis=0)).max() < 0.13  # of the brows, half of which two moods move in 0.6 s
    assert np.abs(np.diff(tilt)).max() < 0.8
    assert worn.max() > 0.4 and tilt.max() == pytest.approx(SAD_PITCH_DEG, abs=0.01)
    assert tilt.min() == pytest.approx(CHEERFUL_PITCH_DEG, abs=0.01)


def test_the_tilt_goes_by_head_motion_and_the_expression_by_nothing(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    still = speak(stage, speech, MotionStyle(expressiveness=0.0, head_motion=0.0, mood=-1.0))
    assert not np.stack([motion.pose for motion in still]).any()
    frown, brow = shapes(still, "mouthFrownLeft", "browInnerUp").T
    assert frown.max() == pytest.approx(SAD["mouthFrown"]) and brow.min() == pytest.approx(SAD["browInnerUp"])
    pitch = {
        mood: np.stack([motion.pose[1] for motion in speak(stage, speech, MotionStyle(mood=mood))])
        for mood in (-1.0, 0.0, 1.0)
    }
    np.testing.assert_allclose(pitch[-1.0] - pitch[0.0], SAD_PITCH_DEG, atol=1e-5)
    np.testing.assert_allclose(pitch[1.0] - pitch[0.0], CHEERFUL_PITCH_DEG, atol=1e-5)


def test_the_eyes_stay_on_the_viewer_when_the_chin_sinks(stage: MotionStage) -> None:
    """The gaze makes up for the mood's tilt as for any other turn of the head."""
    calm, sad = (speak(stage, silence(100), MotionStyle(mood=mood)) for mood in (0.0, -1.0))
    down, up = (shapes(sad, name) - shapes(calm, name) for name in ("eyeLookDownLeft", "eyeLookUpLeft"))
    assert (up - down).min() > 0.05


def test_sad_lids_hang_and_still_shut(stage: MotionStage) -> None:
    sound = silence(1500)
    calm, sad = (shapes(speak(stage, sound, MotionStyle(mood=mood)), "eyeBlinkLeft") for mood in (0.0, -1.0))
    assert (calm == 1.0).any()
    assert (sad[calm == 1.0] == 1.0).all() and sad.max() == 1.0
    assert (sad >= calm).all() and sad.min() == pytest.approx(SAD["eyeBlink"])


def test_rounded_lips_are_seen_in_speech(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    calm, glad = (speak(stage, speech, MotionStyle(mood=mood)) for mood in (0.0, 1.0))
    smile = shapes(glad, "mouthSmileLeft") - shapes(calm, "mouthSmileLeft")
    rounding = shapes(calm, "mouthPucker", "mouthFunnel").max(axis=1)
    assert rounding.max() > 0.4
    np.testing.assert_allclose(smile, CHEERFUL["mouthSmile"] * (1 - GIVES_WAY * rounding), atol=1e-5)
    for one, other in zip(calm, glad, strict=True):
        np.testing.assert_array_equal(one.lip_offsets, other.lip_offsets)


@pytest.mark.parametrize("mood", [-1.0, 1.0])
def test_lips_that_are_sealed_meet_in_any_mood(
    stage: MotionStage, speech: NDArray[np.float32], mood: float
) -> None:
    lips = _Lips(Avatar.from_photo(ASSETS / "portraits" / "grace_hopper.jpg"))
    gaps = {}
    for worn in (0.0, mood):
        sealed = [
            motion
            for motion in speak(stage, speech, MotionStyle(mood=worn))
            if motion.lip_offsets[SEAL] > 0.95
        ]
        gaps[worn] = np.array([lips.gap_px(motion) for motion in sealed])
    assert len(gaps[mood]) == len(gaps[0.0]) > 20
    assert gaps[mood].max() < TOUCH_PX
    assert abs(gaps[mood].mean() - gaps[0.0].mean()) < 0.25  # of 512 pixels


@pytest.mark.parametrize("value", [-1.1, 1.01, float("nan")])
def test_a_mood_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(SettingError, match="expected mood from -1 to 1"):
        MotionStyle(mood=value)
