"""``vividlive bench``: how fast this machine is, stage by stage."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import InputError
from vividlive.terminal import EXIT_BAR_MISSED, progress_bar, stderr, stdout, write_json

bench = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)

JsonOption = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to PATH, or - for stdout.")
]
QuickOption = Annotated[bool, typer.Option("--quick", help="Seconds instead of minutes, less exact.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Exit with 3 when a bar is missed.")]
SizeOption = Annotated[int, typer.Option(help="Side of the frames in pixels: 256, 512 or 768.")]
AvatarOption = Annotated[
    Path | None, typer.Option(help="Avatar bundle to draw; without it the bundled portrait's is made first.")
]


@bench.command()
def stages(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    look_ahead_ms: Annotated[int, typer.Option(help="80, or 40 for less delay.")] = 80,
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Time every stage of a frame on one thread, from a chunk of sound to the encoded picture."""
    from benchmarks import stages as benchmark

    subject = _avatar(avatar)
    with progress_bar("stages") as progress:
        result = benchmark.measure(
            subject,
            size=size,
            seconds=10.0 if quick else 60.0,
            look_ahead_ms=look_ahead_ms,
            progress=progress,
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
def kernels(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    quick: QuickOption = False,
    json_path: JsonOption = None,
) -> None:
    """Time each kernel on a real frame, after checking that it computes its definition."""
    from benchmarks import kernel_times as benchmark

    subject = _avatar(avatar)
    with progress_bar("kernels") as progress:
        result = benchmark.measure(subject, size=size, repeats=30 if quick else 200, progress=progress)
    _finish(result, json_path, [])


@bench.command()
def sessions(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Count how many avatars hold 25 frames a second with under 1 % misses, encoding included."""
    from benchmarks import sessions as benchmark

    subject = _avatar(avatar)
    with progress_bar("sessions") as progress:
        result = benchmark.measure(
            subject, size=size, seconds=5.0 if quick else 20.0, most=4 if quick else 8, progress=progress
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
def motion(
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the face motion network; without it those that ship.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu or cuda: where torch and AOTInductor take batches of streams.")
    ] = "cpu",
    exports: Annotated[
        Path | None, typer.Option(help="Folder of exports to keep: compiling takes a minute or more.")
    ] = None,
    note: Annotated[str, typer.Option(help="A remark for the result: what else this machine did.")] = "",
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Time the motion stage and its network in every runtime that is installed, after checking that they agree."""
    from benchmarks import motion as benchmark
    from engine.motion.stage import WEIGHTS
    from engine.training.export_motion import SUFFIXES

    with progress_bar("motion") as progress:
        result = benchmark.measure(
            weights or WEIGHTS[80],
            frames=200 if quick else 1500,
            device=device,
            formats=() if quick and exports is None else tuple(SUFFIXES),
            exports=exports,
            note=note,
            progress=progress,
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A result of --json.")],
    after: Annotated[Path, typer.Argument(help="Another one of the same benchmark.")],
    json_path: JsonOption = None,
) -> None:
    """Show two results side by side, with ratios."""
    from rich.table import Table

    from benchmarks.tables import compared

    lines = compared(_read(before), _read(after))
    if json_path is not None:
        write_json(json_path, lines)
        return
    table = Table("row", "value", "before", "after", "ratio")
    for line in lines:
        table.add_row(*("" if value is None else str(value) for value in line.values()))
    stdout.print(table)


@bench.command()
def report(
    results: Annotated[list[Path], typer.Argument(help="Results of --json.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
) -> None:
    """Write results as one HTML page with plots."""
    from benchmarks.html_report import report as page

    text = page([_read(path) for path in results])
    out.write_text(text, encoding="utf-8")


def _avatar(bundle: Path | None) -> Any:
    from engine.avatar.avatar import Avatar

    if bundle is not None:
        return Avatar.load(bundle)
    from benchmarks.live_page import PORTRAITS
    from engine.avatar.create import create_avatar

    return create_avatar(next(PORTRAITS.glob("grace_hopper.*")), rights="public-domain")


def _finish(result: dict[str, Any], json_path: str | None, missed: list[str]) -> None:
    from benchmarks.tables import tables

    if json_path is not None:
        write_json(json_path, result)
    if json_path != "-":
        stdout.print(tables(result))
    for line in missed:
        stderr.print(line, markup=False, highlight=False, soft_wrap=True)
    if missed:
        raise typer.Exit(EXIT_BAR_MISSED)


def _read(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a result of `vividlive bench ... --json` in {path}: {error}") from error
    if not isinstance(result, dict):
        raise InputError(f"expected a result of `vividlive bench ... --json` in {path}")
    return result
