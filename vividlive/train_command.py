"""``vividlive train``: training data and the models that ship."""

from pathlib import Path
from typing import Annotated

import typer

from vividlive.options import JsonOption
from vividlive.outputs import writes
from vividlive.terminal import progress_bar, stdout, write_json

SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")]
DeviceOption = Annotated[str, typer.Option(help="cpu or cuda.")]
ResumeOption = Annotated[
    bool, typer.Option(help="Go on from the last checkpoint, if there is one; else begin anew in its place.")
]

train = typer.Typer(help="Make training data and train the models that ship.")


@train.command("synth-speech")
@writes(folders=("out",))
def train_synth_speech(
    out: Annotated[Path, typer.Option(help="The folder to fill; what it holds already is kept.")],
    hours: Annotated[float, typer.Option(help="Hours of speech in all.")] = 2.0,
    seed: SeedOption = 0,
    kokoro_voices: Annotated[
        Path | None,
        typer.Option(help="Folder of Kokoro's voices (package/voices of the npm package kokoro-js)."),
    ] = None,
    synthesisers: Annotated[
        str,
        typer.Option(
            help="Those that speak, with commas between; Kokoro, and accented by it, if its voices are given."
        ),
    ] = "kokoro,accented,flite,espeak,festival",
) -> None:
    """Make speech with phone times to train on."""
    from engine.training.synth_speech import synth_speech

    with progress_bar("speaking") as advance:
        made = synth_speech(
            out,
            hours=hours,
            seed=seed,
            kokoro_voices=kokoro_voices,
            synthesisers=_names(synthesisers),
            progress=advance,
        )
    stdout.print(
        f"{out}: " + ", ".join(f"{name} {of:.2f} h" for name, of in made.items()),
        markup=False,
        soft_wrap=True,
    )


@train.command("face-motion")
@writes("json_path", folders=("out",))
def train_face_motion(
    data: Annotated[Path, typer.Option(help="The folder that synth-speech filled.")],
    out: Annotated[Path, typer.Option(help="The folder for checkpoints, curves and weights.")],
    steps: Annotated[int, typer.Option(help="Steps of the optimiser.")] = 29000,
    seed: SeedOption = 0,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 5e-3,
    begin_with: Annotated[
        Path | None, typer.Option(help="Weights to begin with instead of random ones.")
    ] = None,
    device: DeviceOption = "cpu",
    workers: Annotated[int, typer.Option(help="Other processes that make clips (not on Windows).")] = 1,
    resume: ResumeOption = True,
    json_path: JsonOption = None,
) -> None:
    """Train the face motion network on made speech."""
    from engine.training import face_motion

    config = face_motion.TrainingConfig(steps=steps, seed=seed, rate=rate, workers=workers)
    with progress_bar("training") as advance:
        numbers = face_motion.train_face_motion(
            data,
            out,
            config=config,
            begin_with=begin_with,
            device=device,
            resume=resume,
            progress=advance,
        )
    _tell(out, numbers, json_path)


@train.command("export-motion")
@writes("json_path", folders=("out",))
def train_export_motion(
    out: Annotated[Path, typer.Option(help="The folder for the exported files.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights with the look-ahead that is wanted; without it those that ship."),
    ] = None,
    formats: Annotated[str, typer.Option("--format", help="Any of these, with commas between.")] = (
        "onnx,openvino,aoti"
    ),
    batch: Annotated[int, typer.Option(help="How many streams a step takes at once.")] = 1,
    device: Annotated[str, typer.Option(help="Where the aoti package will run: cpu or cuda.")] = "cpu",
    json_path: JsonOption = None,
) -> None:
    """Export the face motion network for other runtimes, and check that they compute the same."""
    from engine.motion.stage import WEIGHTS
    from engine.training.export_motion import export_motion

    given = weights or WEIGHTS[80]
    with progress_bar("exporting") as advance:
        made = export_motion(
            given, out, formats=_names(formats), batch=batch, device=device, progress=advance
        )
    if json_path:
        write_json(json_path, made)
    if json_path != "-":
        for about in made.values():
            differs = f"within {about['largest_difference']:.1g} of the network"
            stdout.print(f"{out / about['file']}: {differs}", markup=False, soft_wrap=True)


