"""Curves of another's rules: openfacefx turns timed sounds into fifteen visemes and ARKit shapes.

openfacefx 0.24 (MIT) blends its visemes with dominance functions (Cohen and Massaro 1993), with the rules and times of
JALI (Edwards et al. 2016) switched on, and maps them to ARKit by its own table. Its alphabet is ARPABET, so IPA letters
take the nearest of these sounds.
"""

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES
from engine.errors import UnavailableError
from engine.training.phones import PAUSE
from engine.training.prosody import RATE
from engine.training.voices import Phone

VISEMES: Final = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
"""openfacefx's visemes, in the order of its curves."""

_LETTERS: Final = {
    "P": "pɸ", "B": "bβ", "M": "m", "F": "fɱ", "V": "vʋ", "TH": "θ", "DH": "ð", "T": "tʈ", "D": "dɖɾ", "N": "nɳɲ",
    "L": "lɭɫʎɬ", "S": "sʂ", "Z": "zʐ", "SH": "ʃɕç", "ZH": "ʒʑʝ", "Y": "j", "K": "kcqʔ", "G": "ɡgɟɣɰ", "NG": "ŋɴ",
    "HH": "hɦħʕxχ", "R": "ɹrɻɽʀʁ", "W": "wɥʍ", "IY": "iɨ", "IH": "ɪᵻ", "EH": "eɛɘøœ", "AE": "æ", "AA": "aɑɐ",
    "AH": "ʌəᵊ", "ER": "ɜɚɝ", "AO": "oɔɒɞɵɤ", "UW": "uʉyɯ", "UH": "ʊʏ", "sil": PAUSE,
}  # fmt: skip
ARPABET_OF: Final = {letter: name for name, letters in _LETTERS.items() for letter in letters}
"""The ARPABET sound nearest to each IPA letter, vowels by openfacefx's own IPA table."""


def openfacefx_visemes(phones: Sequence[Phone], steps: int) -> NDArray[np.float32]:
    """Visemes for one utterance, ``RATE`` steps a second: float32 [steps, 15] in [0, 1]; step k is at k / RATE seconds.

    Raises:
        UnavailableError: openfacefx is not installed.
    """
    package = _openfacefx()
    segments = [package.PhonemeSegment(ARPABET_OF[phone.ipa], phone.start_s, phone.end_s) for phone in phones]
    times, curves = package.build_viseme_curves(segments, fps=RATE, params=package.CoartParams(jali=True))
    grid = np.arange(steps) / RATE
    return np.stack([np.interp(grid, times, column) for column in curves.T], axis=1).astype(np.float32)


def openfacefx_shapes(visemes: NDArray[np.float32]) -> NDArray[np.float32]:
    """ARKit shapes [..., 52] in [0, 1] of visemes [..., 15], by openfacefx's table."""
    return np.asarray(np.clip(visemes @ _table(), 0.0, 1.0), np.float32)


def openfacefx_jaw(phones: Sequence[Phone], steps: int) -> NDArray[np.float32]:
    """jawOpen alone, float32 [steps]; else as ``openfacefx_visemes``."""
    return openfacefx_shapes(openfacefx_visemes(phones, steps))[:, ARKIT_INDEX["jawOpen"]]


@cache
def _table() -> NDArray[np.float32]:
    """[15, 52]: openfacefx's shapes of each viseme."""
    presets = importlib.import_module("openfacefx.retarget").PRESETS if _openfacefx() else {}
    table = np.zeros((len(VISEMES), len(ARKIT_NAMES)), np.float32)
    for row, viseme in enumerate(VISEMES):
        for name, weight in presets["arkit"].get(viseme, ()):
            table[row, ARKIT_INDEX[name]] = weight
    return table


@cache
def _openfacefx() -> Any:
    try:
        return importlib.import_module("openfacefx")
    except ImportError as error:
        raise UnavailableError("expected openfacefx: pip install 'vividlive[train]'") from error
