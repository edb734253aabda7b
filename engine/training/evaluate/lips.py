"""Do the lips follow the speech? The avatar of a clip's first picture speaks the clip's sound."""

from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import FRAME_SAMPLES
from engine.training.evaluate.media import RealClip, find_clips, read_clip
from engine.training.evaluate.opening import lip_openings
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.speak import AvatarMaker, Speaker, SpeakerMaker, track_speech

MAX_LAG: Final = 10  # frames

MIN_R: Final = 0.35
MAX_MEAN_LAG: Final = 1.0
SD_RATIO: Final = (0.5, 1.5)
MAX_SWAPPED_R: Final = 0.10


def evaluate_lips(
    paths: Path | list[Path],
    *,
    progress: Progress | None = None,
    swapped: bool = True,
    maker: SpeakerMaker | None = None,
) -> Report:
    """Compare the tracked lip opening of rendered clips with that of the real ones.

    For each clip: correlation at lag 0, the lag within +-10 frames that correlates best (positive: the avatar is
    late), ratio of the standard deviations. ``swapped`` also lets every clip's avatar speak every other clip's sound,
    up to the shorter one's length: all ordered pairs, as single pairs of short clips correlate by chance.

    Raises:
        InputError: no clip with sound, or a first picture that cannot become an avatar.
    """
    landmarker = FaceLandmarker()
    found = find_clips([paths] if isinstance(paths, Path) else paths)
    clips = [read_clip(clip, landmarker) for clip in found]
    make = maker or AvatarMaker()
    speakers = [make(clip.photo) for clip in clips]
    pairs = list(permutations(range(len(clips)), 2)) if swapped else []
    work = [len(clip.opening) for clip in clips]
    work += [min(len(clips[a].opening), len(clips[b].opening)) for a, b in pairs]
    done = 0

    def report(frames: int) -> None:
        nonlocal done
        done += frames
        if progress is not None:
            progress(done / sum(work))

    rows: list[dict[str, Value]] = []
    for clip, speaker in zip(clips, speakers, strict=True):
        driven = _driven_opening(speaker, clip.samples, landmarker)
        rows.append({"clip": clip.name, **compare(clip.opening, driven)})
        report(len(clip.opening))
    swaps: dict[int, list[float]] = {index: [] for index in range(len(clips))}
    for face, voice in pairs:
        frames = min(len(clips[face].opening), len(clips[voice].opening))
        sound = clips[voice].samples[: frames * FRAME_SAMPLES]
        driven = _driven_opening(speakers[face], sound, landmarker)
        swaps[face].append(correlation(clips[face].opening[:frames], driven))
        report(frames)
    if pairs:
        for index, row in enumerate(rows):
            row["r_swapped"] = float(np.mean(swaps[index]))
    return Report("lips", tuple(rows), _bars(rows), _notes(clips))


def compare(real: NDArray[np.float64], driven: NDArray[np.float64]) -> dict[str, Value]:
    """Correlation, best lag and spread of two opening curves; frames in which one is NaN do not count."""
    frames = min(len(real), len(driven))
    real, driven = real[:frames], driven[:frames]
    by_lag = {lag: _correlation_at(real, driven, lag) for lag in range(-MAX_LAG, MAX_LAG + 1)}
    best = max(by_lag, key=lambda lag: (by_lag[lag], -abs(lag)))
    spread = float(np.nanstd(driven) / max(float(np.nanstd(real)), 1e-9))
    return {
        "frames": frames,
        "r": by_lag[0],
        "best_lag": best,
        "r_best_lag": by_lag[best],
        "sd_ratio": spread,
        "mean_real": float(np.nanmean(real)),
        "mean_driven": float(np.nanmean(driven)),
    }


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's r of the frames that both have; 0 where one of them does not move."""
    frames = min(len(a), len(b))
    both = np.isfinite(a[:frames]) & np.isfinite(b[:frames])
    x, y = a[:frames][both], b[:frames][both]
    if len(x) < 3 or x.std() < 1e-9 or y.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def _correlation_at(real: NDArray[np.float64], driven: NDArray[np.float64], lag: int) -> float:
    """r of real[n] and driven[n + lag]."""
    if abs(lag) >= len(real):
        return 0.0
    return correlation(real[max(0, -lag) :], driven[max(0, lag) :])


def _driven_opening(
    speaker: Speaker, samples: NDArray[np.float32], landmarker: FaceLandmarker
) -> NDArray[np.float64]:
    return lip_openings(track_speech(speaker, samples, landmarker).points)


def _bars(rows: list[dict[str, Value]]) -> tuple[Bar, ...]:
    def mean(column: str) -> float:
        return float(np.mean([row[column] for row in rows]))

    bars = [
        Bar("mean r at lag 0", mean("r"), least=MIN_R),
        Bar("mean best lag, frames", mean("best_lag"), least=-MAX_MEAN_LAG, most=MAX_MEAN_LAG),
        Bar("mean sd ratio", mean("sd_ratio"), least=SD_RATIO[0], most=SD_RATIO[1]),
    ]
    if "r_swapped" in rows[0]:
        bars.append(Bar("mean r, sounds swapped", mean("r_swapped"), most=MAX_SWAPPED_R))
    return tuple(bars)


def _notes(clips: list[RealClip]) -> tuple[str, ...]:
    """What to compare with: the sound's level alone, and real lips against the lips of other clips."""
    levels = []
    for clip in clips:
        blocks = clip.samples[: len(clip.opening) * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        levels.append(correlation(clip.opening, np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1))))
    notes = [f"the sound's level alone reaches a mean r of {np.mean(levels):.3f} on these clips"]
    others = [correlation(clips[a].opening, clips[b].opening) for a, b in permutations(range(len(clips)), 2)]
    if others:
        notes.append(f"the real lips of different clips correlate by {np.mean(others):.3f} in the mean")
    return tuple(notes)
