"""``vividlive bench``: how fast this machine is, stage by stage."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.conventions import FRAME_SIZES
from engine.errors import InputError, SettingError, UnavailableError
from engine.files import replaced
from vividlive.options import JsonOption, WeightsOption, refuse_given
from vividlive.outputs import writes
from vividlive.terminal import EXIT_BAR_MISSED, progress_bar, stderr, stdout, warn, write_json

bench = typer.Typer(help="Measure how fast this machine is.", invoke_without_command=True)

QuickOption = Annotated[bool, typer.Option("--quick", help="Seconds instead of minutes, less exact.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Exit with 3 when a bar is missed.")]


def _known_size(size: int) -> int:
    if size not in FRAME_SIZES:
        raise SettingError(f"expected a frame size of {', '.join(map(str, FRAME_SIZES))}, got {size}")
    return size


SizeOption = Annotated[
    int, typer.Option(help="Side of the frames in pixels: 256, 512 or 768.", callback=_known_size)
]
AvatarOption = Annotated[
    Path | None, typer.Option(help="Avatar bundle to draw; without it the bundled portrait's is made first.")
]


@bench.callback()
@writes("out", "json_path")
def everything(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Stages, latency, kernels and scaling in under a minute.")
    ] = False,
    avatar: AvatarOption = None,
    out: Annotated[
        Path | None, typer.Option(help="With --quick: also write an HTML page with plots.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Measure how fast this machine is: a command for each benchmark, or --quick for a first answer."""
    given = json_path is not None or out is not None or avatar is not None
    if context.invoked_subcommand is not None:
        if quick or given:
            raise SettingError(f"expected options after the benchmark's name, {context.invoked_subcommand}")
        return
    if not quick:
        if given:
            raise SettingError("expected --quick or a benchmark's name with these options: add one")
        stdout.print(context.get_help(), markup=False, highlight=False)
        return
    from benchmarks import quick as benchmark
    from benchmarks.html_report import report as page
    from benchmarks.tables import bars, beneath, tables

    subject = _subject(avatar)
    with progress_bar("quick") as progress:
        results = benchmark.measure(subject, progress=progress)
    if json_path is not None:
        write_json(json_path, results)
    if json_path != "-":
        for result in results:
            stdout.print(tables(result))
        if results:
            stdout.print(bars(results[0]), markup=False, highlight=False)
            for line in beneath(results[-1]):
                stdout.print(line, markup=False, highlight=False, soft_wrap=True)
        if len(results) < benchmark.PARTS:
            stderr.print("this machine is too slow or too busy for the rest: see vividlive bench --help")
    if out is not None:
        with replaced(out) as part:
            part.write_text(page(results), encoding="utf-8")


