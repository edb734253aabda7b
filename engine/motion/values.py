"""What moves in one video frame: the value that the motion stage makes and the renderer draws."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import (
    FRAME_SAMPLES,
    LIP_OFFSET_LEAST,
    LIP_OFFSET_NAMES,
    POSE_LIMITS_DEG,
    POSE_NAMES,
)

_LIMITS: Final = np.array([*POSE_LIMITS_DEG, *[np.inf] * 3], np.float32)
_LIP_LEAST: Final = np.array(LIP_OFFSET_LEAST, np.float32)


def no_lip_offsets() -> NDArray[np.float32]:
    """Lips as blendshapes leave them, float32 [5]."""
    return np.zeros(len(LIP_OFFSET_NAMES), np.float32)


@dataclass(frozen=True)
class Motion:
    """Face and head of one video frame.

    Convention:
        number: frame number since the session began; the frame shows samples
            [FRAME_SAMPLES * number, FRAME_SAMPLES * (number + 1)).
        blendshapes: float32 [52] in [0, 1], in the order of ``ARKIT_NAMES`` (gaze included, as eyeLook*).
        pose: float32 [6], in the order, directions and units of ``POSE_NAMES``.
        breath: chest lift in [0, 1], 0 at the end of breathing out.
        speaking: whether the frame's samples hold speech.
        lip_offsets: float32 [5], what the lips do beyond the blendshapes, in the order of ``LIP_OFFSET_NAMES``;
            in [0, 1], skew in [-1, 1].
    """

    number: int
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]
    breath: float = 0.0
    speaking: bool = False
    lip_offsets: NDArray[np.float32] = field(default_factory=no_lip_offsets)

    @property
    def first_sample(self) -> int:
        """Number of the first audio sample that this frame shows."""
        return self.number * FRAME_SAMPLES

    def clamped(self) -> "Motion":
        """The same motion with blendshapes and lip offsets in their ranges and angles within ``POSE_LIMITS_DEG``."""
        pose = np.minimum(np.maximum(self.pose, -_LIMITS), _LIMITS).astype(np.float32, copy=False)
        shapes = np.minimum(np.maximum(self.blendshapes, 0.0), 1.0).astype(np.float32, copy=False)
        lips = np.minimum(np.maximum(self.lip_offsets, _LIP_LEAST), 1.0).astype(np.float32, copy=False)
        return replace(self, blendshapes=shapes, pose=pose, lip_offsets=lips)


def rest(number: int) -> Motion:
    """The still, closed neutral face at the photo's own pose."""
    return Motion(number, np.zeros(52, np.float32), np.zeros(len(POSE_NAMES), np.float32))
