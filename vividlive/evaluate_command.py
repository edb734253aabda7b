"""``vividlive evaluate``: quality measured on real media."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from engine.errors import SettingError
from vividlive.options import JsonOption, LookAheadOption, refuse_given
from vividlive.outputs import writes
from vividlive.terminal import EXIT_BAR_MISSED, progress_bar, stderr, stdout, write_json

PlotsOption = Annotated[
    Path | None,
    typer.Option(help="Folder for pictures of the curves against the reference (motion, lips, pose)."),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        help="Weights to measure instead of those that ship: of the face motion (motion), or of the renderer (video)."
    ),
]

if TYPE_CHECKING:
    from engine.training.evaluate import Report


@writes("json_path", folders=("plots",))
def evaluate(
    what: Annotated[str, typer.Argument(help="lips, pose, motion, silence, faces, contact, head or video.")],
    path: Annotated[
        Path, typer.Argument(help="A clip or portrait, or a folder of them (motion: of timed speech).")
    ],
    look_ahead_ms: LookAheadOption = 80,
    sounds: Annotated[
        Path | None,
        typer.Option(help="silence: a folder of recordings without speech; names of music begin with music."),
    ] = None,
    speech: Annotated[
        Path | None, typer.Option(help="contact: a folder of shards from vividlive train synth-speech.")
    ] = None,
    json_path: JsonOption = None,
    plots: PlotsOption = None,
    weights: WeightsOption = None,
    quality: Annotated[
        str, typer.Option(help="video: geometric, or neural, which is measured beside it.")
    ] = "geometric",
    inception: Annotated[
        Path | None,
        typer.Option(
            help="video: Inception's weights (TorchScript) for a real FID instead of VGG16's features."
        ),
    ] = None,
    headroom: Annotated[
        bool,
        typer.Option(
            "--headroom",
            help="video: also measure geometric frames that are told the true motion or colours: what is left to win.",
        ),
    ] = False,
    reference_curves: Annotated[
        Path | None,
        typer.Option(help="motion: captured curves of the sound PATH (CSV with time_s and ARKit names)."),
    ] = None,
) -> None:
    """Measure the quality on real media; exit code 3 when a bar is missed."""
    from engine.render.neural.runtime import WEIGHTS, open_runtime
    from engine.training import evaluate as metrics

    kinds: dict[str, Callable[..., metrics.Report]] = {
        "lips": metrics.evaluate_lips,
        "silence": metrics.evaluate_silence,
        "faces": metrics.evaluate_faces,
        "contact": metrics.evaluate_contact,
    }
    known = ("pose", "motion", "head", "video", *kinds)
    if what not in known:
        raise SettingError(f"expected one of {', '.join(known)}, got {what!r}")
    if sounds is not None and what != "silence":
        raise SettingError(f"expected --sounds with silence alone, got it with {what}")
    if reference_curves and what != "motion":
        raise SettingError(f"expected --reference-curves with motion alone, got it with {what}")
    if quality not in ("geometric", "neural"):
        raise SettingError(f"expected a quality of geometric or neural, got {quality!r}")
    if what != "video" and (quality != "geometric" or inception or headroom):
        raise SettingError(f"expected --quality, --inception and --headroom with video alone, got {what}")
    if weights and what != "motion" and quality != "neural":
        raise SettingError(f"expected --weights with motion, or with video --quality neural, got {what}")
    if plots is not None and what not in ("motion", "lips", "pose"):
        raise SettingError(f"expected --plots with motion, lips or pose, got it with {what}")
    if reference_curves is not None:
        refuse_given("--reference-curves", {"--plots": plots is not None})
    if what in ("pose", "head", "video"):
        refuse_given(what, {"--look-ahead-ms": look_ahead_ms != 80})
    if (speech is None) == (what == "contact"):
        raise SettingError(f"expected --speech with contact and with nothing else, got {what}")
    with progress_bar(f"evaluating {what}") as advance:
        if reference_curves is not None:
            result = metrics.evaluate_captured(
                path, reference_curves, look_ahead_ms=look_ahead_ms, weights=weights
            )
        elif what == "motion":
            result = metrics.evaluate_motion(
                path, look_ahead_ms=look_ahead_ms, weights=weights, plots=plots, progress=advance
            )
        elif what == "pose":
            result = metrics.evaluate_pose(path, plots=plots, progress=advance)
        elif what == "video":
            runtime = open_runtime(weights=weights or WEIGHTS) if quality == "neural" else None
            result = metrics.evaluate_video(
                path, runtime=runtime, inception=inception, headroom=headroom, progress=advance
            )
        elif what == "head":
            result = metrics.evaluate_head(path, progress=advance)
        elif speech is not None:
            stage = metrics.AvatarMaker(look_ahead_ms=look_ahead_ms).motion
            result = metrics.evaluate_contact(path, speech=speech, motion=stage, progress=advance)
        else:
            maker = metrics.AvatarMaker(look_ahead_ms=look_ahead_ms)
            own: dict[str, dict[str, Any]] = {
                "silence": {"sounds": sounds, "motion": maker.motion},
                "lips": {"plots": plots},
            }
            result = kinds[what](path, progress=advance, maker=maker, **own.get(what, {}))
    _show_evaluation(result, json_path)


def _show_evaluation(result: "Report", json_path: str | None) -> None:
    """Print and write what was found.

    Raises:
        typer.Exit: code 3, a bar was missed.
    """
    if json_path:
        write_json(json_path, result.to_json())
    if json_path != "-":
        (stdout if stdout.is_terminal else Console(width=240)).print(result.table())
    if not result.met:
        stderr.print("the bar was missed")
        raise typer.Exit(EXIT_BAR_MISSED)
