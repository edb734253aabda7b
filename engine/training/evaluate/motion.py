"""Does the motion fit the sounds? Real speech with timed sounds, against curves that openfacefx makes of them.

The jaw that training aims at is openfacefx's too, so the jaw's correlation says how well sounds are heard in voices and
languages that were never trained on, not whether real jaws move so: that is what ``evaluate lips`` measures. Lips,
width and closures have other rules in training than in the reference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, FRAME_SAMPLES, LOOK_AHEADS_MS, SAMPLE_RATE
from engine.errors import SettingError
from engine.motion.channels import CHANNELS, SPREAD
from engine.motion.motion_file import read_motion
from engine.motion.stage import WEIGHTS, MotionStage
from engine.speech.audio_file import load_audio
from engine.training.evaluate.agreement import Reference, compare_mouths, compare_shapes
from engine.training.evaluate.closures import find_speech
from engine.training.evaluate.plots import plot_motion
from engine.training.evaluate.report import Bar, Progress, Report, Value
from engine.training.evaluate.spoken import SpokenClip, SpokenSet, find_sets, read_spoken
from engine.training.openfacefx_curves import VISEMES, openfacefx_shapes, openfacefx_visemes
from engine.training.prosody import RATE
from engine.training.visemes import RULES, at_frames, viseme_curves

Float = NDArray[np.float32]
System = Callable[[SpokenClip], Float]
"""Gives the mouths [F, 52] of a recording, one a whole frame of its sound."""

MIN_JAW_R: Final = {"en": 0.84, "ru": 0.73}
MIN_F1: Final = {"en": 0.75, "ru": 0.72}
"""Bars by language; other languages have none."""

PLOTTED: Final = 12

OUR_MOTION: Final = "vividlive"
OUR_RULES: Final = "rules"


def evaluate_motion(
    path: Path,
    *,
    look_ahead_ms: int = LOOK_AHEADS_MS[0],
    weights: Path | None = None,
    plots: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare the motion of a folder of timed speech, or of each folder within one, with openfacefx's curves.

    A row a set for the motion stage (with other ``weights`` than those that ship, if given), and one for the targets that training would make of the very same
    sounds, which is as well as a model that learned them could do. ``plots``: a folder for pictures of
    ``PLOTTED`` recordings of each set.

    Raises:
        InputError: no such folder. SettingError: no weights for the look-ahead ship.
        UnavailableError: openfacefx or the weights are missing.
    """
    ours = motion_system(chosen_weights(look_ahead_ms, weights))
    sets = [read_spoken(folder) for folder in find_sets(path)]
    total = sum(len(clip.samples) for spoken in sets for clip in spoken.clips)
    done = 0
    systems = {OUR_MOTION: ours, OUR_RULES: rule_mouths}
    rows: list[dict[str, Value]] = []
    bars: list[Bar] = []
    notes = []
    for spoken in sets:
        references: list[Reference] = []
        mouths: dict[str, list[Float]] = {name: [] for name in systems}
        for clip in spoken.clips:
            references.append(make_reference(clip))
            for name, system in systems.items():
                mouths[name].append(system(clip))
            done += len(clip.samples)
            if progress is not None:
                progress(done / total)
        if plots is not None:
            _plot(plots / spoken.info.name, spoken, references, mouths)
        scores = {name: compare_mouths(references, made) for name, made in mouths.items()}
        for name, score in scores.items():
            rows.append({"set": spoken.info.name, "system": name, **score})
        bars += _bars(spoken.info.name, spoken.info.language, scores[OUR_MOTION])
        notes.append(
            f"{spoken.info.name}: {len(spoken.clips)} recordings, {spoken.minutes:.1f} min "
            f"({spoken.info.source}; {spoken.info.licence})"
        )
    notes.append(f"{OUR_RULES}: what training aims at, made of the same sounds")
    return Report("motion", tuple(rows), tuple(bars), tuple(notes))


def evaluate_captured(
    sound: Path, curves: Path, *, look_ahead_ms: int = LOOK_AHEADS_MS[0], weights: Path | None = None
) -> Report:
    """Compare the motion of one recording with curves that were captured while it was spoken.

    curves: a motion table (``read_motion``), as ``vividlive track`` or a converted Live Link take gives; its first
    row belongs to the first sample. All frames that both have count; there is no bar.

    Raises:
        InputError: a file cannot be read. AudioError, SettingError, UnavailableError: as ``evaluate_motion``.
    """
    clip = SpokenClip(sound.stem, load_audio(sound).analysis, ())
    made = motion_system(chosen_weights(look_ahead_ms, weights))(clip)
    captured = np.stack([motion.blendshapes for motion in read_motion(curves)])[: len(made)]
    made = made[: len(captured)]
    scores = compare_shapes([captured], [made], [np.ones(len(made), np.bool_)])
    row: dict[str, Value] = {"sound": clip.name, "frames": len(made), **scores}
    return Report("motion", (row,), (), (f"captured curves: {curves.name}",))


