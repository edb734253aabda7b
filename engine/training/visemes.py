"""Turns timed speech sounds into curves of the mouth's blendshapes: the targets that the face motion learns.

Each sound pulls every channel towards its own target with a dominance that fades before and after it (Cohen and
Massaro 1993); the target curve is the weighted mean. Rules after JALI (Edwards et al. 2016) come on top: bilabials
always close, labiodentals always touch, sibilants narrow the jaw, rounding spreads over neighbours, sounds of
the tongue alone leave the lips to their neighbours. Openings grow with the loudness of their syllable.

Closing: the opening that is seen is jawOpen - mouthClose; where the lips must meet, mouthClose equals jawOpen
and the shapes that part the lips are 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from engine.conventions import ARKIT_INDEX, FRAME_SAMPLES, SAMPLE_RATE
from engine.motion.mouth import CHANNEL_INDEX, CHANNELS
from engine.training.phones import CLASS_INDEX, CLASS_NAMES, CLASS_OF, PAUSE
from engine.training.voices import Phone

RATE: Final = 100
"""Steps a second on which curves are built before they are sampled at the middle of each frame."""

_SHAPES: Final = ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthSmileLeft", "mouthRollLower", "mouthShrugUpper", "jawForward", "tongueOut")  # fmt: skip

_TARGETS: Final = {
    #                 jaw  lower upper funnel pucker stretch smile roll shrug forward tongue | jaw, lip dominance
    "pause":         (0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 1.0, 1.0),
    "bilabial":      (0.10, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 1.2, 1.0),
    "labiodental":   (0.03, 0.00, 0.06, 0.00, 0.00, 0.00, 0.00, 0.45, 0.00, 0.00, 0.00, 2.4, 2.2),
    "dental":        (0.12, 0.10, 0.06, 0.00, 0.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.10, 0.9, 0.5),
    "alveolar":      (0.13, 0.10, 0.05, 0.00, 0.00, 0.05, 0.00, 0.00, 0.00, 0.00, 0.00, 0.6, 0.3),
    "sibilant":      (0.08, 0.18, 0.08, 0.00, 0.00, 0.14, 0.05, 0.00, 0.00, 0.00, 0.00, 1.2, 0.7),
    "postalveolar":  (0.09, 0.14, 0.12, 0.40, 0.15, 0.00, 0.00, 0.00, 0.08, 0.15, 0.00, 1.2, 1.4),
    "palatal":       (0.12, 0.12, 0.06, 0.00, 0.00, 0.16, 0.08, 0.00, 0.00, 0.00, 0.00, 0.7, 0.5),
    "velar":         (0.18, 0.10, 0.05, 0.00, 0.00, 0.03, 0.00, 0.00, 0.00, 0.00, 0.00, 0.5, 0.2),
    "glottal":       (0.20, 0.10, 0.06, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.00, 0.2, 0.1),
    "rhotic":        (0.08, 0.05, 0.05, 0.25, 0.20, 0.00, 0.00, 0.00, 0.04, 0.05, 0.00, 1.2, 1.2),
    "rounded_glide": (0.02, 0.00, 0.00, 0.20, 0.55, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 2.6, 2.4),
    "close_front":   (0.15, 0.18, 0.10, 0.00, 0.00, 0.22, 0.12, 0.00, 0.00, 0.00, 0.00, 1.0, 0.8),
    "mid_front":     (0.28, 0.20, 0.12, 0.00, 0.00, 0.16, 0.08, 0.00, 0.00, 0.00, 0.00, 1.0, 0.8),
    "open_front":    (0.40, 0.22, 0.12, 0.00, 0.00, 0.10, 0.04, 0.00, 0.00, 0.00, 0.00, 1.1, 0.8),
    "open_back":     (0.40, 0.18, 0.10, 0.04, 0.00, 0.02, 0.00, 0.00, 0.00, 0.00, 0.00, 1.1, 0.8),
    "central":       (0.22, 0.14, 0.08, 0.03, 0.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.00, 0.7, 0.4),
    "mid_rounded":   (0.28, 0.06, 0.05, 0.32, 0.20, 0.00, 0.00, 0.00, 0.00, 0.03, 0.00, 1.0, 1.2),
    "close_rounded": (0.07, 0.01, 0.01, 0.25, 0.50, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 1.5, 1.6),
    "front_rounded": (0.11, 0.03, 0.03, 0.35, 0.38, 0.00, 0.00, 0.00, 0.00, 0.05, 0.00, 1.3, 1.5),
}  # fmt: skip


@dataclass(frozen=True)
class VisemeRules:
    """Times and strengths of the rules.

    jaw_before_s, jaw_after_s, lip_before_s, lip_after_s: how fast dominance fades outside a sound.
    close_before_s, close_after_s: how long the lips take to meet before a closure and to part after it.
    narrow: how far labiodentals and w close the gap. hold: part of a plosive during which the lips stay shut (the rest is its release).
    loudness_db: range below the utterance's loud syllables over which openings shrink to ``quiet``.
    smooth_s: standard deviation of the last smoothing.
    speech_margin_s: how long before and after its sounds somebody counts as speaking.
    """

    jaw_before_s: float = 0.045
    jaw_after_s: float = 0.045
    lip_before_s: float = 0.060
    lip_after_s: float = 0.045
    close_before_s: float = 0.065
    close_after_s: float = 0.060
    hold: float = 0.75
    narrow: float = 0.7
    loudness_db: float = 24.0
    quiet: float = 0.55
    loud: float = 1.1
    smooth_s: float = 0.018
    speech_margin_s: float = 0.1


RULES: Final = VisemeRules()


def viseme_curves(
    phones: Sequence[Phone], samples: NDArray[np.float32], rules: VisemeRules = RULES
) -> NDArray[np.float32]:
    """Curves for one utterance, ``RATE`` steps a second.

    Args:
        phones: its sounds, oldest first.
        samples: float32 [T] at 16 kHz, the clean sound (for loudness).

    Returns:
        float32 [S, len(CHANNELS) + 2] in [0, 1]; step k is at k / RATE seconds. The last two columns say how far
        a bilabial shuts the lips and whether somebody speaks (a little before and after the sounds included).
    """
    times = np.arange(len(samples) * RATE // SAMPLE_RATE + 1) / RATE
    table = np.array([_TARGETS[name] for name in CLASS_NAMES])
    kinds = np.array([CLASS_INDEX[CLASS_OF[phone.ipa]] for phone in phones])
    starts = np.array([phone.start_s for phone in phones])[:, None]
    ends = np.array([phone.end_s for phone in phones])[:, None]

    jaw = _blend(
        table[kinds, :1], table[kinds, -2], starts, ends, times, rules.jaw_before_s, rules.jaw_after_s
    )
    lips = _blend(
        table[kinds, 1:-2], table[kinds, -1], starts, ends, times, rules.lip_before_s, rules.lip_after_s
    )
    shapes = np.concatenate([jaw, lips], axis=1)
    loudness = _loudness(samples, times, rules)[:, None]
    shapes[:, :3] *= loudness
    shapes[:, 5:7] *= loudness

    closure, narrow = np.zeros(len(times)), np.zeros(len(times))
    for phone in phones:
        if CLASS_OF[phone.ipa] == "bilabial":
            length = (phone.end_s - phone.start_s) * (1.0 if phone.ipa == "m" else rules.hold)
            closure = np.maximum(closure, _ramp(times, phone.start_s, phone.start_s + length, rules))
        elif CLASS_OF[phone.ipa] in ("labiodental", "rounded_glide"):
            narrow = np.maximum(narrow, rules.narrow * _ramp(times, phone.start_s, phone.end_s, rules))
    curves = np.zeros((len(times), len(CHANNELS)))
    for column, name in enumerate(_SHAPES):
        curves[:, CHANNEL_INDEX[name]] = shapes[:, column]
    curves = gaussian_filter1d(curves, rules.smooth_s * RATE, axis=0)
    closure = gaussian_filter1d(closure, 0.5 * rules.smooth_s * RATE)
    narrow = gaussian_filter1d(narrow, rules.smooth_s * RATE)
    for name in ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft"):
        curves[:, CHANNEL_INDEX[name]] *= 1.0 - narrow
    curves[:, CHANNEL_INDEX["jawOpen"]] *= 1.0 - 0.5 * closure
    curves[:, CHANNEL_INDEX["mouthClose"]] = curves[:, CHANNEL_INDEX["jawOpen"]] * closure
    for name in ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthStretchLeft", "tongueOut"):
        curves[:, CHANNEL_INDEX[name]] *= 1.0 - closure
    curves[:, CHANNEL_INDEX["mouthPressLeft"]] = 0.3 * closure
    curves[:, CHANNEL_INDEX["mouthRollUpper"]] = 0.1 * closure
    curves[:, CHANNEL_INDEX["mouthRollLower"]] += 0.1 * closure

    spoken = np.zeros(len(times))
    for phone in phones:
        if phone.ipa != PAUSE:
            near = (times > phone.start_s - rules.speech_margin_s) & (
                times < phone.end_s + rules.speech_margin_s
            )
            spoken[near] = 1.0
    return np.column_stack([curves, closure, spoken]).clip(0, 1).astype(np.float32)


def at_frames(
    curves: NDArray[np.float32], first_s: float, frames: int, speed: float = 1.0
) -> NDArray[np.float32]:
    """Sample curves at the middle of ``frames`` frames, the first of which begins at ``first_s``: [F, channels + 2].

    ``speed`` is how many seconds of the curves pass in a second of frames.
    """
    middles = first_s + (np.arange(frames) + 0.5) * FRAME_SAMPLES / SAMPLE_RATE * speed
    place = np.clip(middles * RATE, 0, len(curves) - 1)
    low = np.floor(place).astype(int)
    part = (place - low).astype(np.float32)[:, None]
    return np.asarray(curves[low] * (1 - part) + curves[np.minimum(low + 1, len(curves) - 1)] * part)


def opening(curves: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lip opening that curves [F, channels + 2] or blendshapes [F, 52] make, in units of jawOpen."""
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
