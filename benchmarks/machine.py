"""What every result says of where it was measured, and how numbers are summed up."""

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.conventions import FRAME_RATE

ROOT: Final = Path(__file__).parents[1]
FRAME_MS: Final = 1000.0 / FRAME_RATE


def machine() -> dict[str, Any]:
    """Processor, cores and system, and how many jobs wanted a core in the minute before this call.

    It comes after measuring, so the benchmark's own work is in that: with much more than it uses itself and no free cores,
    times of the wall say little.
    """
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    named = {"cpu": cpu or platform.processor(), "cores": cores, "system": platform.platform()}
    return named | {"load": load}


def commit() -> str:
    """The commit that is checked out; empty where there is none."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout.strip()
    except OSError:  # no git here
        return ""


def times_ms(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, 95th and 99th percentile and worst of milliseconds."""
    found = np.quantile(values, [0.5, 0.95, 0.99, 1.0]).tolist()
    names = "median_ms", "p95_ms", "p99_ms", "max_ms"
    return {name: round(value, digits) for name, value in zip(names, found, strict=True)}


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """5th percentile, median and 95th percentile; None without values."""
    if not values:
        return None
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"p5": round(float(low), 2), "median": round(float(median), 2), "p95": round(float(high), 2)}


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
