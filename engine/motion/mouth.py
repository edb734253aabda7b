"""From the face motion network's output to a face whose mouth shuts when it must."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.motion.channels import CHANNEL_INDEX, CLOSURE, LIP_INDEX, LIPS

PARTING: Final = ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthStretchLeft", "tongueOut")
"""Channels that keep the lips apart, besides the jaw; they vanish where a bilabial shuts the lips."""

OPENING: Final = ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthUpperUpLeft")
OPENING_GAIN: Final = 1.1
"""What openings are multiplied by: with 1.25 those of rendered avatars varied 1.27 times as much as real lips' on the GRID
clips, whose speakers read without much expression."""

CLOSURE_BEGINS: Final = 0.33
CLOSURE_WHOLE: Final = 0.63
"""The network's certainty of a bilabial from which the lips approach, and at which they touch."""

HELD_FRAMES: Final = 4
HELD_BEGINS: Final = 0.7
HELD_WHOLE: Final = 0.95
"""Frames that a bilabial lasts, as a rule, and what certainty it takes to hold it longer: in "mama" the network's
certainty hardly falls between the two."""


def certainty(logit: float) -> float:
    """The probability, in [0, 1], that a logit stands for."""
    return 0.5 + 0.5 * math.tanh(0.5 * logit)


def shape_motion(output: NDArray[np.float32], shut_frames: int = 0) -> NDArray[np.float32]:
    """Channels and lip offsets in [0, 1], [LIPS.stop], from one output [OUTPUTS].

    Where a bilabial is certain mouthClose equals jawOpen and the lips are sealed, which shuts the lips of every avatar.

    shut_frames: how many frames the lips have been sealed by more than half.
    """
    shaped = np.minimum(np.maximum(output[: LIPS.stop] * _GAIN, np.float32(0.0)), np.float32(1.0))
    begins, whole = CLOSURE_BEGINS, CLOSURE_WHOLE
    if shut_frames >= HELD_FRAMES:
        begins, whole = HELD_BEGINS, HELD_WHOLE
    shut = min(max((certainty(output[CLOSURE]) - begins) / (whole - begins), 0.0), 1.0)
    if shut > 0.0:
        shaped[_PARTING] *= np.float32(1.0 - shut)
    shaped[_CLOSE] = min(max(shaped[_CLOSE], shut * shaped[_JAW]), shaped[_JAW])
    shaped[SEAL] = shut  # the network's own seal is the same closure, blurred
    return np.asarray(shaped, np.float32)


_JAW, _CLOSE = CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["mouthClose"]
_PARTING: Final = np.array([CHANNEL_INDEX[name] for name in PARTING])
SEAL: Final = LIP_INDEX["seal"]
_GAIN: Final = np.ones(LIPS.stop, np.float32)
_GAIN[[CHANNEL_INDEX[_name] for _name in OPENING]] = OPENING_GAIN
