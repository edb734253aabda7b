"""Speech to a file: the same session as a live call, run as fast as the machine allows."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from engine.avatar.avatar import Avatar
from engine.conventions import FRAME_RATE
from engine.motion.stage import MotionStyle
from engine.motion.values import Motion
from engine.pipeline import Engine, Frame
from engine.speech.audio_file import Sound
from vividlive.video_file import SOUND_PER_FRAME, video_file

Progress = Callable[[float], None]
"""Called with the finished fraction."""


@dataclass(frozen=True)
class RenderSummary:
    """What a render took. Times: seconds for the whole, median milliseconds a frame for each stage."""

    out: str
    frames: int
    size: int
    sound_s: float
    wall_s: float
    stage_ms: dict[str, float]
    frame_ms: float

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return asdict(self)


def render_speech(
    engine: Engine,
    avatar: Avatar,
    sound: Sound,
    out: str | Path,
    *,
    seed: int = 0,
    style: MotionStyle,
    progress: Progress,
) -> RenderSummary:
    """Write an MP4 in which the avatar speaks the sound: ceil(samples / 640) frames, the sound beside them."""
    session = engine.session(avatar, seed=seed)
    session.set_style(style)
    session.push_audio(sound.analysis)
    session.end()
    return _write(engine, session, out, sound, -(-len(sound.output) // SOUND_PER_FRAME), progress)


def render_motion(
    engine: Engine, avatar: Avatar, motions: list[Motion], out: str | Path, *, progress: Progress
) -> RenderSummary:
    """Write a silent MP4 of the avatar making the given motions."""
    session = engine.session(avatar)
    frames = (session.render(motion) for motion in motions)
    return _write(engine, frames, out, None, len(motions), progress)


def speech_motions(engine: Engine, sound: Sound, *, seed: int = 0, style: MotionStyle) -> list[Motion]:
    """The motion of a whole recording: ceil(samples / 640) values."""
    stage = engine.motion
    state = stage.new_state(seed)
    state.style = style
    return [*stage.step(state, sound.analysis), *stage.flush(state)]


def _write(
    engine: Engine,
    frames: Iterator[Frame] | Any,
    out: str | Path,
    sound: Sound | None,
    expected: int,
    progress: Progress,
) -> RenderSummary:
    started = perf_counter()
    stages: list[dict[str, float]] = []
    with video_file(out, engine.settings.size, sound=sound is not None) as video:
        for frame in frames:
            video.add_picture(frame.number, frame.i420)
            if sound is not None:
                start = frame.number * SOUND_PER_FRAME
                video.add_sound(sound.output[start : start + SOUND_PER_FRAME])
            stages.append(frame.stage_ms)
            progress(len(stages) / expected)
    names = dict.fromkeys(name for times in stages for name in times)
    return RenderSummary(
        out=str(out),
        frames=len(stages),
        size=engine.settings.size,
        sound_s=round(len(stages) / FRAME_RATE if sound is None else sound.seconds, 3),
        wall_s=round(perf_counter() - started, 3),
        stage_ms={name: round(median(times.get(name, 0.0) for times in stages), 3) for name in names},
        frame_ms=round(float(np.median([sum(times.values()) for times in stages])), 3),
    )
