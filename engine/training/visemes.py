"""Turns timed speech sounds into curves of the mouth's blendshapes: the targets that the face motion learns.

The jaw is openfacefx's. For the lips each sound pulls every channel towards its own target with a dominance that fades
before and after it (Cohen and Massaro 1993); the target curve is the weighted mean. Rules after JALI (Edwards et al.
2016) come on top: bilabials always close, labiodentals always touch, rounding spreads over neighbours, sounds of
the tongue alone leave the lips to their neighbours. Openings grow with the loudness of their syllable.

Closing: the opening that is seen is jawOpen - mouthClose. The jaw goes its way also under lips that meet or almost
meet; where they must meet, mouthClose equals jawOpen and the shapes that part the lips are 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from engine.conventions import ARKIT_INDEX, FRAME_SAMPLES, SAMPLE_RATE
from engine.motion.channels import CHANNEL_INDEX, CLOSURE, FACE, LIP_INDEX, OUTPUTS, SPEECH
from engine.motion.manner import Manner
from engine.training.openfacefx_curves import openfacefx_jaw
from engine.training.phones import CLASS_INDEX, CLASS_NAMES, CLASS_OF, PAUSE
from engine.training.prosody import RATE, face_curves, melody
from engine.training.voices import Phone

_SHAPES: Final = ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthSmileLeft", "mouthRollLower", "mouthShrugUpper", "jawForward", "tongueOut")  # fmt: skip

_TARGETS: Final = {
    #                 lower upper funnel pucker stretch smile roll shrug forward tongue | dominance
    "pause":         (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 1.0),
    "bilabial":      (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 1.0),
    "labiodental":   (0.00, 0.06, 0.00, 0.00, 0.00, 0.00, 0.45, 0.00, 0.00, 0.00, 2.2),
    "dental":        (0.10, 0.06, 0.00, 0.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.10, 0.5),
    "alveolar":      (0.10, 0.05, 0.00, 0.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.3),
    "sibilant":      (0.18, 0.08, 0.00, 0.00, 0.14, 0.05, 0.00, 0.00, 0.00, 0.00, 0.7),
    "postalveolar":  (0.14, 0.12, 0.40, 0.15, 0.00, 0.00, 0.00, 0.08, 0.15, 0.00, 1.4),
    "palatal":       (0.12, 0.06, 0.00, 0.00, 0.16, 0.08, 0.00, 0.00, 0.00, 0.00, 0.5),
    "velar":         (0.10, 0.05, 0.00, 0.00, 0.03, 0.00, 0.00, 0.00, 0.00, 0.00, 0.2),
    "glottal":       (0.10, 0.06, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.1),
    "rhotic":        (0.05, 0.05, 0.25, 0.20, 0.00, 0.00, 0.00, 0.04, 0.05, 0.00, 1.2),
    "rounded_glide": (0.00, 0.00, 0.20, 0.55, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 2.4),
    "close_front":   (0.18, 0.10, 0.00, 0.00, 0.22, 0.12, 0.00, 0.00, 0.00, 0.00, 0.8),
    "mid_front":     (0.20, 0.12, 0.00, 0.00, 0.16, 0.08, 0.00, 0.00, 0.00, 0.00, 0.8),
    "open_front":    (0.22, 0.12, 0.00, 0.00, 0.10, 0.04, 0.00, 0.00, 0.00, 0.00, 0.8),
    "open_back":     (0.18, 0.10, 0.04, 0.00, 0.02, 0.00, 0.00, 0.00, 0.00, 0.00, 0.8),
    "central":       (0.14, 0.08, 0.03, 0.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.00, 0.4),
    "mid_rounded":   (0.06, 0.05, 0.32, 0.20, 0.00, 0.00, 0.00, 0.00, 0.03, 0.00, 1.2),
    "close_rounded": (0.01, 0.01, 0.25, 0.50, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 1.6),
    "front_rounded": (0.03, 0.03, 0.35, 0.38, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 1.5),
}  # fmt: skip

_FLARE: Final = {"postalveolar": 0.7, "rounded_glide": 0.45, "front_rounded": 0.5, "close_rounded": 0.4, "mid_rounded": 0.3, "rhotic": 0.3}  # fmt: skip
"""How far sounds turn the lips' inner edges outward."""

_TARGET_ROWS: Final = np.array([(*_TARGETS[name][:-1], _FLARE.get(name, 0.0), _TARGETS[name][-1]) for name in CLASS_NAMES])  # fmt: skip

JAW_SIZE: Final = 0.72
"""How far our jaws open where openfacefx's open by 1."""

GAIN: Final = 0.3
"""How much larger over-articulated mouths are, and mumbled ones smaller."""
FADE: Final = 0.25
"""How much shorter their dominances fade: less of the neighbours is in each sound."""
JAW_SHARE, LIP_SHARE = 0.25, 0.35
"""How much more the jaw moves, and how much less the lips, in somebody who speaks with the jaw."""


