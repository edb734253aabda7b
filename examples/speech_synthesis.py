"""Text becomes sound, sentence by sentence: eSpeak NG where it is installed, or recordings."""

import asyncio
import ctypes
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
"""What the server takes, in samples a second."""


@dataclass
class Sentence:
    """What is said, and its sound: 16-bit mono at ``rate``."""

    text: str
    rate: int
    sound: bytes

    @property
    def samples(self) -> int:
        """How many samples the sound has."""
        return len(self.sound) // 2

    def heard(self, samples: int) -> str:
        """The words of which so many samples were heard; words are taken to last as long as they are written."""
        letters = len(self.text) * samples // max(1, self.samples)
        if letters >= len(self.text):
            return self.text
        return self.text[:letters].rpartition(" ")[0]


class ESpeak:
    """eSpeak NG out of the package ``espeakng-loader``. The library allows one of it in a process."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        retrieval = 1  # the sound comes in a callback and is not played
        self._rate = self._library.espeak_Initialize(
            retrieval, 0, str(espeakng_loader.get_data_path()).encode(), 0
        )
        if self._rate <= 0:
            raise RuntimeError("expected eSpeak NG to start: its data is missing")
        self._sound = bytearray()
        self._one_at_a_time = Lock()
        receiver = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = receiver(self._receive)  # kept: the library holds no reference
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str) -> Sentence:
        """Speak a text; blocks while it does."""
        data, utf8 = text.encode(), 1
        with self._one_at_a_time:
            self._sound.clear()
            self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, utf8, None, None)
            self._library.espeak_Synchronize()
            return Sentence(text, self._rate, bytes(self._sound))

    def _receive(self, sound: Any, count: int, events: Any) -> int:
        if sound and count > 0:
            self._sound += ctypes.string_at(sound, 2 * count)
        return 0


def sentences(text: str) -> Iterator[str]:
    """Split a text where sentences end."""
    sentence = ""
    for word in text.split():
        sentence = f"{sentence} {word}".strip()
        if word[-1] in ".!?":
            yield sentence
            sentence = ""
    if sentence:
        yield sentence


def recording(path: Path) -> Sentence:
    """Read a WAV file with 16-bit mono sound."""
    try:
        file = wave.open(str(path))
    except (OSError, EOFError, wave.Error) as error:
        raise SystemExit(f"expected a WAV file at {path}: {error}") from error
    with file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise SystemExit(
                f"expected 16-bit mono in {path}: convert it with ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav"
            )
        if file.getframerate() not in RATES:
            raise SystemExit(
                f"expected {', '.join(map(str, RATES))} Hz in {path}, got {file.getframerate()}: convert it with "
                "ffmpeg -i IN -ar 24000 OUT.wav"
            )
        sound = file.readframes(file.getnframes())
        if not sound:
            raise SystemExit(f"expected sound in {path}, got a file with none")
        return Sentence(path.stem, file.getframerate(), sound)


async def synthesise(espeak: ESpeak, text: str) -> Sentence:
    """Speak a sentence on a thread, so that events are answered meanwhile."""
    return await asyncio.to_thread(espeak.speak, text)
