"""Makes the speech that the face motion is trained on: many voices and languages, each sound with its time.

The folder that ``synth_speech`` fills holds shards ``<synthesiser>-<number>.npz`` with the times that the synthesiser
declares, and in ``aligned`` those of Kokoro again with corrected times. A shard depends on nothing but the seed, the
synthesiser and its number, so a stopped run goes on where it was and shards never change.
"""

import logging
import math
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

from engine.conventions import SAMPLE_RATE
from engine.errors import SettingError
from engine.files import output_folder
from engine.training.alignment import NEURAL, align_speech
from engine.training.arrays import read_arrays
from engine.training.festival import FESTIVAL_VOICES, festival
from engine.training.phones import reduce_vowels
from engine.training.shards import write_shard
from engine.training.texts import LANGUAGES, english, foreign
from engine.training.voices import Kokoro, Utterance, espeak, flite

log = logging.getLogger(__name__)

Synthesiser = Literal["kokoro", "accented", "flite", "espeak", "festival"]
"""accented: Kokoro, too, in languages that it was not made for (``ACCENTED``)."""

SHARES: Final[dict[Synthesiser, float]] = {
    "kokoro": 0.35,
    "accented": 0.15,
    "flite": 0.2,
    "espeak": 0.2,
    "festival": 0.1,
}
"""How much of the hours each synthesiser speaks."""

SHARD_UTTERANCES: Final = 40
FLITE_VOICES: Final = ("slt", "rms", "awb", "kal16")
ESPEAK_ENGLISH: Final = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp")
ESPEAK_VARIANTS: Final = (*(f"m{n}" for n in range(1, 9)), *(f"f{n}" for n in range(1, 6)))
KOKORO_LANGUAGES: Final = {"e": "es", "f": "fr", "i": "it", "p": "pt", "h": "hi", "j": "ja", "z": "cmn"}
"""Language of Kokoro's voices by the first letter of their names; a and b are English."""

KOKORO_ENGLISH: Final = 0.5
"""Part of Kokoro's speech that is English. Half of the rest is in any language by any voice: with an accent, but more
natural than any other synthesiser that speaks it."""

ACCENTED: Final = ("uk", "be", "bg", "sr", "sl", "cs", "sk", "pl", "lt", "lv", "ca", "kk")
"""Languages with palatal sounds, clusters of consonants, short or reduced vowels that Kokoro's own have less of."""

REDUCED_VOWELS: Final = 0.6
"""Part of them that is spoken with the unstressed vowels weakened (``reduce_vowels``)."""

Progress = Callable[[float], None]


def synth_speech(
    out: str | Path,
    *,
    hours: float = 2.0,
    seed: int = 0,
    kokoro_voices: str | Path | None = None,
    synthesisers: Sequence[str] = get_args(Synthesiser),
    progress: Progress | None = None,
) -> dict[str, float]:
    """Fill the folder ``out`` with made speech until it holds ``hours``; shards that exist are kept.

    Args:
        kokoro_voices: folder of Kokoro's voice tables (``package/voices`` of the npm package kokoro-js);
            without it the others speak all of it.
        synthesisers: those that speak, in proportion to ``SHARES``.
        progress: is called with the part that is done, in [0, 1].

    Neural speech is realigned at the end (``align_speech``), which is done anew in every run.

    Returns:
        Hours by synthesiser.

    Raises:
        SettingError: hours are not positive, or a synthesiser is unknown.
        InputError: a shard that exists cannot be read, or too few have exact times to realign by.
        UnavailableError: a synthesiser is missing.
    """
    if not 0 < hours < math.inf:
        raise SettingError(f"expected more than 0 hours and an end, got {hours}")
    if unknown := set(synthesisers) - set(SHARES):
        raise SettingError(
            f"expected synthesisers among {', '.join(SHARES)}, got {', '.join(sorted(unknown))}"
        )
    shares = {
        name: share
        for name, share in SHARES.items()
        if name in synthesisers and (name not in NEURAL or kokoro_voices)
    }
    if not shares:
        raise SettingError("expected the folder of Kokoro's voices, or another synthesiser")
    folder = output_folder(out)
    kokoro = Kokoro(kokoro_voices) if kokoro_voices and set(NEURAL) & set(shares) else None
    wanted = {name: hours * 3600 * share / sum(shares.values()) for name, share in shares.items()}
    made = dict.fromkeys(wanted, 0.0)
    number = 0
    while pending := [name for name in wanted if made[name] < wanted[name]]:
        for name in pending:
            path = folder / f"{name}-{number:04d}.npz"
            if not path.exists():
                rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
                write_shard(path, [_speak(name, rng, kokoro) for _ in range(SHARD_UTTERANCES)])
            made[name] += float(read_arrays(path, ["lengths"])["lengths"].sum()) / SAMPLE_RATE
            if progress:
                progress(min(1.0, sum(min(made[n], wanted[n]) for n in wanted) / sum(wanted.values())))
        number += 1
    if kokoro:
        log.info("realigned neural speech: %s", align_speech(folder, seed=seed))
    return {name: seconds / 3600 for name, seconds in made.items()}


def _speak(name: Synthesiser, rng: np.random.Generator, kokoro: Kokoro | None) -> Utterance:
    """Speak one random sentence in one random voice."""
    if name == "flite":
        return flite(english(rng), str(rng.choice(FLITE_VOICES)), stretch=float(rng.uniform(0.8, 1.25)))
    if name == "festival":
        stretch, pitch_hz = float(rng.uniform(0.8, 1.25)), float(rng.uniform(80, 220))
        return festival(english(rng), str(rng.choice(FESTIVAL_VOICES)), stretch, pitch_hz)
    if name == "espeak":
        language = str(rng.choice(ESPEAK_ENGLISH if rng.random() < 0.4 else LANGUAGES))
        text = english(rng) if language.startswith("en") else foreign(rng, language)
        return espeak().speak(
            text,
            language,
            str(rng.choice(ESPEAK_VARIANTS)),
            words_per_minute=int(rng.integers(120, 220)),
            pitch=int(rng.integers(20, 80)),
            spread=int(rng.integers(20, 80)),
        )
    assert kokoro is not None
    changed: Callable[[str], str] = str
    if name == "accented":
        letter, language = "any", str(rng.choice(ACCENTED))
        if rng.random() < REDUCED_VOWELS:
            changed = partial(reduce_vowels, rng)
    else:
        letter = "ab"
        if rng.random() >= KOKORO_ENGLISH:
            letter = str(rng.choice([*KOKORO_LANGUAGES, "any"], p=[0.07] * 7 + [0.51]))
        language = KOKORO_LANGUAGES.get(letter, "en-us" if letter == "ab" else str(rng.choice(LANGUAGES)))
    names = [voice for voice in kokoro.voices if letter == "any" or voice[0] in letter]
    chosen = rng.choice(names, size=min(len(names), int(rng.integers(1, 4))), replace=False)
    weights = rng.dirichlet(np.ones(len(chosen)))
    text = english(rng) if language == "en-us" else foreign(rng, language)
    blend = [(str(voice), float(weight)) for voice, weight in zip(chosen, weights, strict=True)]
    return kokoro.speak(text, language, blend, speed=float(rng.uniform(0.8, 1.25)), changed=changed)[0]
