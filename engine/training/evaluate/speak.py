"""Lets an avatar speak as in a call, and follows its face in the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import DEFAULT_FRAME_SIZE, LOOK_AHEADS_MS

if TYPE_CHECKING:  # the pipeline is imported when an avatar is made
    from engine.avatar.avatar import Avatar
    from engine.motion.stage import MotionStage
    from engine.pipeline import Engine

Image = NDArray[np.uint8]


class Speaker(Protocol):
    """A photo that can be made to speak."""

    def speak(self, samples: NDArray[np.float32]) -> Iterator[Image]:
        """Speak mono 16 kHz sound; yields one uint8 [side, side, 3] RGB picture for every 640 samples."""
        ...


class SpeakerMaker(Protocol):
    """Makes a speaker of a photo; raises InputError for one that cannot be used."""

    def __call__(self, photo: Path | bytes) -> Speaker: ...


class AvatarMaker:
    """Makes avatars that speak through the real pipeline, at its default settings but for the arguments."""

    def __init__(
        self, size: int = DEFAULT_FRAME_SIZE, seed: int = 0, look_ahead_ms: int = LOOK_AHEADS_MS[0]
    ) -> None:
        from engine.pipeline import Engine, EngineSettings

        self._engine = Engine(EngineSettings(size=size, look_ahead_ms=look_ahead_ms))
        self._seed = seed

    @property
    def motion(self) -> "MotionStage":
        """The motion stage that its avatars share."""
        return self._engine.motion

    def __call__(self, photo: Path | bytes) -> "SpeakingAvatar":
        """Make the avatar of a photo."""
        from engine.avatar.avatar import Avatar

        return SpeakingAvatar(self._engine, Avatar.from_photo(photo), self._seed)


class SpeakingAvatar:
    """One avatar; every speech is a new session with the same seed."""

    def __init__(self, engine: "Engine", avatar: "Avatar", seed: int) -> None:
        self._engine, self._avatar, self._seed = engine, avatar, seed

    def speak(self, samples: NDArray[np.float32]) -> Iterator[Image]:
        """Render the speech; see ``Speaker``."""
        session = self._engine.session(self._avatar, seed=self._seed)
        session.push_audio(samples)
        session.end()
        for frame in session:
            yield np.ascontiguousarray(frame.rgb)


@dataclass(frozen=True, eq=False)
class TrackedSpeech:
    """The face in rendered pictures.

    Convention:
        points: float32 [N, 478, 3], picture pixels; NaN where no face was found.
        detected: bool [N], whether the face detector alone finds a face in that picture.
    """

    points: NDArray[np.float32]
    detected: NDArray[np.bool_]


def track_speech(
    speaker: Speaker, samples: NDArray[np.float32], landmarker: FaceLandmarker, *, detect: bool = False
) -> TrackedSpeech:
    """Let a speaker speak and follow its face; ``detect`` also runs the detector on every picture."""
    points, detected = [], []
    previous = None
    lost = np.full((478, 3), np.nan, np.float32)
    for image in speaker.speak(samples):
        previous = landmarker.track(image, previous, blendshapes=False)
        points.append(lost if previous is None else previous.points)
        detected.append(previous is not None and (not detect or _detects(landmarker, image)))
    return TrackedSpeech(np.array(points, np.float32).reshape(-1, 478, 3), np.array(detected, np.bool_))


def _detects(landmarker: FaceLandmarker, image: Image) -> bool:
    return bool(landmarker.detect(image, thorough=False) or landmarker.detect(image, thorough=True))
