"""Pairs for the learned renderer from real videos: the first picture's avatar plays back what the others show.

The folder is laid out as HDTF's: clips named ``<identity>_<number>.mp4``, or ``<identity>/<clip>.mp4``. Their sound does
not matter here.
"""

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.own_head import OwnHead, make_own_head
from engine.avatar.track import FaceTrack, play_back, track_pictures
from engine.avatar.video import read_video
from engine.errors import InputError
from engine.files import output_folder
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.training.evaluate.media import find_videos
from engine.training.evaluate.reenact import seen_through
from engine.training.renderer_pairs import Moment, write_person

log = logging.getLogger(__name__)

Split = Literal["train", "validate", "test"]
Progress = Callable[[float], None]

FRAME_SIZE: Final = 512
LEAST_FOUND: Final = 0.9
"""Clips in which the face is seen in a smaller part of the pictures are left out."""
PAIRS_OF_A_CLIP: Final = 150


def split_of(identity: str) -> Split:
    """Which part somebody belongs to: 80 % train, 10 % validate, 10 % test; all clips of one person to the same."""
    share = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.8 else "validate" if share < 0.9 else "test"


def identity_of(clip: Path, root: Path) -> str:
    """The person's name: the folder the clip lies in, or its name up to the last underscore."""
    if clip.parent != root:
        return clip.parent.name
    return clip.stem.rpartition("_")[0] or clip.stem


def make_video_pairs(
    videos: str | Path, out: str | Path, *, seed: int = 0, progress: Progress | None = None
) -> dict[Split, int]:
    """Write the pairs of all clips in ``videos`` to ``out``/train, validate and test; clips that are done are kept.

    Clips whose first picture cannot become an avatar, or with too few faces, are left out with a warning.

    Returns:
        Clips of each part.

    Raises:
        InputError: no clip did.
    """
    root, done = Path(videos), dict.fromkeys(("train", "validate", "test"), 0)
    landmarker = FaceLandmarker()
    if not root.is_dir():
        raise InputError(f"expected a folder of clips, but there is none at {root}")
    clips = find_videos([root, *sorted(path for path in root.iterdir() if path.is_dir())])
    for number, clip in enumerate(clips):
        split = split_of(identity_of(clip, root))
        folder = output_folder(Path(out) / split)
        try:
            name = "-".join(clip.relative_to(root).with_suffix("").parts)
            if not (folder / f"{name}.photo.npz").exists():
                rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
                _write_clip(clip, folder, name, landmarker, rng)
            done[split] += 1
        except InputError as error:
            log.warning("%s is left out: %s", clip.name, error)
        if progress:
            progress((number + 1) / len(clips))
    if not any(done.values()):
        raise InputError(f"expected clips of talking people in {videos}, none would do")
    return done  # type: ignore[return-value]


def _write_clip(
    clip: Path, folder: Path, name: str, landmarker: FaceLandmarker, rng: np.random.Generator
) -> None:
    first = next(read_video(clip)).image
    head = make_own_head(first, landmarker)
    track = track_pictures(read_video(clip), landmarker)
    if len(track.times_s) < max(3.0, LEAST_FOUND * track.pictures):
        raise InputError(
            f"expected a face in at least three pictures and {LEAST_FOUND:.0%} of them, found one in {len(track.times_s)} of "
            f"{track.pictures}"
        )
    chosen = rng.permutation(np.arange(1, len(track.times_s) - 1, 2))[:PAIRS_OF_A_CLIP]
    write_person(
        folder, name, GeometricRenderer(head.avatar, FRAME_SIZE), _moments(clip, track, head, chosen)
    )


def _moments(clip: Path, track: FaceTrack, head: OwnHead, chosen: NDArray[np.intp]) -> Iterator[Moment]:
    """The pictures chosen and, after each, the next one."""
    played = play_back(track, head.fit, head.canvas_from_picture)
    view = np.vstack([FRAME_SIZE / head.avatar.side * head.canvas_from_picture, [0.0, 0.0, 1.0]])
    number = {float(time): n for n, time in enumerate(track.times_s)}
    wanted = set(chosen.tolist())
    before: Moment | None = None
    for picture in read_video(clip):
        n = number.get(picture.time_s)
        if n is None:
            continue
        moment = None
        if n in wanted or n - 1 in wanted:
            points = track.points[n, :, :2] @ view[:2, :2].T + view[:2, 2]
            motion = Motion(n, played.blendshapes[n], played.poses[n])
            moment = Moment(seen_through(picture.image, view, FRAME_SIZE), points, motion)
            if n - 1 in wanted and before is not None:
                yield from (before, moment)
        before = moment
