"""Makes folders of timed real speech: ``python -m engine.training.evaluate.align KIND SOURCE OUT``.

    asterisk SOUNDS --texts TEXTS OUT   prompts of the Debian package asterisk-core-sounds-en-g722 (CC-BY-SA-3.0,
                                        Allison Smith), aligned by pocketsphinx; TEXTS has lines ``name: text``
    festvox VOICE OUT                   the Debian package festvox-ru (BSD-like, Nickolay Shmyrev) with its own
                                        labels; VOICE is the folder msu_ru_nsh_clunits

Both serve evaluation only; nothing is trained on them. Times of pocketsphinx are multiples of 10 ms and in the mean
some 5 ms early, which is left as it is.
"""

import argparse
import importlib
import logging
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError, UnavailableError, VividliveError
from engine.speech.audio_file import load_audio
from engine.training.evaluate.spoken import SetInfo, split_evenly, without_gaps, write_info, write_phones
from engine.training.phones import ARPABET, PAUSE, split_ipa
from engine.training.voices import Phone

log = logging.getLogger(__name__)

PADDING_S: Final = 0.5
"""Silence before and after a prompt: the aligner finds no pause at the very ends."""

SHORTEST_S: Final = 1.2
KEPT: Final = 0.97
"""Part of the aligned prompts, by the mean score of a hop, that is kept."""

FESTVOX_STEP: Final = 5
"""Every fifth utterance is taken: 20 of 100 minutes."""

RUSSIAN: Final = {
    "pau": PAUSE, "ii": "i", "yy": "ɨ", "uu": "u", "ee": "ɛ", "oo": "o", "aa": "a", "a": "ɐ", "e": "e", "i": "ɪ",
    "y": "ɨ", "u": "ʊ", "ae": "ɪ", "ay": "ə", "ur": "ʊ", "c": "ts", "ch": "tɕ", "sh": "ʃ", "sch": "ɕ", "zh": "ʒ",
    "h": "x", "hh": "x", "g": "ɡ", "gg": "ɡ", "j": "j",
} | {letter * count: letter for letter in "pbtdkfvszmnlr" for count in (1, 2)}  # fmt: skip
"""The labels of festvox-ru in IPA; a doubled consonant is a palatalised one. The weakest vowels are ``ae`` after
palatalised consonants and ``ay`` after others; the comments in the voice's phone set say it the other way round
(docs/design/face-motion.md)."""

_DIGITS: Final = "zero one two three four five six seven eight nine".split()


