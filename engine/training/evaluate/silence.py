"""Do the lips stay shut when nobody speaks?"""

from pathlib import Path
from typing import Final

import numpy as np

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import SAMPLE_RATE
from engine.errors import PhotoError
from engine.training.evaluate.media import find_photos
from engine.training.evaluate.opening import lip_openings
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.speak import AvatarMaker, SpeakerMaker, track_speech

SECONDS: Final = 10
NOISE_DBFS: Final = -50.0
SHUT: Final = 0.02  # of the distance of the outer eye corners
MIN_SHARE: Final = 0.99


def evaluate_silence(
    paths: Path | list[Path],
    *,
    progress: Progress | None = None,
    seconds: float = SECONDS,
    maker: SpeakerMaker | None = None,
) -> Report:
    """Let avatars hear digital silence and white noise at -50 dBFS, and measure the gap between their lips.

    A frame in which no face is found counts as not shut.

    Raises:
        InputError: no photos; PhotoError: none of them can become an avatar.
    """
    samples = round(seconds * SAMPLE_RATE)
    noise = np.random.default_rng(0).standard_normal(samples) * 10.0 ** (NOISE_DBFS / 20.0)
    sounds = {"zeros": np.zeros(samples, np.float32), "noise": noise.astype(np.float32)}
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
        for name, sound in sounds.items():
            gaps = lip_openings(track_speech(speaker, sound, landmarker).points)
            share = float((gaps < SHUT).mean())  # NaN, a lost face, is not less
            widest = float(np.nanmax(gaps)) if np.isfinite(gaps).any() else None
            rows.append(
                {"photo": photo.name, "sound": name, "frames": len(gaps), "shut": share, "widest_gap": widest}
            )
        if progress is not None:
            progress((number + 1) / len(photos))
    if not rows:
        raise PhotoError(f"expected a photo that can become an avatar; {refused[0]}")
    worst = min(float(row["shut"]) for row in rows)  # type: ignore[arg-type]
    return Report(
        "silence",
        tuple(rows),
        (Bar("share of frames with shut lips", worst, least=MIN_SHARE),),
        tuple(refused),
    )
