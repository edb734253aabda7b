"""Follows the face in a video and turns it into motion: blendshapes and head pose at 25 fps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.face_pose import RIGID_LANDMARKS
from engine.avatar.landmark_rig import LandmarkRig
from engine.avatar.landmarks import VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER, FaceLandmarker
from engine.avatar.own_head import face_at, make_own_head
from engine.avatar.puppet import PuppetFit
from engine.avatar.video import Picture, probe_video, read_video
from engine.conventions import FRAME_RATE
from engine.errors import InputError, PhotoError
from engine.motion.values import Motion

SAME_PICTURE: Final = 0.015
"""Landmarks differ less, in eye-corner distances, when a picture of the video is the avatar's photo (by 0.001 to 0.003
on nine clips); those of other people differ by 0.02 and more in any picture."""

AS_LIKE: Final = 0.002
"""Pictures whose differences are so close, in the same unit, are equally like the photo."""

TRIED_EVERY: Final = 25  # pictures with the face, where the first does not do as a portrait

SMOOTHING: Final = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
"""Taken over neighbouring pictures on both sides, so nothing lags."""
STEADY_SHAPE: Final = 0.05
STEADY_POSE: Final = np.array([0.7, 0.7, 0.7, 0.01, 0.01, 0.05])
"""Changes of blendshapes and of the pose (``POSE_NAMES``) below these are mostly noise; larger ones stay as they are."""

Float = NDArray[np.float32]
Double = NDArray[np.float64]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """A face over time, one row for each picture in which it was found.

    Convention:
        times_s: float64 [N], rising, as in ``Picture``. points: float32 [N, 478, 3], picture pixels.
        scores: float32 [N, 52] in [0, 1], what the landmarker's network says of the blendshapes, ``ARKIT_NAMES``.
        pictures: how many the video has.
    """

    times_s: Double
    points: Float
    scores: Float
    pictures: int


@dataclass(frozen=True, eq=False)
class PuppetTrack:
    """What an avatar has to do to show each row of a ``FaceTrack``.

    Convention: blendshapes: float32 [N, 52] in [0, 1]. poses: float32 [N, 6], ``POSE_NAMES``.
    """

    blendshapes: Float
    poses: Float


def track_pictures(
    pictures: Iterable[Picture], landmarker: FaceLandmarker, *, blendshapes: bool = True
) -> FaceTrack:
    """Follow the most prominent face through pictures; the scores are zero where ``blendshapes`` is false."""
    times, points, scores = [], [], []
    previous = None
    count = 0
    for picture in pictures:
        count += 1
        previous = landmarker.track(picture.image, previous, blendshapes)
        if previous is not None:
            times.append(picture.time_s)
            points.append(previous.points)
            scores.append(previous.blendshapes)
    return FaceTrack(
        np.array(times),
        np.array(points, np.float32).reshape(-1, 478, 3),
        np.array(scores, np.float32).reshape(-1, 52),
        count,
    )


def track_video(
    path: str | Path, avatar: Avatar | None = None, *, progress: Progress | None = None
) -> list[Motion]:
    """Turn the face of a video into motion, frame by frame at 25 fps from the video's start.

    An avatar whose photo is a picture of the video is fitted to every picture itself. Any other face is fitted with a
    head of its own, made of the first picture that does as a portrait. Either way the motion is relative to that
    picture, and it fits other avatars too: a blendshape goes as far as each face can, so shut lips and lids stay shut.
    A gap in which no face is seen is bridged by interpolation.

    Raises:
        InputError: the file is no video, or no picture shows a face that a head can be made of.
    """
    seconds = probe_video(path).seconds

    def reported() -> Iterable[Picture]:
        for picture in read_video(path):
            if progress is not None and seconds > 0:
                progress(min(1.0, picture.time_s / seconds))
            yield picture

    landmarker = FaceLandmarker()
    track = track_pictures(reported(), landmarker)
    if len(track.times_s) == 0:
        raise InputError(
            f"expected a video with a face, found none in the {track.pictures} pictures of {path}"
        )
    head = _avatars_head(avatar, track) if avatar else None
    return motions_of(track, play_back(track, *(head or _own_head(path, track, landmarker))))


def play_back(track: FaceTrack, fit: PuppetFit, canvas_from_picture: Double) -> PuppetTrack:
    """Fit a head to each row of a track; canvas_from_picture: float64 [2, 3], where the pictures lie on its canvas."""
    near = fit.photo
    frames = []
    for points, scores in zip(track.points, track.scores, strict=True):
        on_canvas = points[:, :2] @ canvas_from_picture[:, :2].T + canvas_from_picture[:, 2]
        near = fit.fit(on_canvas, scores, near)
        frames.append(near)
    return PuppetTrack(
        smooth(np.array([frame.blendshapes for frame in frames], np.float32), STEADY_SHAPE),
        smooth(np.array([frame.head(fit.rig.head_width) for frame in frames]), STEADY_POSE),
    )


def motions_of(track: FaceTrack, played: PuppetTrack) -> list[Motion]:
    """What was played back, resampled to 25 fps by time."""
    start = min(0.0, float(track.times_s[0]))
    frames = int(np.floor((track.times_s[-1] - start) * FRAME_RATE + 1e-6)) + 1
    grid = start + np.arange(frames) / FRAME_RATE
    blendshapes = resample(track.times_s, played.blendshapes, grid)
    poses = resample(track.times_s, played.poses, grid)
    return [Motion(n, blendshapes[n], poses[n]) for n in range(frames)]


def resample(times_s: Double, values: Float, grid_s: Double) -> Float:
    """Linear interpolation of rows [N, C] at other times; ends are held."""
    columns = [np.interp(grid_s, times_s, column) for column in values.T]
    return np.stack(columns, axis=1).astype(np.float32)


def smooth(values: Float, steady: Double | float) -> Float:
    """Calm rows [N, C] in time: neighbours count the less the more they differ, ``steady`` ([C] or one) being much."""
    reach = len(SMOOTHING) // 2
    padded = np.pad(values.astype(np.float64), ((reach, reach), (0, 0)), mode="edge")
    total, weights = np.zeros(values.shape), np.zeros(values.shape)
    for k, share in enumerate(SMOOTHING):
        near = padded[k : k + len(values)]
        weight = share * np.exp(-0.5 * ((near - values) / steady) ** 2)
        total += weight * near
        weights += weight
    return (total / weights).astype(np.float32)


def _avatars_head(avatar: Avatar, track: FaceTrack) -> tuple[PuppetFit, Double] | None:
    """The avatar's own head and where pictures lie on its canvas; None where no picture shows what its photo shows."""
    rig = LandmarkRig.of_avatar(avatar)
    unlike = [_difference(points, rig.photo) for points in track.points]
    # The earliest of those that are as like: size does not count, and a head that only came nearer is no rest.
    nearest = int(np.argmax(np.array(unlike) <= min(unlike) + AS_LIKE))
    if unlike[nearest] > SAME_PICTURE:
        return None
    here, there = track.points[nearest, RIGID_LANDMARKS, :2].astype(np.float64), rig.photo[RIGID_LANDMARKS]
    scale = np.linalg.norm(there - there.mean(axis=0)) / np.linalg.norm(here - here.mean(axis=0))
    canvas_from_picture = np.column_stack([scale * np.eye(2), there.mean(axis=0) - scale * here.mean(axis=0)])
    return PuppetFit(rig, track.scores[nearest]), canvas_from_picture


def _difference(points: NDArray[np.floating], others: NDArray[np.floating]) -> float:
    """Root mean square distance of two faces' landmarks, eye-corner distances; their place and size do not count."""
    left, right = VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER
    a, b = (face[:468, :2].astype(np.float64) for face in (points, others))
    a, b = ((face - face.mean(axis=0)) / np.linalg.norm(face[left] - face[right]) for face in (a, b))
    return float(np.sqrt(((a - b) ** 2).sum(axis=1).mean()))


def _own_head(path: str | Path, track: FaceTrack, landmarker: FaceLandmarker) -> tuple[PuppetFit, Double]:
    """A head made of the first picture of a video in which the tracked face does as a portrait, and where pictures lie
    on its canvas."""
    reason: PhotoError | None = None
    seen = dict(zip(track.times_s.tolist(), track.points, strict=True))
    showing = (picture for picture in read_video(path) if picture.time_s in seen)
    for picture in islice(showing, 0, None, TRIED_EVERY):
        try:
            head = make_own_head(picture.image, landmarker, face_at(seen[picture.time_s]))
        except PhotoError as error:
            reason = reason or error
            continue
        return head.fit, head.canvas_from_picture
    raise InputError(f"expected a video with a face that a head can be fitted to: {reason}")