class Aligner:
    """Finds the sounds of a known English text with pocketsphinx.

    Raises:
        UnavailableError: pocketsphinx is not installed.
    """

    def __init__(self) -> None:
        self._package = _pocketsphinx()
        self._decoder = self._new_decoder()

    def align(self, samples: NDArray[np.float32], text: str) -> tuple[tuple[Phone, ...], float]:
        """The sounds of float32 [T] at 16 kHz, and the mean score of a 10 ms hop (0 is best).

        Raises:
            InputError: a word is not in the dictionary, or the text does not fit the sound.
        """
        words = spell(text)
        unknown = [word for word in words if not self._decoder.lookup_word(word)]
        if unknown or not words:
            raise InputError(f"expected words of the dictionary, got {', '.join(unknown) or 'no word'}")
        padding = np.zeros(round(PADDING_S * SAMPLE_RATE), np.float32)
        sound = (np.concatenate([padding, samples, padding]) * 32767).astype(np.int16).tobytes()
        try:
            self._decoder.set_align_text(" ".join(words))
            self._hear(sound)
            self._decoder.set_alignment()
            self._hear(sound)
            units = [unit for word in self._decoder.get_alignment() for unit in word]
        except (RuntimeError, TypeError) as error:  # afterwards this decoder aligns nothing any more
            self._decoder = self._new_decoder()
            raise InputError(f"expected a sound that says {text!r}: {error}") from error
        return _phones(units, len(samples) / SAMPLE_RATE), _score(units)

    def _hear(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()

    def _new_decoder(self) -> Any:
        return self._package.Decoder(samprate=SAMPLE_RATE, lm=None, loglevel="FATAL")


def find_phones(samples: NDArray[np.float32]) -> tuple[Phone, ...]:
    """The sounds of float32 [T] at 16 kHz as pocketsphinx hears them, without knowing the words.

    Raises:
        UnavailableError: pocketsphinx is not installed.
    """
    package = _pocketsphinx()
    decoder = package.Decoder(
        samprate=SAMPLE_RATE,
        lm=None,
        allphone=package.get_model_path("en-us/en-us-phone.lm.bin"),
        lw=2.0,
        loglevel="FATAL",
    )
    decoder.start_utt()
    decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    phones: list[Phone] = []
    for segment in decoder.seg():
        letters = ARPABET.get(segment.word.lower(), (PAUSE,))
        phones += split_evenly(letters, segment.start_frame / 100, (segment.end_frame + 1) / 100)
    return without_gaps(phones, len(samples) / SAMPLE_RATE)


def spell(text: str) -> list[str]:
    """Lower-case words of a text, single digits as words; larger numbers stay digits, which no dictionary has."""
    words = re.findall(r"[a-z']+|\d+", text.lower().replace("’", "'"))
    return [_DIGITS[int(word)] if len(word) == 1 and word.isdigit() else word.strip("'") for word in words]


def align_asterisk(sounds: Path, texts: Path, out: Path) -> int:
    """Align the prompts of a folder, whose texts may name others as well; returns how many were kept.

    Raises:
        InputError: there is a recording of none.
        UnavailableError: pocketsphinx is not installed.
    """
    aligner = Aligner()
    prompts = [(name, text, _recording(sounds, name)) for name, text in _read_texts(texts)]
    missing = sum(path is None for _, _, path in prompts)
    if missing == len(prompts):
        raise InputError(f"expected recordings of the {missing} texts of {texts} in {sounds}, found none")
    if missing:
        log.warning("%d texts are left out: there is no recording of them in %s", missing, sounds)
    done: list[tuple[float, str, NDArray[np.float32], tuple[Phone, ...]]] = []
    for name, text, path in prompts:
        if path is None:
            continue
        samples = load_audio(path).analysis
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            continue
        try:
            phones, score = aligner.align(samples, text)
        except InputError as error:
            log.warning("%s is left out: %s", name, error)
            continue
        done.append((score, name.replace("/", "-"), samples, phones))
    least = float(np.quantile([score for score, *_ in done], 1 - KEPT)) if done else 0.0
    kept = [item for item in done if item[0] >= least]
    out.mkdir(parents=True, exist_ok=True)
    for _, name, samples, phones in kept:
        wavfile.write(out / f"{name}.wav", SAMPLE_RATE, (samples * 32767).astype(np.int16))
        write_phones(out / f"{name}.phones", phones)
    write_info(
        out,
        SetInfo(
            "english",
            "en",
            "CC-BY-SA-3.0, Allison Smith",
            "Debian asterisk-core-sounds-en, aligned by pocketsphinx",
        ),
    )
    return len(kept)


def read_festvox(voice: Path, out: Path, step: int = FESTVOX_STEP) -> int:
    """Copy every ``step``-th utterance of festvox-ru with its own labels; returns how many."""
    labels = sorted((voice / "lab").glob("*.lab"))[::step]
    if not labels:
        raise InputError(f"expected the folders lab and wav of festvox-ru in {voice}")
    out.mkdir(parents=True, exist_ok=True)
    for path in labels:
        sound = voice / "wav" / f"{path.stem}.wav"
        shutil.copyfile(sound, out / sound.name)
        phones = list(_festvox_phones(path.read_text(encoding="utf-8")))
        write_phones(out / f"{path.stem}.phones", without_gaps(phones, phones[-1].end_s))
    write_info(
        out,
        SetInfo("russian", "ru", "BSD-like, Nickolay Shmyrev", "Debian festvox-ru with its own phone labels"),
    )
    return len(labels)


def _festvox_phones(text: str) -> Iterator[Phone]:
    """Sounds of a label file: after the line ``#``, lines of end in seconds, a number and the label."""
    start = 0.0
    for line in text.partition("#")[2].split("\n"):
        if fields := line.split():
            end = float(fields[0])
            if end > start:
                yield from split_evenly(split_ipa(RUSSIAN[fields[2]]), start, end)
            start = end


def _recording(sounds: Path, name: str) -> Path | None:
    """Where a prompt lies, if it does."""
    return next((path for kind in ("g722", "wav") if (path := sounds / f"{name}.{kind}").is_file()), None)


def _read_texts(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, colon, text = line.partition(":")
        if colon and text.strip() and not line.startswith(";"):
            yield name.strip(), text.strip()


def _pocketsphinx() -> Any:
    try:
        return importlib.import_module("pocketsphinx")
    except ImportError as error:
        raise UnavailableError("expected pocketsphinx: pip install 'vividlive[eval]'") from error


def _phones(units: Sequence[Any], seconds: float) -> tuple[Phone, ...]:
    """IPA of the aligner's units without the padding; noises and fillers are pauses."""
    phones: list[Phone] = []
    for unit in units:
        start = min(max(unit.start / 100 - PADDING_S, 0.0), seconds)
        end = min(max((unit.start + unit.duration) / 100 - PADDING_S, 0.0), seconds)
        if end > start:
            phones += split_evenly(ARPABET.get(unit.name.lower(), (PAUSE,)), start, end)
    return without_gaps(phones, seconds)


def _score(units: Sequence[Any]) -> float:
    spoken = [unit for unit in units if unit.name.lower() in ARPABET]
    return float(sum(unit.score for unit in spoken) / max(sum(unit.duration for unit in spoken), 1))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.evaluate.align",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", choices=("asterisk", "festvox"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--texts", type=Path, help="lines of name, colon and text (asterisk)")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if chosen.kind == "festvox":
            count = read_festvox(chosen.source, chosen.out)
        elif chosen.texts is None:
            parser.error("asterisk needs --texts")
        else:
            count = align_asterisk(chosen.source, chosen.texts, chosen.out)
    except VividliveError as error:
        parser.exit(2, f"error: {error}\n")
    sys.stdout.write(f"{count} recordings in {chosen.out}\n")


if __name__ == "__main__":
    main()
