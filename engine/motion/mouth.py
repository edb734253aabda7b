"""From the face motion network's output to a mouth that shuts when it must."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES

CHANNELS: Final = (
    ("jawOpen",),
    ("mouthClose",),
    ("mouthLowerDownLeft", "mouthLowerDownRight"),
    ("mouthUpperUpLeft", "mouthUpperUpRight"),
    ("mouthFunnel",),
    ("mouthPucker",),
    ("mouthStretchLeft", "mouthStretchRight"),
    ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthPressLeft", "mouthPressRight"),
    ("mouthRollLower",),
    ("mouthRollUpper",),
    ("mouthShrugUpper",),
    ("jawForward",),
    ("tongueOut",),
)
"""What speech drives: the blendshapes of each channel move together (both sides alike)."""

CHANNEL_INDEX: Final = {names[0]: index for index, names in enumerate(CHANNELS)}

SPREAD: Final = np.zeros((len(CHANNELS), len(ARKIT_NAMES)), np.float32)
"""[channels, 52]: which blendshapes a channel moves."""
for _row, _names in enumerate(CHANNELS):
    SPREAD[_row, [ARKIT_INDEX[_name] for _name in _names]] = 1.0

PARTING: Final = ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthStretchLeft", "tongueOut")
"""Channels that keep the lips apart, besides the jaw; they vanish where a bilabial shuts the lips."""

OPENING: Final = ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft")
OPENING_GAIN: Final = 1.25
"""What openings are multiplied by: without it those of rendered avatars vary 0.81 times as much as real lips' on the
GRID clips."""

CLOSURE_BEGINS: Final = 0.35
CLOSURE_WHOLE: Final = 0.65
"""The network's certainty of a bilabial from which the lips approach, and at which they touch."""


def certainty(logit: float) -> float:
    """The probability, in [0, 1], that a logit stands for."""
    return 0.5 + 0.5 * math.tanh(0.5 * logit)


def shape_mouth(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Channels in [0, 1] from one output [channels + 2] (the last two: logits of closure and of speech).

    Where a bilabial is certain mouthClose equals jawOpen, which shuts the lips of every avatar.
    """
    mouth = np.minimum(np.maximum(output[: len(CHANNELS)] * _GAIN, np.float32(0.0)), np.float32(1.0))
    shut = min(
        max((certainty(output[len(CHANNELS)]) - CLOSURE_BEGINS) / (CLOSURE_WHOLE - CLOSURE_BEGINS), 0.0), 1.0
    )
    if shut > 0.0:
        mouth[_PARTING] *= np.float32(1.0 - shut)
    mouth[_CLOSE] = min(max(mouth[_CLOSE], shut * mouth[_JAW]), mouth[_JAW])
    return np.asarray(mouth, np.float32)


_JAW, _CLOSE = CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["mouthClose"]
_PARTING: Final = np.array([CHANNEL_INDEX[name] for name in PARTING])
_GAIN: Final = np.array([OPENING_GAIN if names[0] in OPENING else 1.0 for names in CHANNELS], np.float32)
