"""Motion that comes from a tracked face, beside the one that speech makes."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.motion.values import Motion

KEPT: Final = 50
"""Pictures of a face that are remembered: a camera at 60 a second fills most of a second."""

STALE_S: Final = 0.4
"""A face that was seen last so long before a frame drives it no more."""

EASE_S: Final = 0.4
"""Time in which the face takes over from speech, and gives back."""

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """What a tracked face shows in one picture of a camera.

    Convention:
        time_s: when the picture was taken, on the camera's clock or the session's.
        blendshapes: float32 [52] in [0, 1], ``ARKIT_NAMES``. pose: float32 [6], ``POSE_NAMES``, relative to the face's
        rest. seen: whether the picture shows the face; otherwise the values are held, or on their way to rest.
    """

    time_s: float
    blendshapes: Float
    pose: Float
    seen: bool


class FaceDrive:
    """Lets a face that is tracked beside a session drive its frames, and speech while no face is seen.

    The head's pose and all of the face come from the tracked face; breath goes on, and lip offsets, which are heard,
    give way.
    """

    def __init__(self) -> None:
        self._seen: deque[FaceMotion] = deque(maxlen=KEPT)
        self._share = 0.0  # of the face, before easing
        self._number = 0

    def add(self, face: FaceMotion) -> None:
        """Take what the camera's next picture shows; ``time_s`` as ``drive`` counts, rising."""
        if face.seen and (not self._seen or face.time_s > self._seen[-1].time_s):
            self._seen.append(face)

    def drive(self, spoken: Motion, time_s: float) -> Motion:
        """The motion of a frame that shows what happened at ``time_s``, from the one that its sound asks for."""
        there = (
            bool(self._seen) and self._seen[-1].time_s > time_s - STALE_S and self._seen[0].time_s <= time_s
        )
        frames = max(1, spoken.number - self._number)
        self._number = spoken.number
        step = frames / (EASE_S * FRAME_RATE)
        self._share = min(1.0, self._share + step) if there else max(0.0, self._share - step)
        if self._share == 0.0:
            return spoken
        share = np.float32(self._share * self._share * (3.0 - 2.0 * self._share))
        blendshapes, pose = self._at(time_s)
        return replace(
            spoken,
            blendshapes=spoken.blendshapes + share * (blendshapes - spoken.blendshapes),
            pose=spoken.pose + share * (pose - spoken.pose),
            lip_offsets=(1 - share) * spoken.lip_offsets,
        ).clamped()

    def _at(self, time_s: float) -> tuple[Float, Float]:
        """Blendshapes and pose at a time, between the two pictures around it; the last one is held."""
        later = self._seen[-1]
        for earlier in reversed(self._seen):
            if earlier.time_s <= time_s:
                break
            later = earlier
        gap_s = later.time_s - earlier.time_s
        part = np.float32(min(1.0, max(0.0, (time_s - earlier.time_s) / gap_s)) if gap_s > 0 else 0.0)
        return (
            earlier.blendshapes + part * (later.blendshapes - earlier.blendshapes),
            earlier.pose + part * (later.pose - earlier.pose),
        )
