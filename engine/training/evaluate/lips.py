"""Do the lips follow the speech? The avatar of a clip's first picture speaks the clip's sound."""

from itertools import permutations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.landmarks import FaceLandmarker
from engine.conventions import FRAME_SAMPLES
from engine.training.evaluate.curves import best_lag, compare, correlation, correlations, slope
from engine.training.evaluate.media import RealClip, find_clips, read_clip
from engine.training.evaluate.opening import lip_openings, mouth_widths, parts_heights
from engine.training.evaluate.plots import plot_lips
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.speak import AvatarMaker, Speaker, SpeakerMaker, track_speech

MIN_R: Final = 0.50
MIN_WIDTH_R: Final = 0.30
MAX_LAG: Final = 1
SD_RATIO: Final = (0.7, 1.3)
MAX_SWAPPED_R: Final = 0.10


def evaluate_lips(
    paths: Path | list[Path],
    *,
    progress: Progress | None = None,
    swapped: bool = True,
    maker: SpeakerMaker | None = None,
    plots: Path | None = None,
) -> Report:
    """Compare the tracked lip opening and mouth width of rendered clips with those of the real ones.

    For each clip: correlation at lag 0, the lag within +-10 frames that correlates best (positive: the avatar is
    late), ratio of the standard deviations; of the width the correlation at lag 0. The lag that counts is that of the clips'
    mean correlation, as a clip of three seconds may find a higher one by chance 0.4 s away. ``swapped`` also lets every
    clip's avatar speak every other clip's sound, up to the shorter one's length: all ordered pairs, as single pairs of short
    clips correlate by chance.
    ``plots``: a folder for a picture of each clip's curves.

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
    by_lag: list[NDArray[np.float64]] = []
    shares = []
    for clip, speaker in zip(clips, speakers, strict=True):
        points = track_speech(speaker, clip.samples, landmarker).points
        driven, wide = lip_openings(points), mouth_widths(points)
        width_r = correlation(clip.width, wide)
        by_lag.append(correlations(clip.opening, driven))
        shares.append([_shares(clip.opening, clip.heights), _shares(driven, parts_heights(points))])
        rows.append({"clip": clip.name, **compare(clip.opening, driven), "width_r": width_r})
        if plots is not None:
            curves = {"lip opening": (clip.opening, driven), "mouth width": (clip.width, wide)}
            plot_lips(plots / f"{clip.name}.png", clip.name, curves)
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
    lag = best_lag(np.mean(by_lag, axis=0))
    return Report("lips", tuple(rows), _bars(rows, lag), _notes(clips, np.mean(shares, axis=0)))


def _driven_opening(
    speaker: Speaker, samples: NDArray[np.float32], landmarker: FaceLandmarker
) -> NDArray[np.float64]:
    return lip_openings(track_speech(speaker, samples, landmarker).points)


def _bars(rows: list[dict[str, Value]], lag: int) -> tuple[Bar, ...]:
    def mean(column: str) -> float:
        return float(np.mean([row[column] for row in rows]))

    bars = [
        Bar("mean r at lag 0", mean("r"), least=MIN_R),
        Bar("mean r of the width", mean("width_r"), least=MIN_WIDTH_R),
        Bar("lag at which the mean r is highest, frames", lag, least=-MAX_LAG, most=MAX_LAG),
        Bar("mean sd ratio", mean("sd_ratio"), least=SD_RATIO[0], most=SD_RATIO[1]),
    ]
    if "r_swapped" in rows[0]:
        bars.append(Bar("mean r, sounds swapped", mean("r_swapped"), most=MAX_SWAPPED_R))
    return tuple(bars)


def _shares(opening: NDArray[np.float64], heights: NDArray[np.float64]) -> list[float]:
    """How far each of ``PARTS`` goes down as the lips part by 1."""
    return [slope(opening, height) for height in heights.T]


def _notes(clips: list[RealClip], shares: NDArray[np.float64]) -> tuple[str, ...]:
    """What to compare with: the sound's level alone, real lips against those of other clips, and how both open.

    shares: [2, 3], ``_shares`` of real and driven lips.
    """
    levels = []
    for clip in clips:
        blocks = clip.samples[: len(clip.opening) * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        levels.append(correlation(clip.opening, np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1))))
    (up, corners, chin), (our_up, our_corners, our_chin) = shares * (-1, 1, 1)
    notes = [
        f"as real lips part by 1, the upper one goes up by {up:.2f}, the corners down by {corners:.2f} and the chin by "
        f"{chin:.2f}; rendered ones by {our_up:.2f}, {our_corners:.2f} and {our_chin:.2f}",
        f"the sound's level alone reaches a mean r of {np.mean(levels):.3f} on these clips",
    ]
    others = [correlation(clips[a].opening, clips[b].opening) for a, b in permutations(range(len(clips)), 2)]
    if others:
        notes.append(f"the real lips of different clips correlate by {np.mean(others):.3f} in the mean")
    return tuple(notes)
