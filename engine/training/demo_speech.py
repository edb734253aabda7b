"""Makes the bundled demo speech (engine/assets/speech): ``python -m engine.training.demo_speech VOICES``."""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from scipy.io import wavfile

from engine.training.voices import KOKORO_RATE, Kokoro

FOLDER: Final = Path(__file__).parents[1] / "assets" / "speech"

DEMOS: Final = {
    "hello": (
        "Hello! My name is Mabel. Maybe you have been hoping to meet me, "
        "so ask me something, and I'll be happy to help.",
        (("af_heart", 1.0),),
    ),
    "long": (
        "People sometimes ask me how a picture can possibly speak. It begins with sound. Every few moments I hear "
        "a small piece of a voice, and I guess how the lips, the jaw and the cheeks would move to make it. Then I "
        "paint one more picture. Put twenty-five of them together, one after another, and a whole second of my "
        "life has gone by. Between sentences I simply breathe, blink, and wait for you.",
        (("af_heart", 0.6), ("af_bella", 0.4)),
    ),
}


def make_demo_speech(voices: str | Path, folder: str | Path = FOLDER) -> list[Path]:
    """Speak ``DEMOS`` with Kokoro's voice tables in ``voices``; 16-bit mono WAV at 24 kHz, peak 0.7."""
    kokoro = Kokoro(voices)
    paths = []
    for name, (text, blend) in DEMOS.items():
        _, wave = kokoro.speak(text, "en-us", blend)
        paths.append(Path(folder) / f"{name}.wav")
        wavfile.write(paths[-1], KOKORO_RATE, (wave / np.abs(wave).max() * 0.7 * 32767).astype(np.int16))
    return paths


if __name__ == "__main__":
    print(*make_demo_speech(sys.argv[1]), sep="\n")