@dataclass(frozen=True)
class VisemeRules:
    """Times and strengths of the rules.

    before_s, after_s: how fast dominance fades outside a sound.
    close_before_s, close_after_s: how long the lips take to meet before a closure and to part after it.
    narrow: how far labiodentals and w close the gap. hold: part of a plosive during which the lips stay shut (the rest is its release).
    loudness_db: range below the utterance's loud syllables over which openings shrink to ``quiet``.
    smooth_s: standard deviation of the last smoothing.
    speech_margin_s: how long before and after its sounds somebody counts as speaking.
    """

    before_s: float = 0.060
    after_s: float = 0.045
    close_before_s: float = 0.065
    close_after_s: float = 0.060
    hold: float = 0.75
    narrow: float = 0.7
    loudness_db: float = 24.0
    quiet: float = 0.75
    loud: float = 1.1
    smooth_s: float = 0.018
    speech_margin_s: float = 0.1


RULES: Final = VisemeRules()
MIDDLE: Final = Manner()
THIN: Final = 0.7
"""How thin the lips are pressed where a bilabial shuts them."""


def viseme_curves(
    phones: Sequence[Phone],
    samples: NDArray[np.float32],
    manner: Manner = MIDDLE,
    rules: VisemeRules = RULES,
    voice: NDArray[np.float32] | None = None,
    jaw: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Curves for one utterance, ``RATE`` steps a second.

    Args:
        phones: its sounds, oldest first.
        samples: float32 [T] at 16 kHz, the clean sound (for loudness and melody).
        voice, jaw: its ``melody`` and ``openfacefx_jaw``, if they are at hand.

    Returns:
        float32 [S, OUTPUTS] in [0, 1]; step k is at k / RATE seconds. The last two columns say how far
        a bilabial shuts the lips and whether somebody speaks (a little before and after the sounds included).
    """
    times = np.arange(len(samples) * RATE // SAMPLE_RATE + 1) / RATE
    kinds = np.array([CLASS_INDEX[CLASS_OF[phone.ipa]] for phone in phones])
    rows = _TARGET_ROWS[kinds]
    starts = np.array([phone.start_s for phone in phones])[:, None]
    ends = np.array([phone.end_s for phone in phones])[:, None]

    slow = 1.0 - FADE * manner.articulation
    before, after = slow * rules.before_s, slow * rules.after_s
    lips = _blend(rows[:, :-1], rows[:, -1], starts, ends, times, before, after)
    gain = 1.0 + GAIN * manner.articulation
    own = openfacefx_jaw(phones, len(times)) if jaw is None else jaw[: len(times)]
    opened = gaussian_filter1d(own.astype(np.float64), rules.smooth_s * RATE)
    opened *= gain * (1.0 + JAW_SHARE * manner.jaw) * JAW_SIZE
    lips *= gain * (1.0 - LIP_SHARE * manner.jaw)
    loudness = _loudness(samples, times, rules)
    opened *= loudness
    lips[:, :2] *= loudness[:, None]
    lips[:, 4:6] *= loudness[:, None]

    closure, narrow, tuck = (np.zeros(len(times)) for _ in range(3))
    for phone in phones:
        if CLASS_OF[phone.ipa] == "bilabial":
            length = (phone.end_s - phone.start_s) * (1.0 if phone.ipa == "m" else rules.hold)
            closure = np.maximum(closure, _ramp(times, phone.start_s, phone.start_s + length, rules))
        elif CLASS_OF[phone.ipa] in ("labiodental", "rounded_glide"):
            ramp = _ramp(times, phone.start_s, phone.end_s, rules)
            narrow = np.maximum(narrow, rules.narrow * ramp)
            if CLASS_OF[phone.ipa] == "labiodental":
                tuck = np.maximum(tuck, ramp)
    curves = np.zeros((len(times), OUTPUTS))
    for column, name in enumerate(_SHAPES):
        curves[:, CHANNEL_INDEX[name]] = lips[:, column]
    curves[:, LIP_INDEX["flare"]] = lips[:, -1]
    curves = gaussian_filter1d(curves, rules.smooth_s * RATE, axis=0)
    closure = gaussian_filter1d(closure, 0.5 * rules.smooth_s * RATE)
    narrow = gaussian_filter1d(narrow, rules.smooth_s * RATE)
    parted = (1.0 - narrow) * (1.0 - closure)
    curves[:, CHANNEL_INDEX["jawOpen"]] = opened
    curves[:, CHANNEL_INDEX["mouthClose"]] = opened * (1.0 - parted)
    for name in ("mouthLowerDownLeft", "mouthUpperUpLeft"):
        curves[:, CHANNEL_INDEX[name]] *= parted
    for name in ("mouthFunnel", "mouthStretchLeft", "tongueOut"):
        curves[:, CHANNEL_INDEX[name]] *= 1.0 - closure
    curves[:, CHANNEL_INDEX["mouthPressLeft"]] = 0.3 * closure
    curves[:, CHANNEL_INDEX["mouthRollUpper"]] = 0.1 * closure
    curves[:, CHANNEL_INDEX["mouthRollLower"]] += 0.1 * closure
    curves[:, LIP_INDEX["seal"]] = closure
    curves[:, LIP_INDEX["tuck"]] = gaussian_filter1d(tuck, 0.5 * rules.smooth_s * RATE)
    curves[:, LIP_INDEX["thin"]] = THIN * closure**2
    curves[:, LIP_INDEX["flare"]] *= 1.0 - closure
    voice = melody(samples) if voice is None else voice
    curves[:, FACE] = gain * face_curves(voice[: len(times)], curves)

    for phone in phones:
        if phone.ipa != PAUSE:
            near = (times > phone.start_s - rules.speech_margin_s) & (
                times < phone.end_s + rules.speech_margin_s
            )
            curves[near, SPEECH] = 1.0
    curves[:, CLOSURE] = closure
    return np.asarray(curves.clip(0, 1), np.float32)


def sounds_at(phones: Sequence[Phone], first_s: float, frames: int, speed: float = 1.0) -> NDArray[np.int64]:
    """The class of the sound in the middle of each half of each frame: int64 [F, 2]; else as ``at_frames``."""
    middles = first_s + (np.arange(2 * frames) + 0.5) * 0.5 * FRAME_SAMPLES / SAMPLE_RATE * speed
    ends = np.array([phone.end_s for phone in phones])
    kinds = np.array([CLASS_INDEX[CLASS_OF[phone.ipa]] for phone in phones])
    now = np.searchsorted(ends, middles, side="right").clip(max=len(phones) - 1)
    return np.asarray(kinds[now].reshape(frames, 2), np.int64)


def at_frames(
    curves: NDArray[np.float32], first_s: float, frames: int, speed: float = 1.0
) -> NDArray[np.float32]:
    """Sample curves at the middle of ``frames`` frames, the first of which begins at ``first_s``: [F, columns].

    ``speed`` is how many seconds of the curves pass in a second of frames.
    """
    middles = first_s + (np.arange(frames) + 0.5) * FRAME_SAMPLES / SAMPLE_RATE * speed
    place = np.clip(middles * RATE, 0, len(curves) - 1)
    low = np.floor(place).astype(int)
    part = (place - low).astype(np.float32)[:, None]
    return np.asarray(curves[low] * (1 - part) + curves[np.minimum(low + 1, len(curves) - 1)] * part)


def opening(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lip opening that curves [F, OUTPUTS] or blendshapes [F, 52] make, in units of jawOpen."""
    where = ARKIT_INDEX if curves.shape[-1] == len(ARKIT_INDEX) else CHANNEL_INDEX
    jaw, close, lower, upper = (
        curves[..., where[name]]
        for name in ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft")
    )
    return np.asarray(jaw - close + 0.3 * lower + 0.3 * upper, np.float32)


def _blend(
    targets: NDArray[np.float64],
    strength: NDArray[np.float64],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    times: NDArray[np.float64],
    before_s: float,
    after_s: float,
) -> NDArray[np.float64]:
    """Mean of targets [P, C] weighted by dominances that are flat within a sound and fade outside: [S, C]."""
    outside = np.maximum((starts - times) / before_s, 0) + np.maximum((times - ends) / after_s, 0)
    dominance = strength[:, None] * np.exp(-outside) + 1e-9
    return np.asarray((dominance.T @ targets) / dominance.sum(axis=0)[:, None])


def _ramp(times: NDArray[np.float64], start: float, end: float, rules: VisemeRules) -> NDArray[np.float64]:
    """0 to 1 and back to 0 around [start, end], by cosine flanks."""
    distance = np.maximum((start - times) / rules.close_before_s, 0) + np.maximum(
        (times - end) / rules.close_after_s, 0
    )
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1.0)))


def _loudness(
    samples: NDArray[np.float32], times: NDArray[np.float64], rules: VisemeRules
) -> NDArray[np.float64]:
    """Factor of the openings from the loudness of the syllable: [S] between ``quiet`` and ``loud``."""
    step = SAMPLE_RATE // RATE
    power = np.pad(samples.astype(np.float64) ** 2, (0, max(0, len(times) * step - len(samples))))
    power = power[: len(times) * step].reshape(-1, step).mean(axis=1)
    level = 10 * np.log10(gaussian_filter1d(maximum_filter1d(power, 7), 4) + 1e-10)
    below = np.clip((np.percentile(level, 92) - level) / rules.loudness_db, 0, 1)
    return np.asarray(rules.loud - (rules.loud - rules.quiet) * below)
