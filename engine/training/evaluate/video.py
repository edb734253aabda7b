"""Self-reenactment against the true pictures: does the avatar of a clip's first picture look like the later ones?"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.errors import InputError
from engine.training.evaluate.media import find_videos
from engine.training.evaluate.perceptual import FaceEmbedding, Lpips, psnr, ssim
from engine.training.evaluate.reenact import SIZE, Reenacted, reenact
from engine.training.evaluate.report import Bar, Progress, Report, Value

MIN_OPENING: Final = 0.08
"""Frames whose lips are so much more or less apart than the first frame's count: the others prove little."""
MIN_MOUTH_GAIN: Final = 0.30
MIN_CSIM: Final = 0.88

FACE_ROOM: Final = 1.15
MOUTH_ROOM: Final = 1.5
"""Side of the square that is compared, over the width of the face or of the mouth in the clip's first frames."""
EMBEDDED: Final = 5
"""Every so many of the frames that count have their identity compared: the network takes long."""

MOUTH: Final = np.array([61, 291, 0, 17, 13, 14])
MOUTH_CORNERS: Final = (61, 291)

Image = NDArray[np.uint8]


def evaluate_video(paths: Path | list[Path], *, progress: Progress | None = None) -> Report:
    """Let the avatar of each clip's first picture play the clip back at 256 px; compare with the true pictures.

    Columns: "open": frames whose lip gap differs from the first one's by MIN_OPENING. On these: "mouth", "face": LPIPS
    (AlexNet) of squares around mouth and face, "..._still": of the still; "gain": how far the mouth's lies below the
    still's; "csim": cosine of the face embeddings of drawn and true picture. On all frames: "psnr", "ssim" of the face
    square; "flicker": mean absolute difference between the drawn and the true change from frame to frame, levels.

    Raises:
        InputError: no clips, or none whose first picture can become an avatar.
        UnavailableError: the metrics' weights are missing.
    """
    lpips, embed, landmarker = Lpips(), FaceEmbedding(), FaceLandmarker()
    clips = find_videos([paths] if isinstance(paths, Path) else paths)
    rows: list[dict[str, Value]] = []
    refused: list[str] = []
    for number, clip in enumerate(clips):
        try:
            rows.append({"clip": clip.stem, **measure(reenact(clip, landmarker), lpips, embed)})
        except InputError as error:
            refused.append(f"{clip.name} was refused: {error}")
        if progress is not None:
            progress((number + 1) / len(clips))
    if not rows:
        raise InputError(f"expected a clip whose first picture can become an avatar; {refused[0]}")
    return Report("video", tuple(rows), _bars(rows), (*refused, *_notes(rows)))


def measure(frames: Iterable[Reenacted], lpips: Lpips, embed: FaceEmbedding) -> dict[str, Value]:
    """One row of the report."""
    counted: dict[str, list[float]] = {
        name: [] for name in ("mouth", "mouth_still", "face", "face_still", "csim")
    }
    every: dict[str, list[float]] = {
        name: [] for name in ("psnr", "psnr_still", "ssim", "ssim_still", "flicker", "flicker_still")
    }
    sides = (0, 0)
    before: Reenacted | None = None
    for frame in frames:
        if before is None:
            face_width = float(np.ptp(frame.points[:, 0]))
            mouth_width = float(np.ptp(frame.points[list(MOUTH_CORNERS), 0]))
            sides = round(FACE_ROOM * face_width), max(round(MOUTH_ROOM * mouth_width), 48)
        face = square(frame.points.mean(axis=0), sides[0])
        for name, picture in (("", frame.drawn), ("_still", frame.still)):
            every["psnr" + name].append(psnr(picture[face], frame.truth[face]))
            every["ssim" + name].append(ssim(picture[face], frame.truth[face]))
        if before is not None:
            true = frame.truth[face].astype(float) - before.truth[face]
            for name, now, last in (
                ("", frame.drawn, before.drawn),
                ("_still", frame.still, before.still),
            ):
                change = now[face].astype(float) - last[face]
                every["flicker" + name].append(float(np.abs(change - true).mean()))
        before = frame
        if abs(frame.opening) < MIN_OPENING:
            continue
        mouth = square(frame.points[MOUTH].mean(axis=0), sides[1])
        if len(counted["mouth"]) % EMBEDDED == 0:
            drawn, true_face = (embed(picture, frame.points) for picture in (frame.drawn, frame.truth))
            counted["csim"].append(float(drawn @ true_face))
        for name, picture in (("", frame.drawn), ("_still", frame.still)):
            counted["mouth" + name].append(lpips(picture[mouth], frame.truth[mouth]))
            counted["face" + name].append(lpips(picture[face], frame.truth[face]))
    means = {name: float(np.mean(values)) if values else None for name, values in (counted | every).items()}
    ours, others = means["mouth"], means["mouth_still"]
    gain = None if ours is None or others is None else 1.0 - ours / others
    return {"frames": len(every["psnr"]), "open": len(counted["mouth"]), "gain": gain, **means}


def square(centre: NDArray[np.floating], side: int) -> tuple[slice, slice]:
    """Rows and columns of a square around a point (x, y), moved into the picture."""
    side = min(side, SIZE)
    x, y = np.clip(np.rint(centre - side / 2).astype(int), 0, SIZE - side)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)


def _bars(rows: list[dict[str, Value]]) -> tuple[Bar, ...]:
    used = [row for row in rows if row["open"]]

    def mean(column: str) -> float:
        return float(np.mean([row[column] for row in used])) if used else float("nan")

    return (
        Bar(
            "mouth LPIPS below the still's, share",
            1.0 - mean("mouth") / mean("mouth_still"),
            least=MIN_MOUTH_GAIN,
        ),
        Bar("face LPIPS over the still's", mean("face") / mean("face_still"), most=1.0),
        Bar("CSIM", mean("csim"), least=MIN_CSIM),
    )


def _notes(rows: list[dict[str, Value]]) -> list[str]:
    """The bars weigh every clip alike; this weighs every frame alike."""
    used = [row for row in rows if row["open"]]
    if not used:
        return []
    frames, ours, still = (
        np.array([row[name] for row in used], np.float64) for name in ("open", "mouth", "mouth_still")
    )
    gain = 1.0 - float(frames @ ours) / float(frames @ still)
    return [f"over all frames that count, mouth LPIPS lies {gain:.3f} below the still's"]
