"""Self-reenactment against the true pictures: does the avatar of a clip's first picture look like the later ones?"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.video import probe_video
from engine.errors import InputError
from engine.render.neural.runtime import NeuralRuntime
from engine.training.evaluate.frechet import FeatureDistance, Inception, VggFeatures
from engine.training.evaluate.headroom import told_pictures
from engine.training.evaluate.media import find_videos
from engine.training.evaluate.perceptual import FaceEmbedding, Lpips, psnr, ssim
from engine.training.evaluate.reenact import SIZE, Reenacted, reenact
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.sharpness import cpbd

MIN_OPENING: Final = 0.08
"""Frames whose lips are so much more or less apart than the first frame's count: the others prove little."""
MIN_MOUTH_GAIN: Final = 0.30
MIN_CSIM: Final = 0.88
MIN_NEURAL_MOUTH, MIN_NEURAL_FACE = 0.25, 0.20
"""How far the LPIPS of the neural frames is to lie below that of the geometric ones."""

FACE_ROOM: Final = 1.15
MOUTH_ROOM: Final = 1.5
"""Side of the square that is compared, over the width of the face or of the mouth in the clip's first frames."""
EMBEDDED: Final = 5
"""Every so many of the frames have their identity compared and their features taken: those networks take long."""

MOUTH: Final = np.array([61, 291, 0, 17, 13, 14])
MOUTH_CORNERS: Final = (61, 291)

_COUNTED: Final = ("mouth", "face", "csim")
_EVERY: Final = ("psnr", "ssim", "cpbd", "flicker")
_TOLD: Final = {
    "_moved": "where everything truly is",
    "_told": "the true colours, blurred",
    "_both": "both",
}

Image = NDArray[np.uint8]


