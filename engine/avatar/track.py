"""Follows the face in a video: landmarks, blendshapes and head pose of every frame at 25 fps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.face_pose import RIGID_LANDMARKS, canonical_face, fit_pose, frontal_pose
from engine.avatar.landmarks import FaceLandmarker, Landmarks
from engine.avatar.video import Picture, probe_video, read_video
from engine.conventions import FRAME_RATE
from engine.errors import InputError
from engine.motion.values import Motion

HEAD_WIDTH_CM: Final = 15.8  # of the canonical face: what a fitted head measures above its ears
PIVOT_CM: Final = (0.0, 1.5, 6.0)  # in the canonical face: where fitted heads turn about
CAMERA_HEAD_WIDTHS: Final = 6.0  # how far away the renderer puts the viewer

Float = NDArray[np.float32]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """A face over time, one row for each picture in which it was found.

    Convention:
        times_s: float64 [N], rising, as in ``Picture``. points: float32 [N, 478, 3], picture pixels.
        blendshapes: float32 [N, 52], ``ARKIT_NAMES`` order. pictures: how many the video has.
    """

    times_s: NDArray[np.float64]
    points: Float
    blendshapes: Float
    pictures: int


def track_pictures(
    pictures: Iterable[Picture], landmarker: FaceLandmarker, *, blendshapes: bool = True
) -> FaceTrack:
    """Follow the most prominent face through pictures."""
    times: list[float] = []
    found: list[Landmarks] = []
    previous: Landmarks | None = None
    count = 0
    for picture in pictures:
        count += 1
        previous = landmarker.track(picture.image, previous, blendshapes)
        if previous is not None:
            times.append(picture.time_s)
            found.append(previous)
    points = np.array([one.points for one in found], np.float32).reshape(-1, 478, 3)
    scores = np.array([one.blendshapes for one in found], np.float32).reshape(-1, 52)
    return FaceTrack(np.array(times), points, scores, count)


def track_video(path: str | Path, *, progress: Progress | None = None) -> list[Motion]:
    """Turn the face of a video into motion, frame by frame at 25 fps from the video's start.

    Convention: pose is relative to the first picture with a face. A gap in which no face is seen is bridged by
    interpolation.

    Raises:
        InputError: the file is no video, or no picture shows a face.
    """
    seconds = probe_video(path).seconds

    def reported() -> Iterable[Picture]:
        for picture in read_video(path):
            if progress is not None and seconds > 0:
                progress(min(1.0, picture.time_s / seconds))
            yield picture

    track = track_pictures(reported(), FaceLandmarker())
    if len(track.times_s) == 0:
        raise InputError(
            f"expected a video with a face, found none in the {track.pictures} pictures of {path}"
        )
    return motions_of(track)


def motions_of(track: FaceTrack) -> list[Motion]:
    """Blendshapes and pose of a track, resampled to 25 fps by time."""
    poses = head_poses(track.points)
    start = min(0.0, float(track.times_s[0]))
    frames = int(np.floor((track.times_s[-1] - start) * FRAME_RATE + 1e-6)) + 1
    grid = start + np.arange(frames) / FRAME_RATE
    blendshapes = resample(track.times_s, track.blendshapes, grid)
    pose = resample(track.times_s, poses, grid)
    return [Motion(n, blendshapes[n], pose[n]) for n in range(frames)]


def resample(times_s: NDArray[np.float64], values: Float, grid_s: NDArray[np.float64]) -> Float:
    """Linear interpolation of rows [N, C] at other times; ends are held."""
    columns = [np.interp(grid_s, times_s, column) for column in values.T]
    return np.stack(columns, axis=1).astype(np.float32)


def head_poses(points: Float) -> Float:
    """Pose of each frame relative to the first: float32 [N, 6], ``POSE_NAMES``; points: float32 [N, 478, 3].

    The first frame's own landmarks, with their depth, are the rigid model. The depth of a translation comes from
    the change of scale, by the perspective that the renderer uses.
    """
    first = frontal_pose(points[0])
    head_width = HEAD_WIDTH_CM * first.scale
    model = points[0, RIGID_LANDMARKS].astype(np.float64)
    offset = first.scale * first.rotation @ np.array(PIVOT_CM)
    pivot = np.array([*first.shift, model[:, 2].mean()]) + offset
    pivot[2] -= float((first.scale * canonical_face()[RIGID_LANDMARKS] @ first.rotation[2]).mean())
    rows = []
    for frame in points:
        pose = fit_pose(model - pivot, frame[RIGID_LANDMARKS])
        shift = (pose.shift - pivot[:2]) / head_width
        toward = CAMERA_HEAD_WIDTHS * (1.0 - 1.0 / pose.scale)
        rows.append((*pose.angles_deg, *shift, toward))
    return np.array(rows, np.float32)
