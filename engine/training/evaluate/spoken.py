"""Folders of real speech with the time of every sound: what motion is measured against.

A folder holds pairs of one name: ``NAME.phones`` beside ``NAME.wav`` (or any sound that FFmpeg reads), and may hold
``set.json`` with the strings name, language, licence and source. A ``.phones`` file is UTF-8 text, one sound
a line, oldest first: start in seconds, end in seconds, IPA, separated by tabs; ``_`` is a pause. IPA of
several letters (a diphthong, an affricate) is read as sounds of equal length.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.conventions import SAMPLE_RATE
from engine.errors import InputError
from engine.speech.audio_file import load_audio
from engine.training.phones import PAUSE, split_ipa
from engine.training.voices import Phone

SET_FILE = "set.json"
PHONES_ENDING = ".phones"


@dataclass(frozen=True)
class SetInfo:
    """What a folder of speech is: its name, language, licence and source, each in words."""

    name: str
    language: str = ""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class SpokenClip:
    """One recording: float32 [T] at 16 kHz and its sounds, oldest first and without overlaps."""

    name: str
    samples: NDArray[np.float32]
    phones: tuple[Phone, ...]


@dataclass(frozen=True, eq=False)
class SpokenSet:
    """A folder of recordings."""

    info: SetInfo
    clips: tuple[SpokenClip, ...]

    @property
    def minutes(self) -> float:
        """Length of all recordings together."""
        return sum(len(clip.samples) for clip in self.clips) / SAMPLE_RATE / 60


def read_spoken(folder: Path) -> SpokenSet:
    """Read a folder of recordings with timed sounds.

    Raises:
        InputError: it is no folder, a file cannot be read, a recording is missing, or there is none.
    """
    if not folder.is_dir():
        raise InputError(f"expected a folder of sounds with {PHONES_ENDING} files, but {folder} is none")
    clips = []
    for path in sorted(folder.glob(f"*{PHONES_ENDING}")):
        sound = _sound_beside(path)
        clips.append(SpokenClip(path.stem, load_audio(sound).analysis, read_phones(path)))
    if not clips:
        raise InputError(f"expected {PHONES_ENDING} files beside sounds in {folder}, found none")
    return SpokenSet(_read_info(folder), tuple(clips))


def find_sets(path: Path) -> list[Path]:
    """The folder itself, or where it holds no timed speech those of its folders that do.

    Raises:
        InputError: neither holds any.
    """
    folders = [path, *sorted(child for child in path.iterdir() if child.is_dir())] if path.is_dir() else []
    found = [folder for folder in folders if any(folder.glob(f"*{PHONES_ENDING}"))]
    if not found:
        raise InputError(
            f"expected a folder with {PHONES_ENDING} files beside sounds, or of such, got {path}"
        )
    return found[:1] if found[0] == path else found


def read_phones(path: Path) -> tuple[Phone, ...]:
    """Read a ``.phones`` file.

    Raises:
        InputError: a line is none of the format, times fall, or there is no line.
    """
    phones: list[Phone] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            start, end, ipa = line.split("\t")
            phones += split_evenly(split_ipa(ipa), float(start), float(end))
            if not (phones[-1].start_s < phones[-1].end_s and _follows(phones)):
                raise ValueError(f"line {number} ends before it starts, or starts before the last one ends")
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected lines of start, end and IPA with tabs between, cannot read {path}: {error}"
        ) from error
    if not phones:
        raise InputError(f"expected at least one sound in {path}")
    return tuple(phones)


def write_phones(path: Path, phones: Iterable[Phone]) -> None:
    """Write a ``.phones`` file, times to the millisecond."""
    lines = [f"{phone.start_s:.3f}\t{phone.end_s:.3f}\t{phone.ipa}\n" for phone in phones]
    path.write_text("".join(lines), encoding="utf-8")


def write_info(folder: Path, info: SetInfo) -> None:
    """Write the folder's ``set.json``."""
    (folder / SET_FILE).write_text(json.dumps(asdict(info), indent=1, ensure_ascii=False) + "\n", "utf-8")


def split_evenly(letters: Sequence[str], start_s: float, end_s: float) -> list[Phone]:
    """Sounds of equal length between two times."""
    edges = np.linspace(start_s, end_s, len(letters) + 1).tolist()
    return [Phone(*item) for item in zip(letters, edges[:-1], edges[1:], strict=True)]


def without_gaps(phones: Iterable[Phone], end_s: float) -> tuple[Phone, ...]:
    """The sounds with pauses in their gaps, from 0 to ``end_s``; neighbouring pauses become one."""
    whole: list[Phone] = []
    place = 0.0
    for phone in (*phones, Phone(PAUSE, end_s, end_s)):
        if phone.start_s > place + 1e-6:
            _append(whole, Phone(PAUSE, place, phone.start_s))
        if phone.end_s > phone.start_s:
            _append(whole, phone)
        place = max(place, phone.end_s)
    return tuple(whole)


def _append(phones: list[Phone], phone: Phone) -> None:
    if phones and phones[-1].ipa == phone.ipa == PAUSE:
        phone = Phone(PAUSE, phones.pop().start_s, phone.end_s)
    phones.append(phone)


def _follows(phones: Sequence[Phone]) -> bool:
    return len(phones) < 2 or phones[-1].start_s >= phones[-2].end_s - 1e-6


def _sound_beside(path: Path) -> Path:
    wav = path.with_suffix(".wav")
    if wav.is_file():
        return wav
    others = sorted(other for other in path.parent.glob(f"{path.stem}.*") if other != path)
    if not others:
        raise InputError(f"expected a sound beside {path}, such as {wav.name}")
    return others[0]


def _read_info(folder: Path) -> SetInfo:
    path = folder / SET_FILE
    if not path.is_file():
        return SetInfo(folder.name)
    try:
        return SetInfo(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"expected an object with name, language, licence and source in {path}: {error}"
        ) from error
