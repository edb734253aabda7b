"""Made speech: texts, Kokoro's tokens as timed sounds, shards that resume; the synthesisers where installed."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError, SettingError, UnavailableError
from engine.training import synth_speech as module
from engine.training.festival import FESTIVAL_VOICES, PACKAGES, festival
from engine.training.phones import PAUSE, REDUCED, VOWELS, reduce_vowels
from engine.training.shards import read_shard, write_shard
from engine.training.synth_speech import synth_speech
from engine.training.texts import LANGUAGES, PHRASES, english, foreign
from engine.training.voices import (
    KOKORO_TOKENS,
    Kokoro,
    Phone,
    Utterance,
    _token_phones,
    espeak,
    flite,
    to_16k,
    with_rhotic_vowels,
)
from tests.full_disk import full_disk


def test_sentences_follow_the_seed_and_hold_no_russian() -> None:
    sentences = [english(np.random.default_rng(seed)) for seed in range(300)]
    assert sentences[:5] == [english(np.random.default_rng(seed)) for seed in range(5)]
    assert len(set(sentences)) > 250
    others = {language: foreign(np.random.default_rng(1), language) for language in LANGUAGES}
    assert "ru" not in LANGUAGES
    text = " ".join(text for language, text in others.items() if language not in ("be", "kk"))
    assert not set("ыэё") & set(text.lower())  # Russian has these letters, Belarusian and Kazakh, too
    assert not set("ищъ") & set(" ".join(PHRASES["be"]).lower())
    assert not set("{}_") & set(" ".join([*sentences, *others.values()]))


def test_tokens_become_sounds_with_times() -> None:
    letters = list("hˈI, bˈiː.")
    ends = np.arange(1, len(letters) + 3) * 0.1
    phones = [(sounds, round(start, 2), round(end, 2)) for sounds, start, end in _token_phones(letters, ends)]
    assert phones == [
        ((PAUSE,), 0.0, 0.1),
        (("h",), 0.1, 0.2),
        (("a", "ɪ"), 0.2, 0.4),  # with its stress mark
        ((PAUSE,), 0.4, 0.6),  # comma and space
        (("b",), 0.6, 0.7),
        (("i",), 0.7, 1.0),  # with its stress and length marks
        ((PAUSE,), 1.0, 1.1),
        ((PAUSE,), 1.1, 1.2),
    ]


def test_token_numbers_are_all_different() -> None:
    assert len(set(KOKORO_TOKENS.values())) == len(KOKORO_TOKENS)


def test_resampling_keeps_the_duration_and_the_tone() -> None:
    time = np.arange(24_000) / 24_000
    wave = to_16k(np.sin(2 * np.pi * 440 * time), 24_000)
    assert wave.dtype == np.float32 and len(wave) == SAMPLE_RATE
    assert np.abs(np.fft.rfft(wave)).argmax() == 440


def test_a_shard_keeps_its_utterances(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    utterances = [
        Utterance(
            rng.uniform(-1, 1, 500 * (index + 1)).astype(np.float32),
            (Phone(PAUSE, 0.0, 0.01), Phone("ʃ", 0.01, 0.02 + index)),
        )
        for index in range(3)
    ]
    write_shard(tmp_path / "made-0000.npz", utterances)
    for read, written in zip(read_shard(tmp_path / "made-0000.npz"), utterances, strict=True):
        assert np.allclose(read.samples, written.samples, atol=1e-4)  # 16 bits
        assert read.phones == written.phones
    with full_disk(), pytest.raises(InputError, match="can be written for .*made-0001"):
        write_shard(tmp_path / "made-0001.npz", utterances)
    assert [path.name for path in tmp_path.iterdir()] == ["made-0000.npz"]


def test_shards_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "flite-0000.npz"
    write_shard(path, [Utterance(np.zeros(1600, np.float32), (Phone("?", 0.0, 0.1),))])
    with pytest.raises(
        InputError, match=r"expected the sounds of this version in .*flite-0000\.npz, got '\?'"
    ):
        next(read_shard(path))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"flite-0000\.npz.*delete it"):
        next(read_shard(path))
    with pytest.raises(InputError, match=r"flite-0000\.npz.*delete it"):
        synth_speech(tmp_path, synthesisers=["flite"])


def test_a_stopped_run_goes_on_and_shards_depend_on_the_seed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def speak(name: str, rng: np.random.Generator, kokoro: object) -> Utterance:
        return Utterance(rng.uniform(-1, 1, 1600).astype(np.float32), (Phone("a", 0.0, 0.1),))

    monkeypatch.setattr(module, "_speak", speak)
    seen: list[float] = []
    hours = synth_speech(tmp_path / "a", hours=30 / 3600, seed=1, progress=seen.append)
    assert sum(hours.values()) >= 30 / 3600 and seen[-1] == 1.0 and seen == sorted(seen)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert {name.split("-")[0] for name in files} == {"flite", "espeak", "festival"}
    hours = synth_speech(tmp_path / "b", hours=1 / 3600, synthesisers=["espeak"])
    assert list(hours) == ["espeak"]
    gone = tmp_path / "a" / files[0]
    before = gone.read_bytes()
    kept = (tmp_path / "a" / files[1]).stat().st_mtime_ns
    gone.unlink()
    synth_speech(tmp_path / "a", hours=30 / 3600, seed=1)
    with np.load(gone) as again:
        (tmp_path / "before.npz").write_bytes(before)
        with np.load(tmp_path / "before.npz") as old:
            assert all(np.array_equal(again[name], old[name]) for name in old.files)
    assert (tmp_path / "a" / files[1]).stat().st_mtime_ns == kept


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="more than 0 hours"):
        synth_speech(tmp_path, hours=0)
    with pytest.raises(SettingError, match="more than 0 hours and an end, got inf"):
        synth_speech(tmp_path, hours=float("inf"))
    with pytest.raises(SettingError, match=r"among kokoro, accented, flite, espeak, festival, got sam"):
        synth_speech(tmp_path, synthesisers=["flite", "sam"])
    with pytest.raises(SettingError, match="Kokoro's voices"):
        synth_speech(tmp_path, synthesisers=["kokoro"])
    with pytest.raises(UnavailableError):
        Kokoro(tmp_path)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_says_what_it_spoke() -> None:
    utterance = flite("Bob.", "rms")
    sounds = [phone.ipa for phone in utterance.phones if phone.ipa != PAUSE]
    assert sounds == ["b", "ɑ", "b"]
    assert abs(utterance.phones[-1].end_s - len(utterance.samples) / SAMPLE_RATE) < 0.5


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed"
)
def test_espeak_says_what_it_spoke() -> None:
    utterance = espeak().speak("mama", "it")
    sounds = [phone.ipa for phone in utterance.phones if phone.ipa != PAUSE]
    assert sounds == ["m", "a", "m", "a"]
    assert espeak().phonemes("mama", "it").replace("ˈ", "").replace("ː", "") == "mama"


@pytest.mark.skipif(shutil.which("festival") is None, reason="festival is not installed")
@pytest.mark.parametrize("voice", FESTIVAL_VOICES)
def test_festival_says_what_it_spoke(voice: str) -> None:
    utterance = festival('Say "Bob".', voice)
    sounds = [phone.ipa for phone in utterance.phones if phone.ipa != PAUSE]
    assert sounds == ["s", "e", "ɪ", "b", "ɑ", "b"]
    assert abs(utterance.phones[-1].end_s - len(utterance.samples) / SAMPLE_RATE) < 0.05
    energy = [
        float(np.mean(utterance.samples[int(p.start_s * SAMPLE_RATE) : int(p.end_s * SAMPLE_RATE)] ** 2))
        for p in utterance.phones
    ]
    vowel = next(e for phone, e in zip(utterance.phones, energy, strict=True) if phone.ipa == "ɑ")
    pauses = [e for phone, e in zip(utterance.phones, energy, strict=True) if phone.ipa == PAUSE]
    assert max(pauses) < 0.05 * vowel
    slower = festival('Say "Bob".', voice, stretch=1.3)
    assert 1.15 < slower.phones[-1].end_s / utterance.phones[-1].end_s < 1.45


def test_festival_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UnavailableError, match=PACKAGES):
        festival("Bob.")


def test_rhotic_vowels_are_one_sound_where_no_vowel_follows() -> None:
    """As in "water", "nurse" and at the end, but not in "a red"."""

    def joined(sounds: str) -> list[tuple[str, float, float]]:
        phones = (Phone(sound, place, place + 1.0) for place, sound in enumerate(sounds))
        return [(phone.ipa, phone.start_s, phone.end_s) for phone in with_rhotic_vowels(phones)]

    assert joined("təɹz") == [("t", 0.0, 1.0), ("ɚ", 1.0, 3.0), ("z", 3.0, 4.0)]
    assert joined("nɜɹ") == [("n", 0.0, 1.0), ("ɝ", 1.0, 3.0)]
    for kept in ("əɹɛd", "ətə", "ɹə", ""):
        assert [sound for sound, _, _ in joined(kept)] == list(kept)
    assert [sound for sound, _, _ in joined("əəɹɹəɹ")] == ["ə", "ɚ", "ɹ", "ɚ"]


def test_vowels_without_stress_are_weakened_one_way_in_a_text() -> None:
    ipa = "mˈama lˌoba dˈobere. nˈama kiˈo vˈie"
    texts = {reduce_vowels(np.random.default_rng(seed), ipa) for seed in range(60)}
    assert len(texts) > 40
    for text in texts:
        bare = text.replace("ʲ", "")
        assert [letter for letter in bare if letter not in VOWELS] == [x for x in ipa if x not in VOWELS]
        for old, new, mark in zip(ipa[1:], bare[1:], ipa, strict=False):
            assert new == old or (mark not in "ˈˌ" and new in REDUCED[old])
        words = bare.replace(".", "").split()
        assert words[0][-1] == words[3][-1] == words[1][-1]  # every a without stress
        assert words[5][2:] == "ie"  # a diphthong stays
    assert any("ʲ" in text for text in texts) and any("ʲ" not in text for text in texts)
    assert reduce_vowels(np.random.default_rng(3), ipa) == reduce_vowels(np.random.default_rng(3), ipa)
