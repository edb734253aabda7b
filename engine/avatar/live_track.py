"""Follows a face live: pictures go in one by one, blendshapes and head pose come out with each, nothing looks ahead."""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.easing import smooth_step
from engine.avatar.landmarks import FaceLandmarker, Landmarks
from engine.avatar.own_head import OwnHead, make_own_head, widest
from engine.avatar.puppet import FacePose
from engine.avatar.track import STEADY_POSE, STEADY_SHAPE
from engine.avatar.video import Picture
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, FRAME_RATE
from engine.errors import PhotoError
from engine.motion.face_drive import FaceMotion
from engine.motion.values import Motion

SHAPES: Final = len(ARKIT_NAMES)
STEADY: Final = np.concatenate([np.full(SHAPES, STEADY_SHAPE), STEADY_POSE])
STEADY[[ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]]] *= 0.5
"""Changes below these are mostly noise, those above are shown at once: blendshapes, then pose. Lips shut by what jaw
and lips do together, and part visibly where one of them lags: those two are calmed half as much."""

CALM_S: Final = 0.08
"""Time constant with which changes that are mostly noise are followed."""

HOLD_S: Final = 0.3
"""A face that is lost is held so long, in case that it comes back."""

LEAVE_S: Final = 0.7
"""Time in which it then goes to rest."""

JOIN_S: Final = 0.3
"""Time in which what is shown joins what is seen after a jump: a face that is back, or another rest."""

SEARCH_S: Final = 0.5
"""How often a missing face is searched for thoroughly, or a head made of a face that would not do before."""

Double = NDArray[np.float64]


class LiveTracker:
    """One face before one camera. Holds the landmarker's buffers: for one thread.

    The first picture that does as a portrait becomes the head that is fitted to all others, which takes about a second.
    Until then the face is at rest. ``take_rest`` makes what is seen the rest.
    """

    def __init__(self, landmarker: FaceLandmarker | None = None, head: OwnHead | None = None) -> None:
        """``head``: one that was made of this face in this camera's picture before."""
        self._landmarker = landmarker or FaceLandmarker()
        self._head = head
        self._landmarks: Landmarks | None = None
        self._near: FacePose | None = None
        self._rest = np.zeros(len(STEADY))
        self._calm: Double | None = None  # what is seen without the noise; None while no face is seen
        self._shown = np.zeros(len(STEADY))
        self._time_s = -math.inf
        self._seen_s = -math.inf
        self._searched_s = -math.inf
        self._left = np.zeros(len(STEADY))  # what was shown when the face was seen last
        self._jump = np.zeros(len(STEADY))
        self._joined_s = -math.inf
        self.refusal = ""
        """Why no head can be made of what is seen; empty once there is one."""

    @property
    def ready(self) -> bool:
        """Whether there is a head to fit."""
        return self._head is not None

    def track(self, picture: Picture) -> FaceMotion:
        """What the face does in the next picture; times rise.

        Blendshapes are those of the face itself, or beyond the rest that was taken; the pose is relative to the rest's.
        """
        values = self._see(picture)
        dt_s, self._time_s = picture.time_s - self._time_s, picture.time_s
        if values is None:
            self._calm = None
            away = (picture.time_s - self._seen_s - HOLD_S) / LEAVE_S
            self._shown = self._left * (1.0 - smooth_step(np.array(away)))
            return self._motion(seen=False)
        back = self._calm is None
        self._calm = values if self._calm is None else calmed(self._calm, values, dt_s)
        target = self._beyond_rest(self._calm)
        if back:
            self._join(target)
        joined = smooth_step(np.array((picture.time_s - self._joined_s) / JOIN_S))
        self._shown = target + self._jump * (1.0 - joined)
        self._left, self._seen_s = self._shown, picture.time_s
        return self._motion(seen=True)

    def take_rest(self) -> bool:
        """Let the pose and expression that are seen now count as rest; False when no face is seen."""
        if self._calm is None:
            return False
        self._rest = self._calm.copy()
        self._rest[:SHAPES] = np.minimum(self._rest[:SHAPES], 0.9)
        self._join(self._beyond_rest(self._calm))
        return True

    def _see(self, picture: Picture) -> Double | None:
        """Blendshapes and pose of the face in the picture, float64 [58]; None when there is none, or no head yet."""
        search = picture.time_s - self._searched_s >= SEARCH_S
        if self._head is None:
            if search:
                self._searched_s = picture.time_s
                self._make_head(picture)
            if self._head is None:
                return None
        found = self._landmarker.track(picture.image, self._landmarks, thorough=search)
        if found is None:
            self._searched_s = picture.time_s if search else self._searched_s
            self._landmarks = self._near = None
            return None
        self._landmarks = found
        fit = self._head.fit
        on_canvas = self._head.on_canvas(found.points)
        self._near = fit.fit(on_canvas, found.blendshapes, self._near or fit.photo)
        return np.concatenate([self._near.blendshapes, self._near.head(fit.rig.head_width)])

    def _make_head(self, picture: Picture) -> None:
        try:
            self._head = make_own_head(picture.image, self._landmarker, widest)
        except PhotoError as error:
            self.refusal = str(error)
            return
        self._landmarks, self.refusal = self._head.landmarks, ""

    def _beyond_rest(self, values: Double) -> Double:
        """Values from the rest's: a blendshape of 1 stays 1, so that lids and lips still shut."""
        beyond = values - self._rest
        beyond[:SHAPES] = np.maximum(beyond[:SHAPES], 0.0) / (1.0 - self._rest[:SHAPES])
        return beyond

    def _join(self, target: Double) -> None:
        """Go on from what is shown, whatever is seen."""
        self._jump = self._shown - target
        self._joined_s = self._time_s

    def _motion(self, *, seen: bool) -> FaceMotion:
        shapes = np.clip(self._shown[:SHAPES], 0.0, 1.0).astype(np.float32)
        return FaceMotion(self._time_s, shapes, self._shown[SHAPES:].astype(np.float32), seen)


def calmed(shown: Double, seen: Double, dt_s: float) -> Double:
    """Follow what is seen [58], ``dt_s`` after ``shown``: small changes slowly, large ones at once.

    The share that is followed rises with the distance as in a bilateral filter, so that noise is averaged while a lid
    or a lip that shuts for one picture shuts.
    """
    change = seen - shown
    noise = np.exp(-0.5 * (change / STEADY) ** 2)
    return np.asarray(shown + (1.0 - math.exp(-dt_s / CALM_S) * noise) * change)


def at_frame_rate(faces: Iterable[FaceMotion]) -> Iterator[Motion]:
    """Motions at 25 a second by linear interpolation, frame 0 at the first picture; each once the next one is there."""
    start_s = before = None
    number = 0
    for face in faces:
        if start_s is None or before is None:
            start_s = face.time_s
            before = face
        while (time_s := start_s + number / FRAME_RATE) <= face.time_s + 1e-6:
            gap_s = face.time_s - before.time_s
            part = np.float32((time_s - before.time_s) / gap_s if gap_s > 0 else 1.0)
            yield Motion(
                number,
                before.blendshapes + part * (face.blendshapes - before.blendshapes),
                before.pose + part * (face.pose - before.pose),
            ).clamped()
            number += 1
        before = face