@train.command("head-pose")
@writes("json_path", folders=("out",))
def train_head_pose(
    data: Annotated[Path, typer.Option(help="The folder that synth-speech filled.")],
    out: Annotated[Path, typer.Option(help="The folder for checkpoints, curves and weights.")],
    steps: Annotated[
        tuple[int, int], typer.Option(help="Steps of the optimiser for the codebook and for what chooses.")
    ] = (1000, 500),
    streams: Annotated[int, typer.Option(help="Minutes of speech and head motion to make.")] = 120,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    resume: ResumeOption = True,
    json_path: JsonOption = None,
) -> None:
    """Train the head pose: a codebook of short movements, and a network that chooses among them by ear."""
    from engine.training import head_pose

    config = head_pose.TrainingConfig(
        streams=streams, codec_steps=steps[0], chooser_steps=steps[1], seed=seed
    )
    with progress_bar("training") as advance:
        numbers = head_pose.train_head_pose(
            data, out, config=config, device=device, resume=resume, progress=advance
        )
    _tell(out, numbers, json_path)


@train.command("renderer-pairs")
@writes(folders=("out",))
def train_renderer_pairs(
    out: Annotated[Path, typer.Option(help="The folder to fill; what it holds already is kept.")],
    people: Annotated[int, typer.Option(help="How many made people to draw.")] = 300,
    first: Annotated[int, typer.Option(help="The number of the first of them.")] = 0,
    videos: Annotated[
        Path | None,
        typer.Option(
            help="Take real people from a folder of videos laid out as HDTF's, instead of made ones."
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Draw geometric frames beside true pictures of the same moments, to train the renderer on."""
    if videos is not None:
        from engine.training.video_pairs import make_video_pairs

        with progress_bar("tracking") as advance:
            clips = make_video_pairs(videos, out, seed=seed, progress=advance)
        stdout.print(
            f"{out}: " + ", ".join(f"{name} {of} clips" for name, of in clips.items()),
            markup=False,
            soft_wrap=True,
        )
        return
    from engine.training.made_pairs import make_pairs

    with progress_bar("drawing") as advance:
        there = make_pairs(out, people=people, first=first, seed=seed, progress=advance)
    stdout.print(f"{out}: {there} people", markup=False, soft_wrap=True)


@train.command("renderer")
@writes("json_path", folders=("out",))
def train_renderer(
    data: Annotated[Path, typer.Option(help="The folder that renderer-pairs filled.")],
    out: Annotated[Path, typer.Option(help="The folder for checkpoints, curves, sheets and weights.")],
    steps: Annotated[int, typer.Option(help="Steps of the optimiser.")] = 20_000,
    pairs: Annotated[int, typer.Option(help="Pairs of neighbouring moments in a batch.")] = 4,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 3e-3,
    validate_on: Annotated[
        Path | None,
        typer.Option(help="Another folder of pairs to validate on; else some people are held back."),
    ] = None,
    begin_with: Annotated[
        Path | None, typer.Option(help="Weights to begin with instead of random ones.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "cpu",
    resume: ResumeOption = True,
    json_path: JsonOption = None,
) -> None:
    """Train the motion VAE and the generator that refine frames."""
    from engine.training import renderer

    config = renderer.RendererTraining(steps=steps, pairs=pairs, rate=rate, seed=seed)
    with progress_bar("training") as advance:
        numbers = renderer.train_renderer(
            data,
            out,
            config=config,
            validate_on=validate_on,
            begin_with=begin_with,
            device=device,
            resume=resume,
            progress=advance,
        )
    _tell(out, numbers, json_path)


def _tell(out: Path, numbers: dict[str, float], json_path: str | None) -> None:
    """What a training run ended with, for people and machines."""
    if json_path:
        write_json(json_path, numbers)
    if json_path != "-":
        told = ", ".join(f"{name} {number:.4g}" for name, number in numbers.items())
        stdout.print(f"{out}: {told}", markup=False, soft_wrap=True)


def _names(joined: str) -> list[str]:
    """The names in an option that takes several."""
    return [name.strip() for name in joined.split(",") if name.strip()]
