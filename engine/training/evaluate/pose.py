"""Does the head move like that of a person who says this? Poses that the codebook gives to real speech."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError
from engine.motion.head_pose import HeadPose
from engine.motion.prosody import LEVEL, ProsodyState, hear_prosody
from engine.speech.audio_file import load_audio
from engine.speech.hearing import HearingState, hear
from engine.speech.voice_activity import VoiceState, hear_voice
from engine.training.evaluate.media import find_sounds
from engine.training.evaluate.pose_plot import plot_poses
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.pose_measures import (
    alignment,
    find_accents,
    find_strokes,
    perplexity,
    shuffled_alignments,
    slow_share,
)

SEEDS: Final = 8
AHEAD: Final = 2
"""Frames of sound that the head hears before the frame that shows them."""
SHUFFLES: Final = 400
SHORTEST_S: Final = 2.5
SILENCE_S: Final = 60
HOUR_S: Final = 3600
SLOW_HZ: Final = 3.0

GRID_S: Final = 3.0
GRID_RANGE_DEG: Final = {"yaw": (1.1, 2.3), "pitch": (1.7, 4.2), "roll": (0.5, 2.5)}
"""Length of the five GRID clips in dev_media, and the least and greatest range of each angle in them, as ``vividlive
track`` finds them: people who read a sentence aloud and keep still (Cooke, Barker, Cunningham and Shao 2006, CC BY 4.0).
"""

LEAST_PERPLEXITY: Final = 0.5  # of the number of codes
LEAST_SEEDS_APART_DEG: Final = 1.0
LEAST_SLOW: Final = 0.9
MOST_CHANGE_DEG: Final = 4.0
MOST_CHANCE: Final = 0.01
MOST_SILENT_SPEED: Final = 0.6  # of the speed while speaking
MOST_DRIFT_DEG: Final = 2.0

Float = NDArray[np.float32]
Frame = tuple[Float, Float, bool]
"""A frame of sound: samples, what ``engine.speech.hearing`` makes of them, whether a voice is in them."""


@dataclass(frozen=True, eq=False)
class Moved:
    """One sound, and the heads of several seeds that moved to it.

    level_db: [F] against the speaker's mean; voice: bool [F]; poses: [seeds, F, 6]; codes: of all windows.
    """

    name: str
    frames: list[Frame]
    level_db: Float
    voice: NDArray[np.bool_]
    poses: Float
    codes: NDArray[np.intp]


def evaluate_pose(
    paths: Path | list[Path],
    *,
    progress: Progress | None = None,
    plots: Path | None = None,
    head: HeadPose | None = None,
) -> Report:
    """Move heads of several seeds to every sound, and hold them against the bars.

    Columns, means over the seeds: "yaw", "pitch", "roll": standard deviation, degrees. "yaw_3s" and so on: median range
    in three seconds, to compare with ``GRID_RANGE_DEG``. "change": the largest between two frames, degrees. "slow":
    share of the power of the angles' speed under 3 Hz. "apart": mean difference of two seeds' angles, degrees. "beats":
    how near strokes come to accents (``engine.training.pose_measures``); "shuffled": the same with the sound moved in
    time. The chance is how often sounds that are shuffled anew for every head come as near, over all accents.

    Args:
        plots: a folder that gets a picture for each sound. head: another codebook than the one that ships.

    Raises:
        InputError: no sound, or none of at least ``SHORTEST_S``; UnavailableError: plots without matplotlib.
    """
    head = head or HeadPose()
    rng = np.random.default_rng(0)
    rows: list[dict[str, Value]] = []
    moved: list[Moved] = []
    beats: list[NDArray[np.float64]] = []
    counted = 0
    sounds = find_sounds([paths] if isinstance(paths, Path) else paths)
    for number, (name, path) in enumerate(sounds.items()):
        samples = load_audio(path).analysis
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            continue
        one = move(head, name, frames_of(samples), range(SEEDS))
        scores, accents = _beats(one, rng)
        moved.append(one)
        beats.append(scores * accents)
        counted += accents
        rows.append(_row(one, accents, scores))
        if plots is not None:
            plot_poses(plots / f"{name}.png", name, one.poses[:2], one.level_db)
        if progress is not None:
            progress(0.7 * (number + 1) / len(sounds))
    if not moved:
        raise InputError(f"expected a sound of at least {SHORTEST_S} s, got none in {', '.join(sounds)}")
    totals = np.sum(beats, axis=0) / max(1, counted)
    return Report("pose", tuple(rows), _bars(head, moved, rows, totals), _notes(moved, totals))


def frames_of(samples: Float) -> list[Frame]:
    """What a head hears of each whole frame of sound."""
    hearing, voice = HearingState(), VoiceState()
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [(frame, hear(hearing, frame)[0], hear_voice(voice, frame)) for frame in whole]


def move(head: HeadPose, name: str, frames: list[Frame], seeds: Sequence[int]) -> Moved:
    """Let heads of some seeds move to a sound, as in a call."""
    ear = ProsodyState()
    prosody = np.array([hear_prosody(ear, *frame) for frame in frames])
    heads = [_poses(head, seed, frames) for seed in seeds]
    poses = np.array([[pose for pose, _ in one] for one in heads], np.float32)
    codes = np.array([[code for _, code in one[:: head.config.window]] for one in heads], np.intp)
    return Moved(name, frames, 10 * prosody[:, LEVEL], prosody[:, 0] > 0, poses, codes.ravel())


def _poses(head: HeadPose, seed: int, frames: Sequence[Frame]) -> list[tuple[Float, int]]:
    """The pose and the code of each frame."""
    state = head.new_state(seed)
    silence = frames_of(np.zeros(AHEAD * FRAME_SAMPLES, np.float32))
    found = []
    for number, frame in enumerate(chain(frames, silence)):
        head.hear(state, *frame)
        if number >= AHEAD:
            pose = head.step(state)
            found.append((pose, state.code))
    return found


def _beats(one: Moved, rng: np.random.Generator) -> tuple[NDArray[np.float64], int]:
    """Alignment [1 + SHUFFLES], with the sound itself and with it shuffled, mean over the seeds; and its accents."""
    accents = find_accents(one.level_db)
    frames = len(one.frames)
    scores = []
    for poses in one.poses:
        strokes = find_strokes(poses[:, :3])
        shuffled = shuffled_alignments(accents, strokes, frames, SHUFFLES, rng)
        scores.append(np.concatenate([[alignment(accents, strokes)], shuffled]))
    return np.mean(scores, axis=0), len(accents)


def _row(one: Moved, accents: int, scores: NDArray[np.float64]) -> dict[str, Value]:
    angles = one.poses[..., :3]
    deviation = angles.std(axis=1).mean(axis=0)
    reach = _ranges(angles)
    pairs = [np.abs(angles[a] - angles[b]).mean() for a, b in combinations(range(len(angles)), 2)]
    row: dict[str, Value] = {"sound": one.name, "seconds": len(one.frames) / FRAME_RATE}
    row |= {name: float(value) for name, value in zip(GRID_RANGE_DEG, deviation, strict=True)}
    row |= {f"{name}_3s": float(value) for name, value in zip(GRID_RANGE_DEG, reach, strict=True)}
    return row | {
        "change": float(np.abs(np.diff(angles, axis=1)).max()),
        "slow": float(np.mean([slow_share(poses, SLOW_HZ) for poses in angles])),
        "apart": float(np.mean(pairs)),
        "accents": accents,
        "beats": float(scores[0]),
        "shuffled": float(scores[1:].mean()),
    }


def _ranges(angles: Float) -> NDArray[np.float64]:
    """Median range [3] in pieces of three seconds (or all, where it is shorter) of angles [seeds, F, 3]."""
    length = min(round(GRID_S * FRAME_RATE), angles.shape[1])
    pieces = angles.shape[1] // length
    cut = angles[:, : pieces * length].reshape(-1, length, 3)
    return np.asarray(np.median(np.ptp(cut, axis=1), axis=0), np.float64)


def _bars(
    head: HeadPose, moved: list[Moved], rows: list[dict[str, Value]], totals: NDArray[np.float64]
) -> tuple[Bar, ...]:
    def values(column: str) -> list[float]:
        return [float(row[column]) for row in rows]  # type: ignore[arg-type]

    codes = np.concatenate([one.codes for one in moved])
    chance = float((totals >= totals[0]).sum() / len(totals))
    return (
        Bar("perplexity of the codes", perplexity(codes), least=LEAST_PERPLEXITY * head.config.codes),
        Bar("two seeds apart, deg", min(values("apart")), least=LEAST_SEEDS_APART_DEG),
        Bar("speed under 3 Hz", min(values("slow")), least=LEAST_SLOW),
        Bar("change between frames, deg", max(values("change")), most=MOST_CHANGE_DEG),
        Bar("beat alignment above shuffled", float(totals[0] - totals[1:].mean()), least=0.0),
        Bar("chance of that", chance, most=MOST_CHANCE),
        Bar("speed in silence, of that in speech", _silent_speed(head, moved), most=MOST_SILENT_SPEED),
        Bar("drift in an hour, deg", _drift(head, moved), most=MOST_DRIFT_DEG),
    )


def _silent_speed(head: HeadPose, moved: list[Moved]) -> float:
    silence = move(head, "silence", frames_of(np.zeros(SILENCE_S * SAMPLE_RATE, np.float32)), range(SEEDS))
    speaking = [_speeds(poses)[one.voice[1:]] for one in moved for poses in one.poses]
    return float(_speeds(silence.poses).mean() / np.concatenate(speaking).mean())


def _speeds(poses: Float) -> Float:
    return np.asarray(np.linalg.norm(np.diff(poses[..., :3], axis=-2), axis=-1), np.float32)


def _drift(head: HeadPose, moved: list[Moved]) -> float:
    """How far the mean of any ten minutes of an hour of all sounds, over and over, lies from the photo's pose."""
    sounds: Iterator[Frame] = cycle(chain.from_iterable(one.frames for one in moved))
    hour = _poses(head, SEEDS, list(islice(sounds, HOUR_S * FRAME_RATE)))
    angles = np.array([pose[:3] for pose, _ in hour])
    return float(np.abs(angles.reshape(6, -1, 3).mean(axis=1)).max())


def _notes(moved: list[Moved], totals: NDArray[np.float64]) -> tuple[str, ...]:
    codes = np.concatenate([one.codes for one in moved])
    grid = ", ".join(f"{name} {low} to {high}" for name, (low, high) in GRID_RANGE_DEG.items())
    return (
        f"{len(np.unique(codes))} codes used in {len(codes)} windows",
        f"beats {totals[0]:.3f}, shuffled {totals[1:].mean():.3f} +- {totals[1:].std():.3f}",
        f"range in three seconds in GRID clips, deg: {grid}",
    )
