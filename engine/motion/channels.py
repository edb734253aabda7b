"""What speech moves: the outputs of the face motion network, in the order of its three branches.

mouth: blendshapes that sounds shape. face: blendshapes of brows, eyes, cheeks and nose that go with the voice.
lips: vertex offsets of the lips, which blendshapes cannot make (``LIP_OFFSET_NAMES``). Two logits follow: a bilabial
shuts the lips, and somebody speaks.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, LIP_OFFSET_NAMES

MOUTH_CHANNELS: Final = (
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
"""Blendshapes of each mouth channel; they move together (both sides alike)."""

FACE_CHANNELS: Final = (
    ("browInnerUp",),
    ("browOuterUpLeft", "browOuterUpRight"),
    ("browDownLeft", "browDownRight"),
    ("eyeWideLeft", "eyeWideRight"),
    ("eyeSquintLeft", "eyeSquintRight"),
    ("cheekSquintLeft", "cheekSquintRight"),
    ("noseSneerLeft", "noseSneerRight"),
)
"""Blendshapes of each channel of the other face."""

LIP_CHANNELS: Final = LIP_OFFSET_NAMES[:-1]
"""Lip offsets that sounds shape; the last, skew, is a habit of the person."""

CHANNELS: Final = MOUTH_CHANNELS + FACE_CHANNELS
CHANNEL_INDEX: Final = {names[0]: index for index, names in enumerate(CHANNELS)}

MOUTH: Final = slice(0, len(MOUTH_CHANNELS))
FACE: Final = slice(MOUTH.stop, len(CHANNELS))
LIPS: Final = slice(FACE.stop, FACE.stop + len(LIP_CHANNELS))
CLOSURE: Final = LIPS.stop
SPEECH: Final = CLOSURE + 1
OUTPUTS: Final = SPEECH + 1
"""Where each branch lies among the outputs, and how many there are."""

FACE_WITHOUT_BROWS: Final = slice(
    FACE.start + sum(names[0].startswith("brow") for names in FACE_CHANNELS), FACE.stop
)
"""Brows come first among the channels of the face."""

LIP_INDEX: Final = {name: LIPS.start + index for index, name in enumerate(LIP_CHANNELS)}


def places(*names: str) -> NDArray[np.intp]:
    """Where these blendshapes stand among the 52."""
    return np.array([ARKIT_INDEX[name] for name in names])


SPREAD: Final = np.zeros((len(CHANNELS), len(ARKIT_NAMES)), np.float32)
"""[channels, 52]: which blendshapes a channel moves."""
for _row, _names in enumerate(CHANNELS):
    SPREAD[_row, [ARKIT_INDEX[_name] for _name in _names]] = 1.0