@bench.command()
@writes("json_path")
def stages(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    look_ahead_ms: Annotated[int, typer.Option(help="80, or 40 for less delay.")] = 80,
    quality: Annotated[str, typer.Option(help="geometric, or neural (refined by networks).")] = "geometric",
    runtime: Annotated[
        str, typer.Option(help="What runs the networks: auto, openvino, torch, aoti or tensorrt.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="How exactly: auto, fp32, bf16, or int8 in OpenVINO.")
    ] = "auto",
    weights: WeightsOption = None,
    backend: Annotated[str, typer.Option(help="cpu, or cuda for batches of frames on a GPU.")] = "cpu",
    clock: Annotated[
        str, typer.Option(help="wall, or cpu: processor time, for machines that do other work too.")
    ] = "wall",
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Time every stage of a frame on one thread, from a chunk of sound to the encoded picture."""
    if backend not in ("cpu", "cuda"):
        raise SettingError(f"expected a backend of cpu or cuda, got {backend!r}")
    if backend == "cuda":
        if quality not in ("geometric", "neural"):
            raise SettingError(f"expected a quality of geometric or neural, got {quality!r}")
        given = _of_networks(runtime, precision, weights if quality == "geometric" else None)
        # Batches on a GPU are drawn from made-up motions, and torch runs their networks.
        given |= {"--look-ahead-ms": look_ahead_ms != 80, "--clock": clock != "wall"}
        refuse_given("--backend cuda", given)
        from benchmarks import gpu

        result = _stages_on_gpu(size, avatar, quality, weights, quick)
        _finish(result, json_path, gpu.missed_bars(result) if check else [])
        return
    if quality == "geometric":
        refuse_given("--quality geometric", _of_networks(runtime, precision, weights))
    from benchmarks import stages as benchmark

    subject = _subject(avatar)
    with progress_bar("stages") as progress:
        result = benchmark.measure(
            subject,
            size=size,
            seconds=10.0 if quick else 60.0,
            look_ahead_ms=look_ahead_ms,
            quality=quality,  # type: ignore[arg-type]  # the engine checks it
            runtime=runtime,  # type: ignore[arg-type]
            precision=precision,  # type: ignore[arg-type]
            weights=weights,
            clock=clock,
            progress=progress,
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


def _of_networks(runtime: str, precision: str, weights: Path | None) -> dict[str, bool]:
    """Options of the networks, and whether they were given."""
    return {
        "--runtime": runtime != "auto",
        "--precision": precision != "auto",
        "--weights": weights is not None,
    }


def _stages_on_gpu(
    size: int, avatar: Path | None, quality: str, weights: Path | None, quick: bool
) -> dict[str, Any]:
    """Neural batches with the networks that ship, or with ``weights``; the result says whose."""
    from benchmarks import gpu as benchmark
    from benchmarks.gpu_pack import make_neural_pack, make_pack
    from kernels.cuda import CudaUnavailableError, launcher

    try:
        launcher()
    except CudaUnavailableError as error:
        raise UnavailableError(str(error)) from error
    frames = 50 if quick else 500
    with progress_bar("stages") as progress:
        if quality == "geometric":
            return benchmark.measure(make_pack(_subject(avatar), size), frames=frames, progress=progress)
        pack = make_neural_pack(_subject(avatar), size, weights=weights)
        return benchmark.measure(pack, quality="neural", frames=frames, progress=progress)


@bench.command()
@writes("json_path")
def latency(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Also measure a call in a real Chromium on this machine.")
    ] = False,
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Split the time from a sample of sound to the packet that shows it into pieces, for both look-aheads."""
    from benchmarks import latency as benchmark

    subject = _subject(avatar)
    with progress_bar("latency") as progress:
        result = benchmark.measure(
            subject, size=size, seconds=5.0 if quick else 30.0, browser=browser, progress=progress
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
@writes("json_path")
def scaling(
    avatar: AvatarOption = None,
    most: Annotated[int, typer.Option(help="Sessions of one engine, at most: 1, 2, 4... up to this.")] = 8,
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Measure what a frame costs against its size and against the number of sessions, in processor time."""
    from benchmarks import scaling as benchmark

    if most < 1:
        raise SettingError(f"expected at least one session, got {most}")
    subject = _subject(avatar)
    counts = sorted({1, most, *(2**k for k in range(most.bit_length()))})
    with progress_bar("scaling") as progress:
        result = benchmark.measure(
            subject, seconds=3.0 if quick else 20.0, sessions=counts, progress=progress
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
@writes("json_path")
def quality(
    lips: Annotated[Path | None, typer.Option(help="Clips of speaking faces: opening and width.")] = None,
    pose: Annotated[Path | None, typer.Option(help="Recordings of speech: how the head moves.")] = None,
    video: Annotated[Path | None, typer.Option(help="Clips of speaking faces: reenactment.")] = None,
    motion: Annotated[Path | None, typer.Option(help="Timed speech: closures and curves.")] = None,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Gather the evaluations' bars in one table, each on the media that are given for it; minutes for a minute of clips."""
    from benchmarks import quality as benchmark

    with progress_bar("quality") as progress:
        result = benchmark.measure(lips=lips, pose=pose, video=video, motion=motion, progress=progress)
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
@writes("json_path")
def kernels(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    quick: QuickOption = False,
    json_path: JsonOption = None,
) -> None:
    """Time each kernel on a real frame, after checking that it computes its definition."""
    from benchmarks import kernel_times as benchmark

    subject = _subject(avatar)
    with progress_bar("kernels") as progress:
        result = benchmark.measure(subject, size=size, repeats=30 if quick else 200, progress=progress)
    _finish(result, json_path, [])


@bench.command()
@writes("json_path")
def floor(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    json_path: JsonOption = None,
) -> None:
    """Count what a frame on a GPU must move, and what that takes at the memory's speed; needs no GPU."""
    from benchmarks import floor as benchmark

    subject = _subject(avatar)
    with progress_bar("floor") as progress:
        result = benchmark.measure(subject, size=size, progress=progress)
    _finish(result, json_path, [])


@bench.command()
@writes("json_path")
def sessions(
    size: SizeOption = 512,
    avatar: AvatarOption = None,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes that draw.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, or cuda: a GPU draws.")] = "cpu",
    counts: Annotated[
        list[int] | None,
        typer.Option(
            "--count",
            min=1,
            max=64,
            help="Number of avatars to measure, may be given several times; without it from 1 until frames are missed.",
        ),
    ] = None,
    quick: QuickOption = False,
    check: CheckOption = False,
    json_path: JsonOption = None,
) -> None:
    """Count how many avatars hold 25 frames a second with under 1 % misses, encoding included."""
    from benchmarks import sessions as benchmark
    from engine.pipeline import DEVICES

    if device not in DEVICES:
        raise SettingError(f"expected a device of {', '.join(DEVICES)}, got {device!r}")
    most = 4 if quick else 64 if device == "cuda" else 8 * workers
    wanted = sorted(set(counts)) if counts else [count for count in benchmark.COUNTS if count <= most]
    subject = _subject(avatar)
    with progress_bar("sessions") as progress:
        result = benchmark.measure(
            subject,
            size=size,
            seconds=5.0 if quick else 20.0,
            counts=wanted,
            workers=workers,
            device=device,
            progress=progress,
        )
    _finish(result, json_path, benchmark.missed_bars(result) if check else [])


@bench.command()
@writes("json_path", folders=("exports",))
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
    from benchmarks.motion_times import missed_bars
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
    _finish(result, json_path, missed_bars(result) if check else [])


@bench.command()
@writes("json_path")
def compare(
    before: Annotated[Path, typer.Argument(help="A result of --json.")],
    after: Annotated[Path, typer.Argument(help="Another one of the same benchmark.")],
    json_path: JsonOption = None,
) -> None:
    """Show two results side by side, with ratios; what else differs between them is said on stderr."""
    from rich.table import Table

    from benchmarks.tables import all_compared, differences

    results = _read(before), _read(after)
    lines = all_compared(*results)
    for difference in differences(*results):
        warn(difference)
    if json_path is not None:
        write_json(json_path, lines)
        return
    table = Table("row", "value", "before", "after", "ratio")
    for line in lines:
        table.add_row(*("" if value is None else str(value) for value in line.values()))
    stdout.print(table)


@bench.command()
@writes("out", folders=("png",))
def report(
    results: Annotated[list[Path], typer.Argument(help="Results of --json.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    png: Annotated[Path | None, typer.Option(help="Also write every plot as PNG into this folder.")] = None,
) -> None:
    """Write results as one HTML page with plots."""
    from benchmarks.html_report import report as page

    read = [result for path in results for result in _read(path)]
    if png is not None:
        from benchmarks.plots import write_plots

        for path in write_plots(read, png):
            stdout.print(str(path), markup=False)
    with replaced(out) as part:
        part.write_text(page(read), encoding="utf-8")


def _subject(bundle: Path | None) -> Any:
    from benchmarks.subject import bundled_avatar

    return bundled_avatar(bundle)


def _finish(result: dict[str, Any], json_path: str | None, missed: list[str]) -> None:
    from benchmarks.tables import beneath, tables

    if json_path is not None:
        write_json(json_path, result)
    if json_path != "-":
        stdout.print(tables(result))
        for line in beneath(result):
            stdout.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in missed:
        stderr.print(line, markup=False, highlight=False, soft_wrap=True)
    if missed:
        raise typer.Exit(EXIT_BAR_MISSED)


def _read(path: Path) -> list[dict[str, Any]]:
    """The result in a file, or the several of ``--quick``."""
    from benchmarks.tables import is_result

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a result of `vividlive bench ... --json` in {path}: {error}") from error
    results = found if isinstance(found, list) else [found]
    if not results or not all(map(is_result, results)):
        raise InputError(f"expected a result of `vividlive bench ... --json` in {path}")
    return results
