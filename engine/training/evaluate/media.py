"""Finds the clips and photos to evaluate with, and takes what is needed from them."""

import io
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.track import resample, track_pictures
from engine.avatar.video import probe_video, read_video
from engine.conventions import FRAME_RATE, FRAME_SAMPLES
from engine.errors import InputError
from engine.speech.audio_file import load_audio
from engine.training.evaluate.opening import lip_openings, mouth_widths, parts_heights

VIDEO_ENDINGS: Final = frozenset({".mp4", ".mpg", ".mpeg", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
SOUND_ENDINGS: Final = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"})
PHOTO_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Clip:
    """A talking head with its sound, which may lie in a file beside it."""

    video: Path
    sound: Path

    @property
    def name(self) -> str:
        """The video's name without its ending."""
        return self.video.stem


@dataclass(frozen=True, eq=False)
class RealClip:
    """What the evaluation needs of a clip.

    Convention:
        photo: its first picture as a PNG file's bytes. samples: float32 [T], 16 kHz mono.
        opening, width: float64 [N], ``lip_opening`` and ``mouth_width`` at 25 fps; row n belongs to samples
            [640 n, 640 (n + 1)). heights: float64 [N, 3], likewise ``part_heights``.
    """

    name: str
    photo: bytes
    samples: NDArray[np.float32]
    opening: NDArray[np.float64]
    width: NDArray[np.float64]
    heights: NDArray[np.float64]


def find_clips(paths: list[Path]) -> list[Clip]:
    """Clips that have sound, inside or as a .wav of the same name; folders are not searched deeper.

    Raises:
        InputError: a path that does not exist, or no clip with sound.
    """
    clips = []
    for video in _files(paths, VIDEO_ENDINGS):
        beside = video.with_suffix(".wav")
        if beside.is_file():
            clips.append(Clip(video, beside))
        elif probe_video(video).has_sound:
            clips.append(Clip(video, video))
    if not clips:
        listed = ", ".join(str(path) for path in paths)
        raise InputError(
            f"expected a clip with sound (inside, or a .wav of the same name beside it), got {listed}"
        )
    return clips


def find_sounds(paths: list[Path]) -> dict[str, Path]:
    """Sounds by name: sound files, and videos with sound inside that have no sound file of the same name beside them.

    Raises:
        InputError: a path that does not exist, or no sound.
    """
    found = {path.stem: path for path in _files(paths, SOUND_ENDINGS | VIDEO_ENDINGS) if _sounds(path)}
    if not found:
        raise InputError(f"expected sounds, or clips with sound, got {', '.join(map(str, paths))}")
    return dict(sorted(found.items()))


def _sounds(path: Path) -> bool:
    if path.suffix.lower() not in VIDEO_ENDINGS:
        return True
    beside = any(path.with_suffix(ending).is_file() for ending in SOUND_ENDINGS)
    return not beside and probe_video(path).has_sound


def find_photos(paths: list[Path]) -> list[Path]:
    """Photos; folders are not searched deeper.

    Raises:
        InputError: a path that does not exist, or no photo.
    """
    return _some(paths, PHOTO_ENDINGS, "photos")


def find_videos(paths: list[Path]) -> list[Path]:
    """Clips, with or without sound; folders are not searched deeper.

    Raises:
        InputError: a path that does not exist, or no clip.
    """
    return _some(paths, VIDEO_ENDINGS, "clips")


def find_portraits(paths: list[Path]) -> list[Path]:
    """Photos, and clips to take the first picture of; folders are not searched deeper.

    Raises:
        InputError: a path that does not exist, or neither photo nor clip.
    """
    return _some(paths, PHOTO_ENDINGS | VIDEO_ENDINGS, "photos or clips")


def read_clip(clip: Clip, landmarker: FaceLandmarker) -> RealClip:
    """Track the lips of a clip and resample them by time to 25 fps, aligned with the sound.

    Raises:
        InputError: no picture shows a face, or the sound cannot be read.
    """
    pictures = read_video(clip.video)
    first = next(pictures)
    track = track_pictures(chain([first], pictures), landmarker, blendshapes=False)
    if len(track.times_s) == 0:
        raise InputError(f"expected a clip with a face, found none in {clip.video}")
    samples = load_audio(clip.sound).analysis
    frames = min(int(track.times_s[-1] * FRAME_RATE + 1e-6) + 1, len(samples) // FRAME_SAMPLES)
    grid = np.arange(frames) / FRAME_RATE
    tracked = np.column_stack(
        [lip_openings(track.points), mouth_widths(track.points), parts_heights(track.points)]
    )
    opening, width, *heights = resample(track.times_s, tracked.astype(np.float32), grid).T.astype(np.float64)
    heard = samples[: frames * FRAME_SAMPLES]
    return RealClip(clip.name, png(first.image), heard, opening, width, np.stack(heights, axis=1))


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture as a PNG file's bytes; image: uint8 [H, W, 3], RGB."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _some(paths: list[Path], endings: frozenset[str], what: str) -> list[Path]:
    found = _files(paths, endings)
    if not found:
        raise InputError(f"expected {what}, found none at {', '.join(str(path) for path in paths)}")
    return found


def _files(paths: list[Path], endings: frozenset[str]) -> list[Path]:
    """Files named outright, whatever their ending, and those of folders with one of the endings."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.iterdir() if file.suffix.lower() in endings)
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"expected a file or a folder, but there is no {path}")
    return found
