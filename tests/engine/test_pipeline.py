"""A session's three verbs: push audio, clear, iterate frames."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import AudioError, SettingError, UnavailableError
from engine.motion.stage import MotionStyle
from engine.motion.values import Motion, rest
from engine.pipeline import Engine, EngineSettings, Frame, Session
from engine.speech.audio_file import load_audio
from tests.engine.render.neural.nets import small_weights

ASSETS = Path(__file__).parents[2] / "engine" / "assets"


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return Avatar.from_photo(ASSETS / "portraits" / "grace_hopper.jpg", rights="public-domain")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(EngineSettings(size=256))


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(ASSETS / "speech" / "hello.wav").analysis[: SAMPLE_RATE + 333]


def whole(engine: Engine, avatar: Avatar, speech: np.ndarray, seed: int = 0) -> list[Frame]:
    session = engine.session(avatar, seed=seed)
    session.push_audio(speech)
    session.end()
    return list(session)


def test_frames_carry_their_numbers_and_their_sound(
    engine: Engine, avatar: Avatar, speech: np.ndarray
) -> None:
    frames = whole(engine, avatar, speech)
    assert [frame.number for frame in frames] == list(range(-(-len(speech) // FRAME_SAMPLES)))
    sound = np.concatenate([frame.samples for frame in frames])
    np.testing.assert_array_equal(sound[: len(speech)], speech)
    assert not sound[len(speech) :].any()
    for frame in frames:
        assert frame.first_sample == frame.number * FRAME_SAMPLES
        assert frame.rgb.shape == (256, 256, 3) and frame.i420.shape == (384, 256)
        assert set(frame.stage_ms) >= {"drive", "rasterise", "composite", "colour"}


def test_pieces_of_any_length_give_the_same_pictures(
    engine: Engine, avatar: Avatar, speech: np.ndarray
) -> None:
    expected = whole(engine, avatar, speech)
    session = engine.session(avatar)
    random = np.random.default_rng(1)
    frames, start = [], 0
    while start < len(speech):
        length = int(random.choice([1, 159, 320, 640, 1000, 5000]))
        session.push_audio(speech[start : start + length])
        start += length
        frames += list(session)
    session.end()
    frames += list(session)
    assert len(frames) == len(expected)
    for frame, other in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.rgbx, other.rgbx)
        np.testing.assert_array_equal(frame.samples, other.samples)


@pytest.mark.parametrize("look_ahead_ms", [80, 40])
def test_a_frame_is_ready_as_soon_as_its_look_ahead_is_in(
    avatar: Avatar, speech: np.ndarray, look_ahead_ms: int
) -> None:
    engine = Engine(EngineSettings(size=256, look_ahead_ms=look_ahead_ms))
    assert engine.look_ahead_samples == SAMPLE_RATE * look_ahead_ms // 1000
    session = engine.session(avatar)
    needed = 3 * FRAME_SAMPLES + engine.look_ahead_samples
    session.push_audio(speech[: needed - 1])
    assert [motion.number for motion in session.motions()] == [0, 1]
    session.push_audio(speech[needed - 1 : needed])
    assert [motion.number for motion in session.motions()] == [2]


def test_two_sessions_do_not_mix(engine: Engine, avatar: Avatar, speech: np.ndarray) -> None:
    alone = [frame.motion for frame in whole(engine, avatar, speech)]
    one, other = engine.session(avatar), engine.session(avatar, seed=7)
    together = []
    for start in range(0, len(speech), 500):
        one.push_audio(speech[start : start + 500])
        other.push_audio(speech[::-1][start : start + 500].copy())
        together += list(one.motions())
        list(other.motions())
    for motion, expected in zip(together, alone, strict=False):
        np.testing.assert_array_equal(motion.blendshapes, expected.blendshapes)
        np.testing.assert_array_equal(motion.pose, expected.pose)


@pytest.mark.parametrize("neural", [False, True])
def test_sessions_may_share_what_draws_an_avatar(
    tmp_path: Path, avatar: Avatar, speech: np.ndarray, neural: bool
) -> None:
    """Frame by frame in turns, each with motion of its own, as if each had it alone."""
    settings = EngineSettings(size=256)
    if neural:
        settings = EngineSettings(
            size=256, quality="neural", runtime="torch", weights=small_weights(tmp_path)
        )
    engine = Engine(settings)
    sounds = speech, speech[::-1].copy()
    alone = [whole(engine, avatar, sound, seed)[3:6] for seed, sound in enumerate(sounds)]
    shared = engine.prepare(avatar)
    sessions = [engine.session(shared, seed=seed) for seed in range(2)]
    for session, sound in zip(sessions, sounds, strict=True):
        session.push_audio(sound)
    together = [list(frames) for frames in zip(*sessions, strict=False)]
    for number, expected in enumerate(zip(*alone, strict=True), 3):
        for frame, wanted in zip(together[number], expected, strict=True):
            np.testing.assert_array_equal(frame.i420, wanted.i420)
    assert not np.array_equal(together[5][0].i420, together[5][1].i420)


def mouths(session: Session) -> list[float]:
    """How far the mouth is open in each ready frame."""
    from engine.conventions import ARKIT_INDEX

    jaw, close = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
    return [float(m.blendshapes[jaw] - m.blendshapes[close]) for m in session.motions()]


def test_clear_forgets_the_queue_and_closes_the_mouth(
    engine: Engine, avatar: Avatar, speech: np.ndarray
) -> None:
    session = engine.session(avatar)
    session.push_audio(speech)
    shown = [next(session.motions()) for _ in range(12)]
    heard = (len(shown) + 2) * FRAME_SAMPLES
    assert session.clear() == len(speech) - heard
    session.push_audio(np.zeros(10 * FRAME_SAMPLES, np.float32))
    frames = list(session)
    assert frames[0].number == len(shown), "numbers run on"
    assert not any(frame.samples.any() for frame in frames), "old sound was kept"
    session.push_audio(np.zeros(FRAME_SAMPLES, np.float32))
    after = [float(f.motion.blendshapes[17] - f.motion.blendshapes[18]) for f in frames]
    assert max(after[3:]) <= 0.01


def test_speech_goes_on_after_clear(engine: Engine, avatar: Avatar, speech: np.ndarray) -> None:
    session = engine.session(avatar)
    session.push_audio(speech)
    list(session.motions())
    session.clear()
    session.push_audio(speech)
    assert max(mouths(session)) > 0.05


@pytest.mark.parametrize("taken", [0, 5, 24, 25])
def test_clear_after_the_end_loses_no_frame(
    engine: Engine, avatar: Avatar, speech: np.ndarray, taken: int
) -> None:
    """Neither of those that waited for look-ahead nor of what is said next."""
    session = engine.session(avatar)
    session.push_audio(speech)
    session.end()
    frames = [frame for _, frame in zip(range(taken), session, strict=False)]
    session.clear()
    after = speech[-3200:]
    for start in range(0, len(after), 320):
        session.push_audio(after[start : start + 320])
        frames += list(session)
    session.end()
    frames += list(session)
    assert [frame.number for frame in frames] == list(range(len(frames)))
    np.testing.assert_array_equal(np.concatenate([frame.samples for frame in frames[-5:]]), after)
    assert not any(frame.samples.any() for frame in frames[taken:-5])


def test_a_motion_of_another_origin_leaves_the_session_as_it_is(
    engine: Engine, avatar: Avatar, speech: np.ndarray
) -> None:
    session = engine.session(avatar)
    session.push_audio(speech)
    frames = []
    for other in (0, 2, 1000):  # to come, drawn before, far ahead
        assert not session.render(rest(other)).samples.any()
        frames += [frame for _, frame in zip(range(4), session, strict=False)]
    for frame, expected in zip(frames, whole(engine, avatar, speech), strict=False):
        np.testing.assert_array_equal(frame.rgbx, expected.rgbx)
        np.testing.assert_array_equal(frame.samples, expected.samples)
    assert len(frames) == 12


def test_speech_may_be_pushed_long_before_it_is_shown(engine: Engine, avatar: Avatar) -> None:
    session, minutes = engine.session(avatar), 10
    chunk = np.zeros(320, np.float32)
    begun = process_time()
    for _ in range(minutes * 60 * SAMPLE_RATE // len(chunk)):
        session.push_audio(chunk)
    assert next(session.motions()).number == 0
    assert process_time() - begun < 10
    assert session.clear() == minutes * 60 * SAMPLE_RATE - 3 * FRAME_SAMPLES


def test_a_session_goes_on_after_its_end(engine: Engine, avatar: Avatar, speech: np.ndarray) -> None:
    session = engine.session(avatar)
    numbers = []
    for _ in range(2):
        session.push_audio(speech)
        session.end()
        numbers += [frame.number for frame in session]
    assert numbers == list(range(2 * -(-len(speech) // FRAME_SAMPLES)))


def test_another_avatar_takes_over_within_a_session(
    engine: Engine, avatar: Avatar, speech: np.ndarray
) -> None:
    other = Avatar.from_photo(ASSETS / "portraits" / "astronaut.png", rights="public-domain")
    with ThreadPoolExecutor(1) as executor:
        prepared = executor.submit(engine.prepare, other).result()
    shown = []
    for first, new in ((avatar, other), (engine.prepare(avatar), prepared)):
        session = engine.session(first)
        session.push_audio(speech)
        before = session.render(next(session.motions()))
        session.set_avatar(new)
        after = session.render(next(session.motions()))
        assert after.number == before.number + 1
        assert np.abs(after.rgb.astype(int) - before.rgb).mean() > 20
        shown.append((before.rgbx, after.rgbx))
    np.testing.assert_array_equal(shown[0], shown[1])  # made ready beforehand or not


def test_style_stills_the_head(engine: Engine, avatar: Avatar, speech: np.ndarray) -> None:
    session = engine.session(avatar)
    session.set_style(MotionStyle(head_motion=0.0))
    session.push_audio(speech)
    assert all(not motion.pose.any() for motion in session.motions())


def test_a_session_listens_when_it_is_told_that_the_other_side_speaks(engine: Engine, avatar: Avatar) -> None:
    heard = []
    for tell in (False, True):
        session = engine.session(avatar)
        pitch = []
        for frame in range(200):
            session.set_listening(tell and frame % 100 < 60)
            session.push_audio(np.zeros(FRAME_SAMPLES, np.float32))
            pitch += [motion.pose[1] for motion in session.motions()]
        heard.append(np.array(pitch))
    assert np.max(heard[1] - heard[0]) > 1.0


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(640, np.int16),
        np.zeros((640, 1), np.float32),
        np.full(640, np.nan, np.float32),
        np.full(640, np.inf, np.float32),
        np.full(640, 30000, np.float32),
        np.full(640, -1e18, np.float32),
        [0.0] * 640,
    ],
)
def test_other_samples_are_refused_and_nothing_is_lost(
    engine: Engine, avatar: Avatar, samples: object, speech: np.ndarray
) -> None:
    session = engine.session(avatar)
    session.push_audio(speech[:700])
    with pytest.raises(AudioError, match="expected"):
        session.push_audio(samples)  # type: ignore[arg-type]
    session.push_audio(speech[700:])
    session.end()
    sound = np.concatenate([frame.samples for frame in session])
    np.testing.assert_array_equal(sound[: len(speech)], speech)


def test_int16_values_are_told_what_to_do(engine: Engine, avatar: Avatar) -> None:
    session = engine.session(avatar)
    session.push_audio(np.array([-2.0, 1.5], np.float32))  # overshoots
    with pytest.raises(AudioError, match=r"in \[-1, 1\], got 12000: divide int16 by 32768"):
        session.push_audio(np.array([5, -12000], np.int16).astype(np.float32))


@pytest.mark.parametrize("seed", [-1, 1.5, None, "a"])
def test_a_seed_is_a_whole_number(engine: Engine, avatar: Avatar, seed: object) -> None:
    with pytest.raises(SettingError, match=f"whole number of 0 or more as seed, got {seed!r}"):
        engine.session(avatar, seed=seed)  # type: ignore[arg-type]
    engine.session(avatar, seed=np.int64(3))  # type: ignore[arg-type]


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="256, 512, 768"):
        EngineSettings(size=500)
    with pytest.raises(SettingError, match="80 or 40 ms, got 60"):
        EngineSettings(look_ahead_ms=60)
    with pytest.raises(SettingError, match="expected a quality of auto"):
        EngineSettings(quality="best")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="expected a runtime of auto"):
        EngineSettings(runtime="abacus")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="expected a precision of auto"):
        EngineSettings(precision="half")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="expressiveness"):
        MotionStyle(expressiveness=3.0)


def test_the_badge_is_drawn_when_asked_for(avatar: Avatar) -> None:
    silence = np.zeros(3 * FRAME_SAMPLES, np.float32)
    pictures = []
    for badge in (False, True):
        session = Engine(EngineSettings(size=256, badge=badge)).session(avatar)
        session.push_audio(silence)
        pictures.append(next(iter(session)).rgb.astype(int))
    changed = np.abs(pictures[0] - pictures[1]).max(axis=2) > 8
    assert changed.any() and not changed[:200].any()


def test_networks_fade_in_and_out(tmp_path: Path, avatar: Avatar) -> None:
    """Frames are refined at the neural quality; without the networks they become the geometric ones step by step."""
    settings = EngineSettings(size=256, quality="neural", runtime="torch", weights=small_weights(tmp_path))
    session, plain = Engine(settings).session(avatar), Engine(EngineSettings(size=256)).session(avatar)
    motion = Motion(0, np.full(52, 0.2, np.float32), np.array([8, 0, 0, 0, 0, 0], np.float32))
    geometric = plain.render(motion).rgb.astype(int)

    def away(neural: bool) -> float:
        return float(np.abs(session.render(motion, neural=neural).rgb.astype(int) - geometric).mean())

    full = away(True)
    assert full > 0.0
    going = [away(False) for _ in range(10)]
    assert all(a >= b for a, b in zip(going, going[1:], strict=False))
    assert 0.5 * full < going[0] < full and going[-1] == 0.0
    coming = [away(True) for _ in range(10)]
    assert coming[0] < 0.5 * full and coming[-1] == full


def test_the_neural_quality_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"expected weights .* give --weights"):
        Engine(EngineSettings(quality="neural", weights=tmp_path / "none.safetensors"))
