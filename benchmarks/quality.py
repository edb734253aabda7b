"""Lips, head and picture in one table: the evaluations that hold bars, on the media that are given."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import commit, machine
from benchmarks.stages import versions
from engine.errors import InputError, SettingError
from engine.training import evaluate as metrics

ROWS: Final = {
    "lips": "clips",
    "pose": "sounds",
    "video": "clips",
    "motion": "rows, two for each set of recordings",
}
"""What an evaluation has a row for."""
COSTS: Final = {"lips": 121.0, "pose": 6.0, "video": 329.0, "motion": 73.0}
"""Seconds of a processor in ``results/quality.json``, for the time that is left."""
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
        SettingError: nothing is given. InputError: something that is given is not there.
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
    for _, _, path in given:  # now, not after the minutes that others take
        if not path.exists():
            raise InputError(f"expected a file or a folder, but there is no {path}")
    rows, notes = [], {}
    whole, done = sum(COSTS[name] for name, _, _ in given), 0.0
    for name, run, path in given:
        began = time.process_time()
        found = run(
            path,
            progress=lambda share, done=done, cost=COSTS[name]: progress((done + share * cost) / whole),
        )
        done += COSTS[name]
        taken = f"{len(found.rows)} {ROWS[name]}, {time.process_time() - began:.0f} s of processor time"
        rows += rows_of_report(name, found)
        notes[name] = [taken, *found.notes]
    progress(1.0)
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
