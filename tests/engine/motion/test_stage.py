"""The motion stage: streaming equals whole, the look-ahead is kept, silence shuts the mouth, barge-in closes it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from engine.conventions import ARKIT_INDEX, FRAME_SAMPLES, LIP_OFFSET_NAMES, LOOK_AHEADS_MS, SAMPLE_RATE
from engine.errors import AudioError, SettingError, UnavailableError
from engine.motion.idle import LifeSettings
from engine.motion.manner import Manner
from engine.motion.stage import WEIGHTS, MotionStage, MotionStyle
from engine.motion.values import Motion

ASSETS = Path(__file__).parents[3] / "engine" / "assets"
MOUTH = [index for name, index in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw", "tongue"))]


@pytest.fixture(scope="module", params=LOOK_AHEADS_MS, ids="{} ms".format)
def stage(request: pytest.FixtureRequest) -> MotionStage:
    return MotionStage(WEIGHTS[request.param])


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    rate, wave = wavfile.read(ASSETS / "speech" / "hello.wav")
    assert rate == 24_000
    return (resample_poly(wave.astype(np.float64), 2, 3) / 32768).astype(np.float32)[:50_123]


def run(stage: MotionStage, pieces: list[NDArray[np.float32]], seed: int = 3) -> list[Motion]:
    state = stage.new_state(seed)
    motions = [motion for piece in pieces for motion in stage.step(state, piece)]
    return motions + stage.flush(state)


def same(a: Motion, b: Motion) -> bool:
    return (
        a.number == b.number
        and np.array_equal(a.blendshapes, b.blendshapes)
        and np.array_equal(a.pose, b.pose)
        and a.breath == b.breath
        and np.array_equal(a.lip_offsets, b.lip_offsets)
    )


def equal(ones: list[Motion], others: list[Motion]) -> bool:
    return len(ones) == len(others) and all(map(same, ones, others))


def opening(motion: Motion) -> float:
    shape = {name: float(motion.blendshapes[index]) for name, index in ARKIT_INDEX.items()}
    return shape["jawOpen"] - shape["mouthClose"] + shape["mouthLowerDownLeft"] + shape["mouthUpperUpLeft"]


def test_every_begun_frame_comes_out_once_and_in_order(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    for length in (0, 1, 639, 640, 641, 1281, 5000):
        motions = run(stage, [speech[:length]])
        assert [motion.number for motion in motions] == list(range(-(-length // FRAME_SAMPLES)))


def test_values_are_in_range_and_the_mouth_moves(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    motions = run(stage, [speech])
    shapes = np.stack([motion.blendshapes for motion in motions])
    assert shapes.dtype == np.float32 and shapes.shape[1] == 52
    assert shapes.min() >= 0.0 and shapes.max() <= 1.0
    assert shapes[:, ARKIT_INDEX["jawOpen"]].max() > 0.1
    assert all(motion.pose.dtype == np.float32 and motion.pose.shape == (6,) for motion in motions)


@pytest.mark.parametrize("seed", [0, 1])
def test_any_chunking_gives_the_same_bits(stage: MotionStage, speech: NDArray[np.float32], seed: int) -> None:
    whole = run(stage, [speech])
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(speech), 60))
    pieces = np.split(speech, cuts)
    assert equal(run(stage, pieces), whole)


def test_the_shipped_weights_have_the_look_ahead_they_are_named_for() -> None:
    for look_ahead_ms in LOOK_AHEADS_MS:
        assert MotionStage(WEIGHTS[look_ahead_ms]).look_ahead_samples == SAMPLE_RATE * look_ahead_ms // 1000


def test_sound_beyond_the_look_ahead_changes_no_earlier_frame(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    before = run(stage, [speech])
    for frame in (5, 20, 41):
        first = FRAME_SAMPLES * (frame + 1) + stage.look_ahead_samples
        changed = speech.copy()
        changed[first:] = np.random.default_rng(frame).normal(0, 0.3, len(speech) - first)
        after = run(stage, [changed])
        assert equal(after[: frame + 1], before[: frame + 1])
        assert not equal(after[frame + 1 :], before[frame + 1 :])


def test_a_frame_comes_out_as_soon_as_its_look_ahead_is_in(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    state = stage.new_state(0)
    needed = FRAME_SAMPLES + stage.look_ahead_samples
    assert stage.step(state, speech[: needed - 1]) == []
    assert [motion.number for motion in stage.step(state, speech[needed - 1 : needed])] == [0]


def test_two_sessions_do_not_mix(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    alone = run(stage, [speech[:20_000]], seed=1)
    one, other = stage.new_state(1), stage.new_state(2)
    mixed = []
    for start in range(0, 20_000, 500):
        mixed += stage.step(one, speech[:20_000][start : start + 500])
        stage.step(other, speech[start + 7000 : start + 7700])
    assert equal(mixed + stage.flush(one), alone)


def test_seeds_differ_in_life_and_agree_in_speech(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    first, second = run(stage, [speech], seed=1), run(stage, [speech], seed=2)
    assert not np.array_equal(first[50].pose, second[50].pose)
    assert np.array_equal(first[50].blendshapes[MOUTH], second[50].blendshapes[MOUTH])


@pytest.mark.parametrize("dbfs", [None, -60.0, -50.0])
def test_the_mouth_stays_shut_without_speech(stage: MotionStage, dbfs: float | None) -> None:
    sound = np.zeros(10 * 16_000, np.float32)
    if dbfs is not None:
        sound += np.random.default_rng(0).normal(0, 10 ** (dbfs / 20), len(sound)).astype(np.float32)
    motions = stage.step(stage.new_state(0), sound)
    mouths = np.stack([motion.blendshapes[MOUTH] for motion in motions])
    assert (mouths.max(axis=1) < 0.01).mean() >= 0.99
    assert not motions[-1].speaking


def test_clear_shuts_the_mouth_within_100_ms(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    state = stage.new_state(0)
    motions = stage.step(state, speech)
    wide = max(range(len(motions)), key=lambda number: opening(motions[number]))
    state = stage.new_state(0)
    shown = stage.step(state, speech[: FRAME_SAMPLES * (wide + 1) + stage.look_ahead_samples])
    assert opening(shown[-1]) > 0.1
    stage.clear(state)
    after = stage.step(state, np.zeros(6 * FRAME_SAMPLES, np.float32))
    assert not any(motion.speaking for motion in after)
    assert [motion.number for motion in after] == list(range(wide + 1, wide + 7))
    openings = [opening(motion) for motion in after]
    assert 0.0 < openings[0] < opening(shown[-1])
    assert max(openings[1:]) < 0.01


def test_speech_goes_on_after_flush_with_the_next_number(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    state = stage.new_state(0)
    first = stage.step(state, speech[:30_000]) + stage.flush(state)
    assert stage.flush(state) == []
    second = stage.step(state, speech[:30_000]) + stage.flush(state)
    assert [motion.number for motion in first + second] == list(range(len(first) + len(second)))
    one, two = (np.array([opening(motion) for motion in motions]) for motions in (first, second))
    assert np.corrcoef(one, two)[0, 1] > 0.9


def test_speaking_follows_the_voice(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    silence = np.zeros(16_000, np.float32)
    motions = stage.step(stage.new_state(0), np.concatenate([silence, speech[8_000:24_000], silence]))
    assert [motion.speaking for motion in (motions[20], motions[40], motions[70])] == [False, True, False]


def test_style_scales_mouth_and_head(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    results = {}
    for value in (0.0, 1.0, 2.0):
        state = stage.new_state(0)
        state.style = MotionStyle(expressiveness=value, head_motion=value)
        results[value] = stage.step(state, speech)
    jaws = {value: max(opening(motion) for motion in motions) for value, motions in results.items()}
    assert jaws[0.0] < jaws[1.0] < jaws[2.0]
    heads = {
        value: max(float(np.abs(motion.pose).max()) for motion in motions)
        for value, motions in results.items()
    }
    assert heads[0.0] == 0.0 < heads[1.0] < heads[2.0]


def test_an_avatar_that_is_told_of_the_other_sides_voice_nods(stage: MotionStage) -> None:
    def pitch(heard_frames: int) -> NDArray[np.float32]:
        state = stage.new_state(0)
        poses = []
        for frame in range(200):
            state.listening = frame % 100 < heard_frames
            poses += stage.step(state, np.zeros(FRAME_SAMPLES, np.float32))
        return np.array([motion.pose[1] for motion in poses])

    nods = pitch(70) - pitch(0)
    assert nods.max() > 1.5
    assert not nods[:66].any()  # not before the first phrase ends, less the look-ahead


def test_phrases_end_sooner_than_the_detector_lets_go(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    state = stage.new_state(0)
    spoken, phrases = [], []
    for frame in np.concatenate([speech[8_000:24_000], np.zeros(16_000, np.float32)]).reshape(-1, 640):
        for motion in stage.step(state, frame):
            spoken.append(motion.speaking)
            phrases.append(state.idle.talk.speaking)
    assert any(phrases)
    last = [max(np.flatnonzero(flags)) for flags in (spoken, phrases)]
    assert 3 <= last[0] - last[1] <= 6


def test_signs_of_life_can_be_switched_off(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    state = stage.new_state(0)
    state.style = MotionStyle(life=LifeSettings(blinks=False, gaze=False, breath=False))
    eyes = [index for name, index in ARKIT_INDEX.items() if name.startswith(("eyeBlink", "eyeLook"))]
    motions = stage.step(state, speech)
    assert not any(motion.blendshapes[eyes].any() or motion.breath for motion in motions)


@pytest.mark.parametrize("value", [-0.1, 2.1, float("nan")])
def test_style_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(SettingError, match="from 0 to 2"):
        MotionStyle(expressiveness=value)
    with pytest.raises(SettingError, match="from 0 to 2"):
        MotionStyle(head_motion=value)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(640),
        np.zeros((640, 1), np.float32),
        np.full(640, np.nan, np.float32),
        np.zeros(640, np.int16),
    ],
)
def test_bad_samples_are_refused_and_nothing_is_taken(
    stage: MotionStage, samples: NDArray[np.float32]
) -> None:
    state = stage.new_state(0)
    with pytest.raises(AudioError):
        stage.step(state, samples)
    assert stage.flush(state) == []


def test_missing_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    for name in ("absent.safetensors", "broken.safetensors"):
        with pytest.raises(UnavailableError, match=name):
            MotionStage(tmp_path / name)


def test_lips_are_sealed_now_and_then_and_skewed_by_habit(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    state = stage.new_state(0)
    state.manner = Manner(skew=0.3)
    lips = np.stack([motion.lip_offsets for motion in stage.step(state, speech)])
    seal = lips[:, LIP_OFFSET_NAMES.index("seal")]
    assert seal.max() > 0.9 and 0.02 < (seal > 0.5).mean() < 0.4  # "hello, my name is Mabel, maybe ..."
    assert (lips[:, LIP_OFFSET_NAMES.index("skew")] == np.float32(0.3)).all()


def test_the_manner_changes_how_far_the_mouth_opens(stage: MotionStage, speech: NDArray[np.float32]) -> None:
    opened = {}
    for articulation in (-1.0, 0.0, 1.0):
        state = stage.new_state(0)
        state.manner = Manner(articulation)
        opened[articulation] = np.mean([opening(motion) for motion in stage.step(state, speech)])
    assert opened[-1.0] < opened[0.0] < opened[1.0]


def test_brows_go_with_the_voice_and_can_be_switched_off(
    stage: MotionStage, speech: NDArray[np.float32]
) -> None:
    brows = [index for name, index in ARKIT_INDEX.items() if name.startswith("brow")]
    on, off = stage.new_state(0), stage.new_state(0)
    off.style = MotionStyle(life=LifeSettings(brows=False))
    assert np.ptp([motion.blendshapes[brows[2]] for motion in stage.step(on, speech)]) > 0.05
    assert not any(motion.blendshapes[brows].any() for motion in stage.step(off, speech))