def chosen_weights(look_ahead_ms: int, weights: Path | None) -> Path:
    """The weights that were given, or those that ship for the look-ahead.

    Raises:
        SettingError: none ship for it.
    """
    if look_ahead_ms not in LOOK_AHEADS_MS:
        raise SettingError(
            f"expected a look-ahead of {' or '.join(map(str, LOOK_AHEADS_MS))} ms, got {look_ahead_ms}"
        )
    return weights or WEIGHTS[look_ahead_ms]


def _plot(
    folder: Path, spoken: SpokenSet, references: list[Reference], mouths: dict[str, list[Float]]
) -> None:
    for index in np.linspace(0, len(references) - 1, min(PLOTTED, len(references))).astype(int):
        name = spoken.clips[index].name
        made = {system: items[index] for system, items in mouths.items()}
        plot_motion(folder / f"{name}.png", name, references[index], made)


def motion_system(weights: str | Path) -> System:
    """The motion stage with these weights."""
    stage = MotionStage(weights)

    def run(clip: SpokenClip) -> Float:
        state = stage.new_state()
        motions = stage.step(state, clip.samples) + stage.flush(state)
        return np.stack([motion.blendshapes for motion in motions])[: frames_of(clip)]

    return run


def rule_mouths(clip: SpokenClip) -> Float:
    """The targets that training would make of the recording's sounds."""
    curves = at_frames(viseme_curves(clip.phones, clip.samples), 0.0, frames_of(clip))
    return np.asarray(curves[:, : len(CHANNELS)] @ SPREAD)


def make_reference(clip: SpokenClip) -> Reference:
    """openfacefx's curves in the mean of each frame's 40 ms, and the frames within speech."""
    frames = frames_of(clip)
    steps = len(clip.samples) * RATE // SAMPLE_RATE + 1
    visemes = frame_means(openfacefx_visemes(clip.phones, steps), frames)
    shapes = close_lips(openfacefx_shapes(visemes), visemes)
    assert shapes.shape == (frames, len(ARKIT_NAMES))
    middles = (np.arange(frames) + 0.5) * FRAME_SAMPLES / SAMPLE_RATE
    within = np.zeros(frames, np.bool_)
    for start, end in find_speech(clip.phones):
        within |= (middles > start - RULES.speech_margin_s) & (middles < end + RULES.speech_margin_s)
    return Reference(clip.phones, shapes, visemes, within)


def close_lips(shapes: Float, visemes: Float) -> Float:
    """Shapes [F, 52] whose lips meet as far as PP of visemes [F, 15] says.

    openfacefx presses the lips of a bilabial and leaves the jaw of a short one as it is; in our terms the lips
    meet when mouthClose equals jawOpen and nothing parts them.
    """
    closed = shapes.copy()
    press = visemes[:, VISEMES.index("PP")]
    closed[:, ARKIT_INDEX["mouthClose"]] = press * shapes[:, ARKIT_INDEX["jawOpen"]]
    parting = [
        ARKIT_INDEX[f"mouth{name}{side}"] for name in ("LowerDown", "UpperUp") for side in ("Left", "Right")
    ]
    closed[:, parting] *= 1.0 - press[:, None]
    return closed


def frame_means(curves: Float, frames: int) -> Float:
    """Means over each frame of curves [S, C] at ``RATE``, whose ends count half: [frames, C]."""
    steps = FRAME_SAMPLES * RATE // SAMPLE_RATE
    weights = np.ones(steps + 1, np.float32)
    weights[[0, -1]] = 0.5
    places = np.minimum(np.arange(frames)[:, None] * steps + np.arange(steps + 1), len(curves) - 1)
    return np.asarray(np.einsum("fsc,s->fc", curves[places], weights / weights.sum()), np.float32)


def frames_of(clip: SpokenClip) -> int:
    """Whole frames of a recording."""
    return len(clip.samples) // FRAME_SAMPLES


def _bars(name: str, language: str, score: dict[str, Value]) -> list[Bar]:
    bars = []
    if language in MIN_JAW_R:
        bars.append(Bar(f"{name}: jaw r", float(score["jaw_r"] or 0.0), least=MIN_JAW_R[language]))
        bars.append(Bar(f"{name}: bilabial F1", float(score["f1"] or 0.0), least=MIN_F1[language]))
    return bars
