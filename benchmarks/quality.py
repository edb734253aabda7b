"""Lips, head and picture in one table: the evaluations that hold bars, on the media that are given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import commit, machine
from benchmarks.stages import versions
from engine.errors import SettingError
from engine.training import evaluate as metrics

ROWS: Final = {
    "lips": "clips",
    "pose": "sounds",
    "video": "clips",
    "motion": "rows, two for each set of recordings",
}
"""What an evaluation has a row for."""
Evaluation = Callable[..., metrics.Report]


def measure(
    *,
    lips: Path | None = None,
    pose: Path | None = None,
    video: Path | None = None,
    motion: Path | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Every bar of every evaluation whose media are given; JSON values.

    Args:
        lips, video: clips of a speaking face, as for ``vividlive evaluate``. pose: recordings of speech. motion: timed
            speech.

    Raises:
        SettingError: nothing is given.
    """
    wanted: list[tuple[str, Evaluation, Path | None]] = [
        ("lips", metrics.evaluate_lips, lips),
        ("pose", metrics.evaluate_pose, pose),
        ("video", metrics.evaluate_video, video),
        ("motion", metrics.evaluate_motion, motion),
    ]
    given = [(name, run, path) for name, run, path in wanted if path is not None]
    if not given:
        raise SettingError("expected media: --lips, --pose, --video or --motion PATH")
    rows, notes = [], {}
    for done, (name, run, path) in enumerate(given):
        found = run(path, progress=lambda share, done=done: progress((done + share) / len(given)))
        rows += rows_of_report(name, found)
        notes[name] = [f"{len(found.rows)} {ROWS[name]}", *found.notes]
    return {
        "benchmark": "quality",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {name: path.name for name, _, path in given},
        "notes": notes,
        "quality": rows,
    }


def rows_of_report(name: str, found: metrics.Report) -> list[dict[str, Any]]:
    """One row for each bar of a report."""
    return [
        {
            "evaluation": name,
            "name": bar.name,
            "value": round(bar.value, 4) if bar.value == bar.value else None,
            "expected": bar.range,
            "met": "yes" if bar.met else "NO",
        }
        for bar in found.bars
    ]


def missed_bars(result: dict[str, Any]) -> list[str]:
    """Which bars are missed, in words."""
    return [
        f"expected {row['evaluation']} {row['name']} {row['expected']}, got {row['value']}"
        for row in result["quality"]
        if row["met"] != "yes"
    ]
