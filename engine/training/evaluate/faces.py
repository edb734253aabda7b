"""Is there a face in every frame that an avatar shows?"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.face_pose import RIGID_LANDMARKS
from engine.avatar.landmarks import VIEWER_LEFT_EYE_CORNER, VIEWER_RIGHT_EYE_CORNER, FaceLandmarker
from engine.errors import PhotoError
from engine.speech.audio_file import load_audio
from engine.training.evaluate.media import find_photos
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.speak import AvatarMaker, SpeakerMaker, track_speech

SPEECH_FOLDER: Final = Path(__file__).parents[2] / "assets" / "speech"


def evaluate_faces(
    paths: Path | list[Path],
    *,
    audio: Path | None = None,
    progress: Progress | None = None,
    maker: SpeakerMaker | None = None,
) -> Report:
    """Let avatars speak a sentence and look for their face in every frame, with the detector and the tracker.

    ``audio``: what they speak; by default the first of the bundled speech. ``jitter`` is how far landmarks that do
    not move with speech jump between neighbouring frames, less the motion of the head as a whole, in percent of
    the distance of the outer eye corners.

    Raises:
        InputError: no photos or no sound; PhotoError: no photo can become an avatar.
    """
    sound = load_audio(audio or min(SPEECH_FOLDER.glob("*.wav"))).analysis
    photos = find_photos([paths] if isinstance(paths, Path) else paths)
    make = maker or AvatarMaker()
    landmarker = FaceLandmarker()
    rows: list[dict[str, Value]] = []
    refused: list[str] = []
    for number, photo in enumerate(photos):
        try:
            speaker = make(photo)
        except PhotoError as error:
            refused.append(f"{photo.name} was refused: {error}")
            continue
        speech = track_speech(speaker, sound, landmarker, detect=True)
        found = float(speech.detected.mean())
        rows.append(
            {
                "photo": photo.name,
                "frames": len(speech.detected),
                "found": found,
                "jitter_percent": jitter_percent(speech.points),
            }
        )
        if progress is not None:
            progress((number + 1) / len(photos))
    if not rows:
        raise PhotoError(f"expected a photo that can become an avatar; {refused[0]}")
    worst = min(float(row["found"]) for row in rows)  # type: ignore[arg-type]
    return Report(
        "faces", tuple(rows), (Bar("share of frames with a face", worst, least=1.0),), tuple(refused)
    )


def jitter_percent(points: NDArray[np.float32]) -> float | None:
    """Root mean square of the second difference in time of rigid landmarks, their common part taken away.

    Convention: points: float32 [N, 478, 3], picture pixels, NaN where lost. Percent of the eye corners' distance.
    """
    rigid = points[:, RIGID_LANDMARKS, :2].astype(np.float64)
    jump = rigid[2:] - 2.0 * rigid[1:-1] + rigid[:-2]
    jump = jump - jump.mean(axis=1, keepdims=True)
    corners = points[:, VIEWER_RIGHT_EYE_CORNER, :2] - points[:, VIEWER_LEFT_EYE_CORNER, :2]
    jump = jump[np.isfinite(jump).all(axis=(1, 2))]
    if len(jump) == 0:
        return None
    return float(100.0 * np.sqrt((jump**2).sum(axis=2).mean()) / np.nanmean(np.linalg.norm(corners, axis=1)))
