"""Viseme curves: bilabials shut the lips, vowels open them, rounding rounds, pauses are still."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, SAMPLE_RATE
from engine.motion.channels import CHANNEL_INDEX, CHANNELS, CLOSURE, LIP_INDEX, OUTPUTS, SPEECH
from engine.motion.manner import Manner
from engine.training.phones import ARPABET, CLASS_NAMES, CLASS_OF, PAUSE, split_ipa
from engine.training.prosody import RATE
from engine.training.visemes import at_frames, opening, sounds_at, viseme_curves
from engine.training.voices import Phone

MIDDLE = Manner()


def say(
    *sounds: str, each_s: float = 0.12, manner: Manner = MIDDLE
) -> tuple[NDArray[np.float32], list[Phone]]:
    """Curves of sounds of equal length between pauses of 0.4 s, all equally loud, and the sounds."""
    phones = [Phone(PAUSE, 0.0, 0.4)]
    for sound in sounds:
        phones.append(Phone(sound, phones[-1].end_s, phones[-1].end_s + each_s))
    phones.append(Phone(PAUSE, phones[-1].end_s, phones[-1].end_s + 0.4))
    noise = np.random.default_rng(0).normal(0, 0.1, round(phones[-1].end_s * SAMPLE_RATE)).astype(np.float32)
    return viseme_curves(phones, noise, manner), phones


def at(curves: NDArray[np.float32], phone: Phone) -> NDArray[np.float32]:
    """The step in the middle of a sound."""
    return np.asarray(curves[round((phone.start_s + phone.end_s) / 2 * RATE)])


@pytest.mark.parametrize("bilabial", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["ɑ", "i", "u"])
def test_bilabials_shut_the_lips(bilabial: str, vowel: str) -> None:
    curves, phones = say(vowel, bilabial, vowel)
    shut = at(curves, phones[2])
    assert opening(shut) < 0.02
    assert shut[CHANNEL_INDEX["mouthClose"]] == pytest.approx(shut[CHANNEL_INDEX["jawOpen"]], abs=0.01)
    assert shut[CLOSURE] > 0.9
    assert at(curves, phones[1])[CLOSURE] < 0.3


def test_open_vowels_open_more_than_close_ones() -> None:
    openings = [float(opening(at(*_first(vowel)))) for vowel in ("ɑ", "ɛ", "i", "u")]
    assert openings == sorted(openings, reverse=True)
    assert openings[0] > 0.3 and openings[-1] < 0.15


def test_labiodentals_and_glides_almost_close() -> None:
    for sound in ("f", "v", "w"):
        curves, phones = say("ɑ", sound, "ɑ")
        assert opening(at(curves, phones[2])) < 0.4 * opening(at(curves, phones[1]))


def test_rounding_spreads_over_neighbours() -> None:
    pucker = CHANNEL_INDEX["mouthPucker"]
    with_u, phones = say("t", "u")
    with_i, _ = say("t", "i")
    assert at(with_u, phones[1])[pucker] > at(with_i, phones[1])[pucker] + 0.1


def test_pauses_are_still_and_silent() -> None:
    curves, phones = say("ɑ", "b")
    for phone in (phones[0], phones[-1]):
        assert opening(at(curves, phone)) < 0.02  # dominances never end
        assert at(curves, phone)[SPEECH] == 0.0
    assert at(curves, phones[1])[SPEECH] == 1.0


def test_curves_are_smooth_and_in_range() -> None:
    curves, _ = say(*"hɛlomamapipowiʃufɑvðɪs", each_s=0.07)
    assert curves.shape[1] == OUTPUTS
    assert curves.min() >= 0.0 and curves.max() <= 1.0
    assert np.abs(np.diff(curves[:, : len(CHANNELS)], axis=0)).max() < 0.12


def test_lip_offsets_belong_to_their_sounds() -> None:
    for sound, name in (("m", "seal"), ("f", "tuck"), ("p", "thin"), ("ʃ", "flare")):
        curves, phones = say("ɑ", sound, "ɑ")
        others = [at(curves, phones[k])[LIP_INDEX[name]] for k in (1, 3)]
        assert at(curves, phones[2])[LIP_INDEX[name]] > 0.45 > 2 * max(others), sound


def test_manners_scale_jaw_and_lips_and_never_a_closure() -> None:
    jaw, lower = CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["mouthLowerDownLeft"]
    curves = {
        name: say("ɑ", "b", "ɛ", manner=manner)
        for name, manner in {
            "middle": MIDDLE, "mumbled": Manner(-1.0), "hyper": Manner(1.0), "jaw": Manner(0.0, 1.0)
        }.items()
    }  # fmt: skip
    vowel = {name: at(made, phones[1]) for name, (made, phones) in curves.items()}
    assert vowel["mumbled"][jaw] < 0.85 * vowel["middle"][jaw] < 0.75 * vowel["hyper"][jaw]
    assert vowel["jaw"][jaw] > vowel["middle"][jaw] and vowel["jaw"][lower] < vowel["middle"][lower]
    for made, phones in curves.values():
        assert opening(at(made, phones[2])) < 0.03


def test_sounds_are_named_at_the_halves_of_frames() -> None:
    phones = [Phone("ɑ", 0.0, 0.05), Phone("m", 0.05, 0.12)]
    a, m = CLASS_NAMES.index("open_back"), CLASS_NAMES.index("bilabial")
    assert sounds_at(phones, 0.0, 3).tolist() == [[a, a], [m, m], [m, m]]
    assert sounds_at(phones, -0.02, 2).tolist() == [[a, a], [a, m]]


def test_frames_are_sampled_at_their_middle() -> None:
    ramp = np.tile(np.arange(200, dtype=np.float32)[:, None] / RATE, (1, 3))
    assert np.allclose(at_frames(ramp, 0.2, 5)[:, 0], 0.2 + (np.arange(5) + 0.5) * 0.04, atol=1e-6)
    assert np.allclose(at_frames(ramp, 0.2, 5, speed=2.0)[:, 0], 0.2 + (np.arange(5) + 0.5) * 0.08, atol=1e-6)


def test_opening_reads_blendshapes_and_channels_alike() -> None:
    channels = np.linspace(0.1, 0.9, len(CHANNELS), dtype=np.float32)
    blendshapes = np.zeros(52, np.float32)
    for value, names in zip(channels, CHANNELS, strict=True):
        blendshapes[[ARKIT_INDEX[name] for name in names]] = value
    assert opening(channels) == opening(blendshapes)


def test_every_phone_name_has_a_lip_class() -> None:
    assert all(sound in CLASS_OF for sounds in ARPABET.values() for sound in sounds)
    assert split_ipa("ˈa͡ɪ") == ("a", "ɪ")
    assert split_ipa("t͡ʃː") == ("t", "ʃ")
    assert split_ipa("ˈ") == (PAUSE,)


def _first(vowel: str) -> tuple[NDArray[np.float32], Phone]:
    curves, phones = say(vowel, each_s=0.25)
    return curves, phones[1]
