"""The speech sounds that training knows: IPA letters, their lip classes, ARPABET names for flite, and what vowels become
without stress."""

import re
import unicodedata
from typing import Final

import numpy as np

PAUSE: Final = "_"
"""The sound of no speech."""

CLASSES: Final = {
    "bilabial": "pbmɸβ",
    "labiodental": "fvɱʋ",
    "dental": "θð",
    "alveolar": "tdnlɾɭɫɖʈɳ",
    "sibilant": "szʂʐɬ",
    "postalveolar": "ʃʒɕʑ",
    "palatal": "jɟcɲʎçʝ",
    "velar": "kɡgŋxɣqχʁɴɰ",
    "glottal": "hɦʔħʕ",
    "rhotic": "ɹrɻɽʀ",
    "rounded_glide": "wɥʍ",
    "close_front": "iɪɨᵻ",
    "mid_front": "eɛᵊ",
    "open_front": "æa",
    "open_back": "ɑɐʌ",
    "central": "əɜɚɝɘɵɤɯ",
    "mid_rounded": "oɔɒɞ",
    "close_rounded": "uʊʉ",
    "front_rounded": "yøœʏ",
}
"""Lip class of each IPA letter, by how the lips and the jaw move."""

VOWELS: Final = frozenset(
    letter
    for name, letters in CLASSES.items()
    if name.startswith(("close", "mid", "open", "central", "front"))
    for letter in letters
)
"""The letters of those classes that are vowels."""

CLASS_OF: Final = {letter: name for name, letters in CLASSES.items() for letter in letters} | {PAUSE: "pause"}
CLASS_NAMES: Final = ("pause", *CLASSES)
CLASS_INDEX: Final = {name: index for index, name in enumerate(CLASS_NAMES)}

ARPABET: Final[dict[str, tuple[str, ...]]] = {
    "pau": (PAUSE,), "ssil": (PAUSE,), "aa": ("ɑ",), "ae": ("æ",), "ah": ("ʌ",), "ao": ("ɔ",), "aw": ("a", "ʊ"),
    "ax": ("ə",), "axr": ("ɚ",), "ay": ("a", "ɪ"), "b": ("b",), "ch": ("t", "ʃ"), "d": ("d",), "dh": ("ð",),
    "dx": ("ɾ",), "eh": ("ɛ",), "el": ("ə", "l"), "em": ("ə", "m"), "en": ("ə", "n"), "er": ("ɝ",),
    "ey": ("e", "ɪ"), "f": ("f",), "g": ("ɡ",), "hh": ("h",), "hv": ("h",), "ih": ("ɪ",), "iy": ("i",),
    "jh": ("d", "ʒ"), "k": ("k",), "l": ("l",), "m": ("m",), "n": ("n",), "ng": ("ŋ",), "nx": ("n",),
    "ow": ("o", "ʊ"), "oy": ("ɔ", "ɪ"), "p": ("p",), "r": ("ɹ",), "s": ("s",), "sh": ("ʃ",), "t": ("t",),
    "th": ("θ",), "uh": ("ʊ",), "uw": ("u",), "v": ("v",), "w": ("w",), "y": ("j",), "z": ("z",), "zh": ("ʒ",),
}  # fmt: skip
"""flite's phone names in IPA."""


def split_ipa(text: str) -> tuple[str, ...]:
    """Known IPA letters of ``text`` in order, without stress, length and other marks; a pause if none."""
    letters = (
        letter for letter in unicodedata.normalize("NFD", text) if letter in CLASS_OF and letter != PAUSE
    )
    return tuple(letters) or (PAUSE,)


REDUCED: Final = {
    "a": "aɐəʌ", "ɑ": "ɑɐəʌ", "æ": "æɐəɛ", "e": "eɪiəɨ", "ɛ": "ɛɪiəɨ", "i": "iɪɨ", "ɪ": "ɪɨəi", "o": "oɐəuʊ",
    "ɔ": "ɔɐəuʊ", "u": "uʊə", "ɨ": "ɨɪə", "ɐ": "ɐə",
}  # fmt: skip
"""What a vowel may become without stress, in one language or another; its first letter leaves it as it is."""

_ANY_VOWEL: Final = "".join(sorted(VOWELS))
_UNSTRESSED: Final = re.compile(f"(?<![ˈˌ{_ANY_VOWEL}])([{''.join(REDUCED)}])(?=([^\\s{_ANY_VOWEL}]*ˈ)?)")
_PALATAL: Final = re.compile("([bdfklmnprstvxzɡ])(?=[ˈˌ]?[ieɛɪ])")


def reduce_vowels(rng: np.random.Generator, ipa: str) -> str:
    """Weaken the unstressed vowels of IPA with stress marks, in a manner drawn at random for the whole text.

    Many languages do this, each in its own way (English, Catalan, Portuguese, Bulgarian): here, a vowel right before
    the stress has one fate and all others have another one. Consonants before front vowels may become palatal.
    """
    before, others = (
        {vowel: str(rng.choice(list(kinds))) for vowel, kinds in REDUCED.items()} for _ in range(2)
    )
    text = _UNSTRESSED.sub(lambda found: (before if found[2] else others)[found[1]], ipa)
    return _PALATAL.sub("\\1ʲ", text) if rng.random() < 0.5 else text
