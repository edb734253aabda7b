"""The ``vividlive`` command.

Exit codes: 0 done, 1 internal error, 2 bad input (one line on stderr), 3 a stated bar was missed.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from engine.errors import SettingError, VividliveError
from kernels.build import KernelBuildError
from vividlive.bench_command import bench
from vividlive.evaluate_command import evaluate
from vividlive.options import (
    ExpressivenessOption,
    HeadMotionOption,
    JsonOption,
    LookAheadOption,
    MoodOption,
    SeedOption,
    WeightsOption,
    refuse_given,
)
from vividlive.outputs import writes
from vividlive.photos import FaceOption, RightsChoice, RightsOption, make_avatar
from vividlive.serve_command import serve
from vividlive.terminal import (
    EXIT_BAD_INPUT,
    EXIT_INTERNAL,
    complain,
    progress_bar,
    stderr,
    stdout,
    warn,
    write_json,
)
from vividlive.track_command import track
from vividlive.train_command import train
from vividlive.webcam_command import webcam

# Read when NumPy is first imported. On a busy machine its threads turn a fit of 0.3 s into seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

app = typer.Typer(
    help="One portrait and live speech become a talking-head video call.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(train, name="train")
app.add_typer(bench, name="bench")
app.command()(serve)
app.command()(webcam)
app.command()(track)
app.command()(evaluate)


SizeOption = Annotated[int, typer.Option(help="Side of the frames in pixels: 256, 512 or 768.")]


@app.command()
@writes("out", "sheet", "report")
def avatar(
    photo: Annotated[Path, typer.Argument(help="A portrait: JPEG, PNG, WebP...")],
    out: Annotated[Path, typer.Option(help="The avatar bundle to write.")],
    face: FaceOption = None,
    rights: RightsOption = RightsChoice.unstated,
    sheet: Annotated[
        Path | None, typer.Option(help="Also write a contact sheet of expressions (PNG).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write the quality report (JSON).")] = None,
) -> None:
    """Make an avatar from a photo."""
    from engine.avatar.report import quality_report, write_sheet

    made = make_avatar(photo, rights, face)
    made.save(out)
    quality = quality_report(made) if sheet or report else dict(made.report)
    if sheet:
        write_sheet(made, sheet, quality)
    if report:
        write_json(str(report), {"rights": made.rights, **quality})
    for warning in (*quality["warnings"], *quality.get("problems", [])):
        warn(warning)
    for advice in quality["advice"]:
        stderr.print(f"advice: {advice}", markup=False, highlight=False, soft_wrap=True)
    stdout.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB", markup=False)


@app.command()
@writes("out", "json_path")
def render(
    out: Annotated[Path, typer.Option(help="The MP4 to write.")],
    photo: Annotated[Path | None, typer.Option(help="A portrait.")] = None,
    avatar: Annotated[Path | None, typer.Option(help="An avatar bundle.")] = None,
    audio: Annotated[Path | None, typer.Option(help="The speech: any sound or video file.")] = None,
    motion: Annotated[Path | None, typer.Option(help="A motion table instead of speech.")] = None,
    size: SizeOption = 512,
    seed: SeedOption = 0,
    expressiveness: ExpressivenessOption = 1.0,
    head_motion: HeadMotionOption = 1.0,
    mood: MoodOption = 0.0,
    quality: Annotated[str, typer.Option(help="auto, geometric, or neural (refined by networks).")] = "auto",
    runtime: Annotated[
        str, typer.Option(help="What runs the networks: auto, openvino, torch, aoti or tensorrt.")
    ] = "auto",
    weights: WeightsOption = None,
    look_ahead_ms: LookAheadOption = 80,
    badge: Annotated[bool, typer.Option(help="Draw the AI-generated badge.")] = False,
    rights: RightsOption = RightsChoice.unstated,
    face: FaceOption = None,
    json_path: JsonOption = None,
) -> None:
    """Make a video of the avatar speaking."""
    if (photo is None) == (avatar is None):
        raise SettingError("expected one of --photo and --avatar")
    if face is not None and photo is None:
        raise SettingError("expected --face with --photo, got it with --avatar")
    if weights is not None and quality != "neural":
        raise SettingError(f"expected --weights with --quality neural, got it with {quality}")
    if quality != "neural":
        refuse_given(f"--quality {quality}", {"--runtime": runtime != "auto"})
    if avatar is not None:
        refuse_given("--avatar", {"--rights": rights is not RightsChoice.unstated})
    if (audio is None) == (motion is None):
        raise SettingError("expected one of --audio and --motion")
    if motion is not None:
        refuse_given("--motion", {"--seed": seed != 0, "--look-ahead-ms": look_ahead_ms != 80})
    from engine.avatar.avatar import Avatar
    from engine.motion.motion_file import read_motion
    from engine.motion.stage import MotionStyle
    from engine.pipeline import Engine, EngineSettings
    from engine.speech.audio_file import load_audio
    from vividlive.offline import render_motion, render_speech

    style = MotionStyle(expressiveness, head_motion, mood=mood)
    if motion is not None and style != MotionStyle():
        raise SettingError(
            "expected --expressiveness, --head-motion and --mood with --audio, got one with --motion"
        )
    settings = EngineSettings(
        size=size,
        quality=quality,  # type: ignore[arg-type]  # it checks itself
        runtime=runtime,  # type: ignore[arg-type]
        weights=weights,
        badge=badge,
        look_ahead_ms=look_ahead_ms,
    )
    sound = load_audio(audio) if audio else None
    motions = read_motion(motion) if motion else []
    person = Avatar.load(avatar) if avatar else make_avatar(_given(photo), rights, face)
    engine = Engine(settings)
    with progress_bar("rendering") as advance:
        if sound is not None:
            summary = render_speech(engine, person, sound, out, seed=seed, style=style, progress=advance)
        else:
            summary = render_motion(engine, person, motions, out, progress=advance)
    if json_path:
        write_json(json_path, summary.to_json())
    if json_path != "-":
        stages = ", ".join(f"{name} {ms:.2f}" for name, ms in summary.stage_ms.items())
        stdout.print(
            f"{summary.out}: {summary.frames} frames of {summary.size} px, {summary.sound_s:.2f} s, "
            f"made in {summary.wall_s:.1f} s\nmedian ms a frame: {summary.frame_ms:.2f} ({stages})",
            markup=False,
            soft_wrap=True,
        )


@app.command()
@writes("out")
def motion(
    audio: Annotated[Path, typer.Option(help="The speech: any sound or video file.")],
    out: Annotated[Path, typer.Option(help="The motion table to write (CSV).")],
    seed: SeedOption = 0,
    expressiveness: ExpressivenessOption = 1.0,
    head_motion: HeadMotionOption = 1.0,
    mood: MoodOption = 0.0,
    look_ahead_ms: LookAheadOption = 80,
) -> None:
    """Turn speech into a table of blendshapes and head pose."""
    from engine.motion.motion_file import write_motion
    from engine.motion.stage import MotionStyle
    from engine.pipeline import Engine, EngineSettings
    from engine.speech.audio_file import load_audio
    from vividlive.offline import speech_motions

    style = MotionStyle(expressiveness, head_motion, mood=mood)
    engine = Engine(EngineSettings(look_ahead_ms=look_ahead_ms))
    rows = write_motion(out, speech_motions(engine, load_audio(audio), seed=seed, style=style))
    stdout.print(f"{out}: {rows} rows", markup=False)


@app.command()
@writes("json_path")
def doctor(json_path: JsonOption = None) -> None:
    """Say what this machine has and which path each part takes."""
    from vividlive.doctor import examine

    findings = examine()
    if json_path:
        write_json(json_path, findings)
    if json_path != "-":
        width = max(map(len, findings))
        for name, value in findings.items():
            stdout.print(f"{name:<{width}}  {value}", markup=False, highlight=False, soft_wrap=True)


def main() -> NoReturn:
    """Run the command line and turn errors into exit codes."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except (VividliveError, KernelBuildError) as error:  # kernels that were asked for by name
        complain(str(error))
        code = EXIT_BAD_INPUT
    except typer.Abort:
        code = EXIT_INTERNAL
    except typer.TyperException as error:
        complain(error.format_message().replace("Value error, ", ""))  # pydantic's word, says nothing
        code = EXIT_BAD_INPUT
    sys.exit(code or 0)


def _given(path: Path | None) -> Path:
    assert path is not None
    return path
