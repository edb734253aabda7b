"""What every result says of where it was measured, and how numbers are summed up."""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live_page import ROOT


def machine() -> dict[str, Any]:
    """Processor, cores and system."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    return {"cpu": cpu or platform.processor(), "cores": cores, "system": platform.platform()}


def commit() -> str:
    """The commit that is checked out."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.stdout.strip()


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """5th percentile, median and 95th percentile; None without values."""
    if not values:
        return None
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"p5": round(float(low), 2), "median": round(float(median), 2), "p95": round(float(high), 2)}


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
