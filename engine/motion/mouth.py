"""From the face motion network's output to a face whose mouth shuts when it must."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.motion.channels import CHANNEL_INDEX, CLOSURE, LIP_INDEX, LIPS

PARTING: Final = ("mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthStretchLeft", "tongueOut")
"""Channels that keep the lips apart, besides the jaw; they vanish where a bilabial shuts the lips."""

GAINS: Final = {
    "jawOpen": 0.77,
    "mouthClose": 0.77,
    "mouthLowerDownLeft": 1.1,
    "mouthUpperUpLeft": 1.1,
    "mouthPucker": 1.3,
    "mouthStretchLeft": 0.5,
}
"""What channels are multiplied by; the targets of training leave more to the jaw than real speakers do."""
WITH_JAW: Final = {"mouthLowerDownLeft": 0.85, "mouthUpperUpLeft": 0.85, "mouthSmileLeft": 0.43}
"""What is added to channels for each unit that the jaw stands open: real lips part further than it and hold the corners
that it would pull down."""

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
    shaped = np.maximum(output[: LIPS.stop] * _GAIN, np.float32(0.0))
    begins, whole = CLOSURE_BEGINS, CLOSURE_WHOLE
    if shut_frames >= HELD_FRAMES:
        begins, whole = HELD_BEGINS, HELD_WHOLE
    shut = min(max((certainty(output[CLOSURE]) - begins) / (whole - begins), 0.0), 1.0)
    if shut > 0.0:
        shaped[_PARTING] *= np.float32(1.0 - shut)
    shaped[_CLOSE] = min(max(shaped[_CLOSE], shut * shaped[_JAW]), shaped[_JAW])
    shaped += (shaped[_JAW] - shaped[_CLOSE]) * _WITH_JAW
    shaped[SEAL] = shut  # the network's own seal is the same closure, blurred
    return np.asarray(np.minimum(shaped, np.float32(1.0)))


_JAW, _CLOSE = CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["mouthClose"]
_PARTING: Final = np.array([CHANNEL_INDEX[name] for name in PARTING])
SEAL: Final = LIP_INDEX["seal"]
_GAIN, _WITH_JAW = np.ones(LIPS.stop, np.float32), np.zeros(LIPS.stop, np.float32)
for _row, _values in ((_GAIN, GAINS), (_WITH_JAW, WITH_JAW)):
    _row[[CHANNEL_INDEX[_name] for _name in _values]] = list(_values.values())
