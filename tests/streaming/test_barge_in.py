"""What counts as a user's speech: the bundled voices do; noise, clicks, breath, tones and the avatar's echo do not."""

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from streaming.barge_in import END_PIECES, PAUSE_PIECES, BargeIn
from tests.streaming.voices import RATE, bundled_speech

BLOCK = 960
SECONDS = 6


def events(
    sound: NDArray[np.float64] | NDArray[np.int16],
    far_end_dbfs: list[float] | None = None,
    block: int = BLOCK,
) -> list[tuple[float, str]]:
    """Time in seconds and kind of each change."""
    detector, found = BargeIn(), []
    whole = np.clip(sound, -32768, 32767).astype(np.int16)
    for number in range(len(whole) // block):
        far = far_end_dbfs[number] if far_end_dbfs is not None else None
        change = detector.add(whole[number * block : (number + 1) * block], far)
        if change is not None:
            found.append(((number + 1) * block / RATE, change))
    return found


def level(dbfs: float) -> float:
    return float(32768.0 * 10 ** (dbfs / 20))


def noise(kind: str, dbfs: float, seconds: float = SECONDS, seed: int = 1) -> NDArray[np.float64]:
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    slope = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
    made = np.fft.irfft(spectrum / np.maximum(1.0, np.arange(len(spectrum))) ** slope, count)
    return level(dbfs) * made / float(np.sqrt(np.mean(made**2)))


def utterance() -> NDArray[np.float64]:
    """Two seconds of speech that begin with a vowel's first sound."""
    speech = bundled_speech().astype(np.float64)
    loud = np.abs(speech[: len(speech) // 480 * 480].reshape(-1, 480)).max(1) > level(-30)
    begin = int(np.argmax(loud)) * 480
    return speech[begin : begin + 2 * RATE]


def in_silence(
    speech: NDArray[np.float64], before_s: float = 2.0, after_s: float = 2.0
) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(int(before_s * RATE)), speech, np.zeros(int(after_s * RATE))])


def test_a_phrase_ends_before_the_user_is_silent_and_another_one_may_follow() -> None:
    gap = np.zeros(int(0.35 * RATE))
    sound = np.concatenate([np.zeros(RATE), utterance(), gap, utterance(), np.zeros(RATE)])
    detector, state = BargeIn(), []
    for block in sound[: len(sound) // BLOCK * BLOCK].astype(np.int16).reshape(-1, BLOCK):
        detector.add(block)
        state.append((detector.speaking, detector.in_phrase))
    speaking, in_phrase = np.array(state).T
    assert not (in_phrase & ~speaking).any()
    begins = [np.flatnonzero(flags[1:] & ~flags[:-1]) for flags in (speaking, in_phrase)]
    assert begins[0][0] == begins[1][0]
    assert len(begins[0]) == 1 < len(begins[1])
    last = [np.flatnonzero(flags)[-1] * BLOCK / RATE for flags in (speaking, in_phrase)]
    assert last[0] - last[1] == pytest.approx((END_PIECES - PAUSE_PIECES) / 100, abs=0.03)


@pytest.mark.parametrize("room", [None, ("white", -60), ("white", -45), ("pink", -40)])
def test_speech_is_noticed_within_120_ms_and_its_end(room: tuple[str, float] | None) -> None:
    sound = in_silence(utterance())
    if room is not None:
        sound += noise(*room)
    (began_s, began), (ended_s, ended) = events(sound)
    assert (began, ended) == ("user_speaking", "user_silent")
    assert 2.0 < began_s <= 2.12
    assert 4.0 < ended_s <= 4.0 + END_PIECES / 100 + 0.2


def test_one_utterance_is_one_however_it_is_cut() -> None:
    speech = bundled_speech()[: 6 * RATE]
    whole = events(speech)
    assert [kind for _, kind in whole] == ["user_speaking"]
    for block in (480, 300):
        assert abs(events(speech, block=block)[0][0] - whole[0][0]) <= 0.02


@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
@pytest.mark.parametrize("dbfs", [-60.0, -40.0, -25.0])
def test_noise_is_no_speech(kind: str, dbfs: float) -> None:
    assert events(noise(kind, dbfs)) == []


def test_silence_is_no_speech() -> None:
    assert events(np.zeros(SECONDS * RATE)) == []


@pytest.mark.parametrize("a_second", [3, 12])
@pytest.mark.parametrize("long_ms", [5, 30])
def test_keyboard_clicks_are_no_speech(a_second: int, long_ms: int) -> None:
    sound, rng = noise("pink", -60), np.random.default_rng(2)
    count = long_ms * RATE // 1000
    for begin in rng.integers(0, len(sound) - count, a_second * SECONDS):
        sound[begin : begin + count] += (
            level(-12) * rng.normal(size=count) * np.exp(-4 * np.arange(count) / count)
        )
    assert events(sound) == []


@pytest.mark.parametrize("dbfs", [-45.0, -30.0])
def test_breath_is_no_speech(dbfs: float) -> None:
    band = scipy.signal.butter(2, (300, 3000), "band", fs=RATE)
    breath = scipy.signal.lfilter(*band, noise("white", dbfs + 6))
    swell = np.clip(np.sin(2 * np.pi * 0.4 * np.arange(len(breath)) / RATE), 0, 1)
    assert events(noise("pink", -60, seed=3) + swell * breath) == []


@pytest.mark.parametrize("hz", [50.0, 220.0, 440.0, 1000.0])
def test_a_steady_tone_is_no_speech(hz: float) -> None:
    tone = level(-20) * np.sin(2 * np.pi * hz * np.arange(SECONDS * RATE) / RATE)
    assert events(tone + noise("pink", -60)) == []


def test_soft_speech_from_far_away_is_no_speech() -> None:
    assert events(in_silence(utterance() * 10 ** (-45 / 20))) == []


@pytest.mark.parametrize("delay_ms", [20, 150, 300])
def test_the_avatars_own_echo_is_no_speech_when_its_level_is_known(delay_ms: int) -> None:
    said = bundled_speech()[: SECONDS * RATE].astype(np.float64)
    delay = delay_ms * RATE // 1000
    echo = np.concatenate([np.zeros(delay), said])[: len(said)] * 10 ** (-20 / 20) + noise("pink", -60)
    blocks = said.reshape(-1, BLOCK)
    far = list(20 * np.log10(np.sqrt(np.mean(blocks**2, axis=1)) / 32768 + 1e-9))
    assert events(echo) != []
    assert events(echo, far) == []
    interrupted = echo.copy()
    interrupted[3 * RATE : 5 * RATE] += utterance()
    (began_s, began), *_ = events(interrupted, far)
    assert began == "user_speaking"
    assert 3.0 < began_s < 3.4