def evaluate_video(
    paths: Path | list[Path],
    *,
    runtime: NeuralRuntime | None = None,
    inception: Path | None = None,
    headroom: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Let the avatar of each clip's first picture play the clip back at 256 px; compare with the true pictures.

    runtime: networks that refine the frames; what geometry alone draws is then measured beside them.
    inception: Inception's weights for a real FID, see ``frechet.Inception``.
    headroom: whether what ``told_pictures`` makes of the geometric frames is measured as well.

    Columns: "open": frames whose lip gap differs from the first one's by MIN_OPENING. On these: "mouth", "face": LPIPS
    (AlexNet) of squares around mouth and face; "gain": how far the mouth's lies below the still's; "csim": cosine of the
    face embeddings of drawn and true picture. On all frames: "psnr", "ssim", "cpbd" (sharpness, in [0, 1]) of the face
    square; "flicker": mean absolute difference between the drawn and the true change from frame to frame, levels.
    "..._still": of the still; "..._geometric": of geometry alone; "cpbd_true": of the true pictures; "..._moved",
    "..._told", "..._both": of geometric frames that are told something of the true ones.

    Raises:
        InputError: no clips, or none whose first picture can become an avatar.
        UnavailableError: the metrics' weights are missing.
    """
    lpips, embed, landmarker = Lpips(), FaceEmbedding(), FaceLandmarker()
    fid = FeatureDistance(Inception(inception) if inception else VggFeatures())
    clips = find_videos([paths] if isinstance(paths, Path) else paths)
    seconds = [_seconds(clip) for clip in clips]
    rows: list[dict[str, Value]] = []
    refused: list[str] = []
    for number, clip in enumerate(clips):
        try:
            frames = reenact(clip, landmarker, runtime)
            rows.append(
                {"clip": clip.stem, **measure(frames, lpips, embed, fid, runtime is not None, headroom)}
            )
        except InputError as error:
            refused.append(f"{clip.name} was refused: {error}")
        if progress is not None:
            progress(sum(seconds[: number + 1]) / sum(seconds))
    if not rows:
        raise InputError(f"expected a clip whose first picture can become an avatar; {refused[0]}")
    notes = [*refused, *_notes(rows), *fid.notes()]
    return Report("video", tuple(rows), _bars(rows, runtime is not None), tuple(notes))


def measure(
    frames: Iterable[Reenacted],
    lpips: Lpips,
    embed: FaceEmbedding,
    fid: FeatureDistance | None = None,
    neural: bool = False,
    headroom: bool = False,
) -> dict[str, Value]:
    """One row of the report.

    neural: whether what geometry alone draws counts, too. headroom: see ``evaluate_video``.
    """
    kinds = ("", "_still", *(("_geometric",) if neural else ()))
    values: dict[str, list[float]] = {}
    sides = (0, 0)
    before: Reenacted | None = None
    count = 0
    for frame in frames:
        if before is None:
            face_width = float(np.ptp(frame.points[:, 0]))
            mouth_width = float(np.ptp(frame.points[list(MOUTH_CORNERS), 0]))
            sides = round(FACE_ROOM * face_width), max(round(MOUTH_ROOM * mouth_width), 48)
        face = square(frame.points.mean(axis=0), sides[0])
        mouth = square(frame.points[MOUTH].mean(axis=0), sides[1])
        opened = abs(frame.opening) >= MIN_OPENING
        truth = frame.truth[face]
        values.setdefault("cpbd_true", []).append(cpbd(truth))
        described = fid is not None and count % EMBEDDED == 0
        if fid is not None and described:
            fid.add("true", truth)
        embedded = opened and len(values.get("mouth", ())) % EMBEDDED == 0
        for kind in kinds:
            picture = _picture(frame, kind)
            found = {"psnr": psnr(picture[face], truth), "ssim": ssim(picture[face], truth)}
            found["cpbd"] = cpbd(picture[face])
            if before is not None:
                change = picture[face].astype(float) - _picture(before, kind)[face]
                true_change = truth.astype(float) - before.truth[face]
                found["flicker"] = float(np.abs(change - true_change).mean())
            if opened:
                found["mouth"] = lpips(picture[mouth], frame.truth[mouth])
                found["face"] = lpips(picture[face], truth)
            if embedded and kind != "_still":
                found["csim"] = float(embed(picture, frame.points) @ embed(frame.truth, frame.points))
            for name, value in found.items():
                values.setdefault(name + kind, []).append(value)
            if fid is not None and described:
                fid.add(kind, picture[face])
        if opened and headroom:
            for kind, picture in told_pictures(frame.geometric, frame.truth).items():
                values.setdefault("mouth" + kind, []).append(lpips(picture[mouth], frame.truth[mouth]))
                values.setdefault("face" + kind, []).append(lpips(picture[face], truth))
        before = frame
        count += 1
    columns = [*_COUNTED, *_EVERY]
    wanted = [name + kind for kind in kinds for name in columns if (name, kind) != ("csim", "_still")]
    wanted += [area + kind for kind in _TOLD for area in ("mouth", "face") if headroom]
    means = {
        name: float(np.mean(values[name])) if name in values else None for name in (*wanted, "cpbd_true")
    }
    ours, others = means["mouth"], means["mouth_still"]
    gain = None if ours is None or others is None else 1.0 - ours / others
    return {"frames": count, "open": len(values.get("mouth", ())), "gain": gain, **means}


def _seconds(clip: Path) -> float:
    """How long a clip says that it is; a little where it does not say, or cannot be read."""
    try:
        return probe_video(clip).seconds or 1.0
    except InputError:
        return 1.0


def _picture(frame: Reenacted, kind: str) -> Image:
    return {"": frame.drawn, "_still": frame.still, "_geometric": frame.geometric}[kind]


def square(centre: NDArray[np.floating], side: int) -> tuple[slice, slice]:
    """Rows and columns of a square around a point (x, y), moved into the picture."""
    side = min(side, SIZE)
    x, y = np.clip(np.rint(centre - side / 2).astype(int), 0, SIZE - side)
    return slice(int(y), int(y) + side), slice(int(x), int(x) + side)


def _bars(rows: list[dict[str, Value]], neural: bool) -> tuple[Bar, ...]:
    used = [row for row in rows if row["open"]]

    bars = [
        Bar(
            "mouth LPIPS below the still's, share", _below(used, "mouth", "mouth_still"), least=MIN_MOUTH_GAIN
        ),
        Bar("face LPIPS over the still's", _mean(used, "face") / _mean(used, "face_still"), most=1.0),
        Bar("CSIM", _mean(used, "csim"), least=MIN_CSIM),
    ]
    if neural:
        gains = (("mouth", MIN_NEURAL_MOUTH), ("face", MIN_NEURAL_FACE))
        bars += [
            Bar(f"{name} LPIPS below geometry's, share", _below(used, name, f"{name}_geometric"), least=least)
            for name, least in gains
        ]
        bars += [
            Bar("CSIM over geometry's", _mean(used, "csim") / _mean(used, "csim_geometric"), least=1.0),
            Bar(
                "flicker over geometry's", _mean(used, "flicker") / _mean(used, "flicker_geometric"), most=1.0
            ),
        ]
    return tuple(bars)


def _notes(rows: list[dict[str, Value]]) -> list[str]:
    """The bars weigh every clip alike; this weighs every frame alike."""
    used = [row for row in rows if row["open"]]
    if not used:
        return []
    frames, ours, still = (
        np.array([row[name] for row in used], np.float64) for name in ("open", "mouth", "mouth_still")
    )
    gain = 1.0 - float(frames @ ours) / float(frames @ still)
    notes = [f"over all frames that count, mouth LPIPS lies {gain:.3f} below the still's"]
    geometric = "_geometric" if "mouth_geometric" in used[0] else ""
    for kind, what in _TOLD.items():
        if "mouth" + kind in used[0]:
            mouth, face = (_below(used, area + kind, area + geometric) for area in ("mouth", "face"))
            notes.append(
                f"told {what}, geometry's mouth LPIPS would be {mouth:.3f} lower, the face's {face:.3f}"
            )
    return notes


def _mean(rows: list[dict[str, Value]], column: str) -> float:
    return float(np.mean([row[column] for row in rows])) if rows else float("nan")


def _below(rows: list[dict[str, Value]], column: str, other: str) -> float:
    """How far the mean of one column lies below another's, as a share; every row counts alike."""
    return 1.0 - _mean(rows, column) / _mean(rows, other)
