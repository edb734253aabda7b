"""Motion as a table: one CSV row a frame, for other renderers and for editing by hand."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from engine.conventions import ARKIT_NAMES, FRAME_RATE, LIP_OFFSET_NAMES, POSE_NAMES
from engine.errors import InputError
from engine.files import replaced
from engine.motion.values import Motion

LIP_COLUMNS = tuple(f"lip{name.capitalize()}" for name in LIP_OFFSET_NAMES)
COLUMNS = ("time_s", *ARKIT_NAMES, *POSE_NAMES, *LIP_COLUMNS)

MAX_SPAN_S: Final = 4 * 3600.0

LARGEST: Final = 1e6
"""No value is beyond this; a picture of such a pose holds no face, and soon no finite number."""


def write_motion(path: str | Path, motions: Iterable[Motion]) -> int:
    """Write one row a frame: its start time in seconds, the 52 ARKit values, the six pose values, the five lip offsets.

    Returns:
        The number of rows.

    Raises:
        InputError: the file cannot be written; an existing one stays.
    """
    rows = 0
    with replaced(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for motion in motions:
            values = [f"{value:.5f}" for value in (*motion.blendshapes, *motion.pose, *motion.lip_offsets)]
            writer.writerow([f"{motion.number / FRAME_RATE:.3f}", *values])
            rows += 1
    return rows


def read_motion(path: str | Path) -> list[Motion]:
    """Read a table of motion and resample it to 25 frames a second by linear interpolation.

    Convention: ``time_s`` and at least one ARKit or pose column are needed; other columns are ignored and missing
    ones are zero. Blendshapes and lip offsets are clipped to their ranges.

    Raises:
        InputError: the file is missing, is no such table, holds values that are not finite numbers up to ``LARGEST``, or
            spans more than ``MAX_SPAN_S``.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name for name in COLUMNS[1:] if name in (reader.fieldnames or [])]
            if "time_s" not in (reader.fieldnames or []) or not set(names) - set(LIP_COLUMNS):
                raise InputError(
                    f"expected a motion table with the column time_s and ARKit names, got {path}"
                )
            table = np.array(
                [[float(row[name]) for name in ("time_s", *names)] for row in reader], np.float64
            )
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
        raise InputError(
            f"expected a motion table (CSV with numbers), cannot read {path}: {error}"
        ) from error
    if len(table) == 0 or not np.isfinite(table).all() or (np.diff(table[:, 0]) <= 0).any():
        raise InputError(f"expected finite rows with rising time_s in {path}, and at least one row")
    if (np.abs(table[:, 1:]) > LARGEST).any():
        raise InputError(f"expected values up to {LARGEST:g} in {path}, got {np.abs(table[:, 1:]).max():g}")
    times = table[:, 0] - table[0, 0]
    if times[-1] > MAX_SPAN_S:
        raise InputError(
            f"expected time_s in seconds, {MAX_SPAN_S / 3600:g} hours at most, got {times[-1]:g} s from the first row of "
            f"{path} to the last"
        )
    frames = int(np.floor(times[-1] * FRAME_RATE + 0.5)) + 1
    grid = np.arange(frames) / FRAME_RATE
    columns = {name: np.interp(grid, times, table[:, k + 1]) for k, name in enumerate(names)}
    zeros = np.zeros(frames)
    shapes, poses, lips = (
        np.stack([columns.get(name, zeros) for name in group], axis=1).astype(np.float32)
        for group in (ARKIT_NAMES, POSE_NAMES, LIP_COLUMNS)
    )
    return [Motion(n, shapes[n], poses[n], lip_offsets=lips[n]).clamped() for n in range(frames)]
