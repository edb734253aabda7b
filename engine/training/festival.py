"""Speech with phone times from the program festival: two diphone voices and one of hidden Markov models.

Only voices whose licences ask for no more than their notice are used; all three speak American English.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from scipy.io import wavfile

from engine.errors import UnavailableError
from engine.training.phones import ARPABET, PAUSE
from engine.training.voices import Utterance, split_times, to_16k

FESTIVAL_VOICES: Final = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
DIPHONE_DELAY_S: Final = 0.007
"""How much later than declared the diphone voices' sounds begin, by the aligner's classifier: medians of 7.6 and
8.2 ms, the same at any tempo and pitch. For the voice of models it is between 0 and 5 ms, for flite 0."""

PACKAGES: Final = "festival, festvox-kallpc16k, festvox-kdlpc16k and festvox-us-slt-hts"

_PHONES: Final = ARPABET | {"h#": (PAUSE,), "brth": (PAUSE,)}
"""Phones of festival's sets "radio" and "cmu" in IPA."""

_DIPHONES: Final = """
(Parameter.set 'Duration_Stretch {stretch})
(set! int_lr_params
  '((target_f0_mean {pitch_hz}) (target_f0_std {deviation_hz}) (model_f0_mean 170) (model_f0_std 34)))
"""
_MODELS: Final = """
(set! hts_engine_params (append hts_engine_params '(("-r" {speed}))))
"""
_SPEAK: Final = """
(set! after_synth_hooks nil)
(set! spoken (utt.synth (Utterance Text {text})))
(utt.save.segs spoken {segments})
(utt.save.wave spoken {wave} 'riff)
"""


def festival(
    text: str, voice: str = "kal_diphone", stretch: float = 1.0, pitch_hz: float = 105.0
) -> Utterance:
    """Speak English ``text`` with one of ``FESTIVAL_VOICES``; the mean pitch is that of diphone voices alone.

    Raises:
        UnavailableError: festival or the voice is not installed, or it did not speak.
    """
    program = shutil.which("festival")
    if program is None:
        raise UnavailableError(
            f"expected the program festival: install the Debian packages {PACKAGES}, or let only others speak"
        )
    settings = _DIPHONES if voice.endswith("diphone") else _MODELS
    with tempfile.TemporaryDirectory() as folder:
        wave_path, segments_path, script = (Path(folder) / name for name in ("wave", "segments", "script"))
        script.write_text(
            f"(voice_{voice})"
            + settings.format(
                stretch=stretch, speed=1 / stretch, pitch_hz=pitch_hz, deviation_hz=0.13 * pitch_hz
            )
            # the voices' own hooks make them louder until they clip
            + _SPEAK.format(text=_quoted(text), segments=_quoted(segments_path), wave=_quoted(wave_path)),
            encoding="ascii",
            errors="ignore",
        )
        done = subprocess.run([program, "-b", str(script)], capture_output=True, text=True, check=False)
        if done.returncode != 0 or not wave_path.exists():
            raise UnavailableError(
                f"festival did not speak (Debian packages {PACKAGES}): {done.stderr.strip()[:200]}"
            )
        rate, wave = wavfile.read(wave_path)
        segments = segments_path.read_text(encoding="ascii").split("#\n", 1)[1]
    delay_s = DIPHONE_DELAY_S if voice.endswith("diphone") else 0.0
    timed, start = [], 0.0
    for line in segments.splitlines():
        end, _, name = line.split()
        timed.append((_PHONES[name], start, float(end) + delay_s))
        start = timed[-1][2]
    return Utterance(to_16k(wave.astype(np.float32) / 32768, rate), tuple(split_times(timed)))


def _quoted(value: object) -> str:
    """A string of Scheme, whose escapes of ASCII text are those of JSON."""
    return json.dumps(str(value))
