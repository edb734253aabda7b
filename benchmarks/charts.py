"""What of each result is worth a picture: shared by the HTML report and the PNG plots."""

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.tables import rows_of

BAR: Final = "#3b7dd8"
RANGE: Final = "#9cc2f2"


@dataclass(frozen=True)
class Bars:
    """One bar a row: its name, the value, and how far the light bar behind it reaches (0: none)."""

    name: str
    title: str
    unit: str
    bars: list[tuple[str, float, float]]


@dataclass(frozen=True)
class Lines:
    """One line of points (x, y) with rising x."""

    name: str
    title: str
    unit: str
    x_unit: str
    points: list[tuple[float, float]]


def charts(result: dict[str, Any]) -> list[Bars | Lines]:
    """The charts of one result; none where a table says it all."""
    kind, rows = result["benchmark"], rows_of(result)
    if kind in ("quality", "floor") or not rows:
        return []
    if kind == "sessions":
        bars = [(f"{row['sessions']} sessions", round(100 * row["missed_share"], 2), 0.0) for row in rows]
        return [Bars(kind, "frames missed against sessions", "% of frames missed", bars)]
    if kind == "scaling":
        return _scaling(rows, result["settings"].get("session_size", 512))
    if kind == "gpu":
        return [_batch(rows, batch) for batch in sorted({row["batch"] for row in rows})]
    if kind == "latency":
        return [_budget(rows, way) for way in dict.fromkeys(row["way"] for row in rows)]
    if kind == "kernels":
        names = dict.fromkeys(row["kernel"] for row in rows)
        return [_kernel(name, [row for row in rows if row["kernel"] == name]) for name in names]
    return [_times(kind, kind, rows)]


def _times(name: str, title: str, rows: list[dict[str, Any]]) -> Bars:
    """Medians, with the reach of the slowest hundredth where that is known."""
    bars = [(row["name"], row["median_ms"], row.get("p99_ms") or 0.0) for row in rows]
    known = rows[0].get("p99_ms") is not None
    unit = "ms: median, and 99th percentile in light" if known else "ms, median"
    return Bars(name, title, unit, bars)


def _kernel(name: str, rows: list[dict[str, Any]]) -> Bars:
    """Processor time where it was measured: every way takes one thread, and other work changes it less."""
    column = "cpu_ms" if "cpu_ms" in rows[0] else "median_ms"
    unit = "ms of processor time, median" if column == "cpu_ms" else "ms, median"
    return Bars(f"kernels-{name}", name, unit, [(row["name"], row[column], 0.0) for row in rows])


def _budget(rows: list[dict[str, Any]], way: str) -> Bars:
    chosen = [row for row in rows if row["way"] == way and row["name"] != "left of the budget"]
    known = [row for row in chosen if row["median_ms"] is not None]
    return _times(f"latency-{way.replace(' ', '-').lower()}", f"latency, {way}", known)


def _batch(rows: list[dict[str, Any]], batch: int) -> Bars:
    return _times(f"gpu-{batch}", f"a batch of {batch}", [row for row in rows if row["batch"] == batch])


def _scaling(rows: list[dict[str, Any]], session_size: int) -> list[Bars | Lines]:
    sizes = sorted((row["size"] ** 2 / 1e6, row["cpu_ms"]) for row in rows if row["sessions"] == 1)
    sessions = sorted((row["sessions"], row["cpu_ms"]) for row in rows if row["size"] == session_size)
    unit = "ms of processor time a frame"
    found: list[Bars | Lines] = [Lines("scaling-size", "cost against size", unit, "million pixels", sizes)]
    if len(sessions) > 1:
        title = f"cost against sessions, {session_size} px"
        found.append(Lines("scaling-sessions", title, f"{unit} of all", "sessions of one engine", sessions))
    return found
