"""Do the lips stay shut when nobody speaks?"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import FRAME_RATE, FRAME_SAMPLES
from engine.errors import PhotoError
from engine.motion.stage import WEIGHTS, MotionStage
from engine.training.evaluate.media import find_photos
from engine.training.evaluate.opening import lip_openings
from engine.training.evaluate.quiet import QuietSound, quiet_sounds
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.speak import AvatarMaker, SpeakerMaker, track_speech
from engine.training.visemes import opening

SECONDS: Final = 10
SHUT: Final = 0.02  # of the distance of the outer eye corners
SHUT_MOTION: Final = 0.03  # of the jaw's whole opening
MIN_SHARE: Final = 0.99
MIN_SHARE_MUSIC: Final = 0.95
MOTION_ALONE: Final = "motion alone"
NOTE: Final = (
    f"{MOTION_ALONE}: opening in units of jawOpen, shut under {SHUT_MOTION:g}; photos: gap between tracked lips over the "
    f"distance of the eyes, shut under {SHUT:g}; the last sound of a photo is the one that moved the motion most."
)


def evaluate_silence(
    paths: Path | list[Path],
    *,
    sounds: Path | None = None,
    progress: Progress | None = None,
    seconds: float = SECONDS,
    maker: SpeakerMaker | None = None,
    motion: MotionStage | None = None,
) -> Report:
    """Let motion and avatars hear what is no speech, and measure how far the lips part.

    The motion alone hears every sound of ``quiet_sounds``; each photo's avatar hears digital silence, white noise at
    -50 dBFS, and the ``seconds`` of another sound for which the motion parts the lips in the most frames. A frame in
    which no face is found counts as not shut.

    Args:
        sounds: folder of recordings without speech, in place of made ones.

    Raises:
        InputError: no photos or no sounds; PhotoError: no photo can become an avatar.
    """
    photos = find_photos([paths] if isinstance(paths, Path) else paths)
    heard = quiet_sounds(seconds, sounds)
    stage = motion or MotionStage(WEIGHTS[80])
    make = maker or AvatarMaker()
    landmarker = FaceLandmarker()
    openings = [_opening(stage, sound.samples) for sound in heard]
    rows = [_row(MOTION_ALONE, sound, gaps, SHUT_MOTION) for sound, gaps in zip(heard, openings, strict=True)]
    worst = max(
        (_worst(sound, gaps, seconds) for sound, gaps in zip(heard[2:], openings[2:], strict=True)),
        key=lambda item: item[0],
    )
    notes = [NOTE]
    shown = 0
    for number, photo in enumerate(photos):
        try:
            speaker = make(photo)
        except PhotoError as error:
            notes.append(f"{photo.name} was refused: {error}")
            continue
        shown += 1
        for sound in (*heard[:2], worst[1]):
            gaps = lip_openings(track_speech(speaker, sound.samples, landmarker).points)
            rows.append(_row(photo.name, sound, gaps, SHUT))
        if progress is not None:
            progress((number + 1) / len(photos))
    if not shown:
        raise PhotoError(f"expected a photo that can become an avatar; {notes[1]}")
    return Report("silence", tuple(rows), tuple(_bars(rows)), tuple(notes))


def _opening(stage: MotionStage, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The motion's lip opening in each frame of a sound heard from the beginning of a session."""
    state = stage.new_state()
    motions = stage.step(state, samples) + stage.flush(state)
    return opening(np.array([motion.blendshapes for motion in motions]))


def _worst(sound: QuietSound, gaps: NDArray[np.float32], seconds: float) -> tuple[int, QuietSound]:
    """The part of a sound, ``seconds`` long, with the most open frames, and their number."""
    length = min(round(seconds * FRAME_RATE), len(gaps))
    counts = np.convolve(gaps >= SHUT_MOTION, np.ones(length, int), "valid")
    first = int(counts.argmax())
    part = sound.samples[first * FRAME_SAMPLES : (first + length) * FRAME_SAMPLES]
    return int(counts[first]), QuietSound(sound.name, sound.kind, part)


def _row(photo: str, sound: QuietSound, gaps: NDArray[np.floating], shut: float) -> dict[str, Value]:
    closed = gaps < shut  # NaN, a lost face, is not less
    opened = int((closed[:-1] & ~closed[1:]).sum()) + int(not closed[0])
    return {
        "photo": photo,
        "sound": sound.name,
        "kind": sound.kind,
        "frames": len(gaps),
        "shut": float(closed.mean()),
        "openings_a_minute": opened * 60 * FRAME_RATE / len(gaps),
        "widest": float(np.nanmax(gaps)) if np.isfinite(gaps).any() else None,
    }


def _bars(rows: list[dict[str, Value]]) -> list[Bar]:
    """The worst sound of each kind; music may part the lips in one frame of twenty, in which nobody sees babble."""
    bars = []
    for kind, name, least in (
        ("quiet", "share of frames with shut lips, all but music", MIN_SHARE),
        ("music", "share of frames with shut lips, music", MIN_SHARE_MUSIC),
    ):
        shares = [float(row["shut"]) for row in rows if row["kind"] == kind]  # type: ignore[arg-type]
        if shares:
            bars.append(Bar(name, min(shares), least=least))
    return bars
