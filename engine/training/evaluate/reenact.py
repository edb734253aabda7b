"""Self-reenactment: a clip's first picture becomes an avatar that plays back the clip's own motion.

Beside it stands a still: the first picture, merely moved, turned and scaled so that its stable landmarks lie on
those of the true picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.face_pose import RIGID_LANDMARKS
from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.own_head import make_own_head
from engine.avatar.track import FaceTrack, PuppetTrack, play_back, track_pictures
from engine.avatar.video import read_video
from engine.errors import InputError
from engine.motion.values import Motion
from engine.packed import rgb_of
from engine.render.geometric import GeometricRenderer
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import NeuralRuntime
from engine.timing import StageTimer
from engine.training.evaluate.opening import lip_openings

SIZE: Final = 256

Image = NDArray[np.uint8]
Double = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reenacted:
    """One picture of a clip four times, uint8 [SIZE, SIZE, 3] RGB, framed as the avatar is.

    geometric: what geometry alone draws; the same as drawn where no networks refine it.
    points: float64 [478, 2], the true landmarks in these pictures' pixels. opening: lips apart more than in the first
    picture, over the distance of the outer eye corners. motion: what the avatar was given.
    """

    truth: Image
    drawn: Image
    geometric: Image
    still: Image
    points: Double
    opening: float
    motion: Motion


def reenact(
    clip: Path, landmarker: FaceLandmarker, runtime: NeuralRuntime | None = None
) -> Iterator[Reenacted]:
    """Play a clip back with its first picture, picture by picture from the second on.

    runtime: the networks that refine what is drawn, if any.

    Raises:
        InputError: no video, or its first picture cannot become an avatar.
    """
    first = next(read_video(clip)).image
    head = make_own_head(first, landmarker)
    track = track_pictures(read_video(clip), landmarker)
    if len(track.times_s) < 2:
        raise InputError(f"expected a clip with a face in several pictures, got {clip}")
    played = play_back(track, head.fit, head.canvas_from_picture)
    renderers: list[GeometricRenderer | NeuralRenderer] = [GeometricRenderer(head.avatar, SIZE)]
    if runtime is not None:
        renderers.append(NeuralRenderer(head.avatar, runtime, SIZE))
    yield from _pictures(clip, track, played, first, head.canvas_from_picture, renderers)


def _pictures(
    clip: Path,
    track: FaceTrack,
    played: PuppetTrack,
    first: Image,
    canvas_from_photo: Double,
    renderers: Sequence[GeometricRenderer | NeuralRenderer],
) -> Iterator[Reenacted]:
    shrink = SIZE / renderers[0].avatar.side
    view = np.vstack([shrink * canvas_from_photo, [0.0, 0.0, 1.0]])
    openings = lip_openings(track.points)
    number = {float(time): n for n, time in enumerate(track.times_s)}
    for picture in read_video(clip):
        n = number.get(picture.time_s, 0)
        if n == 0:  # the first one, or no face
            continue
        motion = Motion(n, played.blendshapes[n], played.poses[n])
        frames = [
            np.ascontiguousarray(rgb_of(renderer.render(motion, StageTimer()))) for renderer in renderers
        ]
        points = track.points[n, :, :2].astype(np.float64)
        stays = similarity(track.points[0, RIGID_LANDMARKS, :2], points[RIGID_LANDMARKS])
        yield Reenacted(
            truth=seen_through(picture.image, view),
            drawn=frames[-1],
            geometric=frames[0],
            still=seen_through(first, view @ stays),
            points=points @ view[:2, :2].T + view[:2, 2],
            opening=float(openings[n] - openings[0]),
            motion=motion,
        )


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> Double:
    """The shift, turn and scale, float64 [3, 3], that bring points [N, 2] nearest to others."""
    a, b = (points.astype(np.float64) @ np.array([1.0, 1.0j]) for points in (source, target))
    turn = np.vdot(a - a.mean(), b - b.mean()) / np.vdot(a - a.mean(), a - a.mean())
    shift = b.mean() - turn * a.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag], [0.0, 0.0, 1.0]]
    )


def seen_through(picture: Image, view: Double, size: int = SIZE) -> Image:
    """A picture under an affine map [3, 3] to size x size; pixel centres lie at halves; averaged where it shrinks."""
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    scale = float(np.sqrt(np.linalg.det(view[:2, :2])))
    if scale < 1.0:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1) + 1e-3).astype(np.uint8)
    affine = (np.linalg.inv(half) @ view @ half)[:2]
    return np.asarray(
        cv2.warpAffine(picture, affine, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )
