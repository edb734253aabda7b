"""Results of ``vividlive bench`` as tables on a terminal, and two of them side by side."""

from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from engine.errors import InputError

KINDS: Final = ("stages", "latency", "kernels", "sessions", "scaling", "motion", "quality", "floor", "gpu")
UNTIMED: Final = ("quality", "floor")
OWN_LOAD: Final = 1.0
"""What a benchmark adds to the load of a machine that does nothing else."""
COUNTS: Final = ("sessions", "streams", "size", "batch")
"""Columns that are no measurements."""

HEADINGS: Final = {
    "gb_per_s": "GB/s",
    "share_of_copy": "of a copy",
    "mb": "MB",
    "h100_us": "us, H100",
    "h200_us": "us, H200",
}
"""Where the column's name is too long for a narrow table."""


def tables(result: dict[str, Any]) -> Table:
    """A result as a table."""
    kind = _kind(result)
    rows = rows_of(result)
    title = f"{kind}: {result['machine'].get('gpu', result['machine']['cpu'])}, commit {result['commit']}"
    # Narrow, so that what is measured fits 80 columns.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in rows[0]:
        is_text = isinstance(rows[0][name], str)
        heading = HEADINGS.get(name, name.replace("_", " "))
        width = max(len(shown(row[name])) for row in rows)
        table.add_column(heading, justify="left" if is_text else "right", min_width=width)
    for row in rows:
        table.add_row(*map(shown, row.values()))
    return table


def all_compared(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``compared`` for every benchmark of which both sides have a result.

    Raises:
        InputError: there is none, or they are of different sizes, or no row is in both.
    """
    pairs = _pairs(before, after)
    if not pairs:
        kinds = [", ".join(map(_kind, side)) for side in (before, after)]
        raise InputError(f"expected two results of one benchmark, got {kinds[0]} and {kinds[1]}")
    prefixed = len(pairs) > 1
    lines = [
        {**line, "row": f"{_kind(new)}: {line['row']}"} if prefixed else line
        for old, new in pairs
        for line in compared(old, new)
    ]
    if not lines:
        raise InputError("expected two results with rows of the same names, got none that both have")
    return lines


def differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """What else differs between the results that ``all_compared`` compares: machine and settings, a line each."""
    found = []
    for old, new in _pairs(before, after):
        sides = [{"machine": result["machine"]["cpu"], **result["settings"]} for result in (old, new)]
        differing = [name for name in {**sides[0], **sides[1]} if sides[0].get(name) != sides[1].get(name)]
        found += [
            f"{_kind(new)}: not the same {name.replace('_', ' ')}, {sides[0].get(name)} and {sides[1].get(name)}"
            for name in differing
        ]
    return found


def _pairs(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Results of one benchmark."""
    known = {_kind(result): result for result in before}
    return [(known[_kind(result)], result) for result in after if _kind(result) in known]


def beneath(result: dict[str, Any]) -> list[str]:
    """What a reader of the table should know besides, a line each."""
    counts = [f"{name}: {shown(value)}" for name, value in result.get("counts", {}).items()]
    notes = [f"{name}: {note}" for name, notes in result.get("notes", {}).items() for note in notes]
    return counts + notes + _busy(result)


def _busy(result: dict[str, Any]) -> list[str]:
    """A warning where times of the wall say little."""
    load, cores = result["machine"].get("load"), result["machine"]["cores"]
    if result["benchmark"] in UNTIMED or load is None or load <= cores + OWN_LOAD:
        return []
    return [f"this machine was busy: {load} jobs wanted its {cores} cores, so times are longer than its own"]


def bars(result: dict[str, Any], width: int = 48) -> str:
    """The medians of a result's rows as lines of blocks, for a terminal."""
    rows = [row for row in rows_of(result) if "median_ms" in row]
    longest, most = max(len(row["name"]) for row in rows), max(row["median_ms"] for row in rows)
    lines = []
    for row in rows:
        blocks = "█" * max(1, round(width * row["median_ms"] / most))
        lines.append(f"{row['name']:<{longest}}  {blocks} {row['median_ms']:.2f} ms")
    return "\n".join(lines)


def rows_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The measured rows of a result."""
    kind = _kind(result)
    if kind != "stages":
        return list(result[kind])
    parts = [{**part, "name": f"- {part['name']}"} for part in result.get("parts", ())]
    first = [row for row in result[kind] if row["name"] == "motion"]
    return [*first, *parts, *(row for row in result[kind] if row["name"] != "motion"), result["frame"]]


def compared(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Numbers of two results of one benchmark, and their ratio; rows that only one has are left out.

    Raises:
        InputError: they are of different sizes.
    """
    sizes = [result["settings"].get("size") for result in (before, after)]
    if sizes[0] != sizes[1]:
        raise InputError(f"expected two results for one frame size, got {sizes[0]} and {sizes[1]}")
    known = {_name_of(row): row for row in rows_of(before)}
    lines = []
    for row in rows_of(after):
        for name, value in row.items():
            old = known.get(_name_of(row), {}).get(name)
            if isinstance(value, int | float) and isinstance(old, int | float) and name not in COUNTS:
                ratio = round(value / old, 3) if old else None
                lines.append(
                    {"row": _name_of(row), "value": name, "before": old, "after": value, "ratio": ratio}
                )
    return lines


def shown(value: Any) -> str:
    """A value, or several, as people read it; nothing where there is none."""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return "" if value is None else str(value)


def _name_of(row: dict[str, Any]) -> str:
    named = [str(row[key]) for key in ("way", "evaluation", "kernel", "batch", "name") if key in row]
    return " ".join(named) or str(row.get("sessions"))


def is_result(found: Any) -> bool:
    """Whether this is what a benchmark returns."""
    if not isinstance(found, dict) or found.get("benchmark") not in KINDS or "commit" not in found:
        return False
    machine, settings, rows = (found.get(name) for name in ("machine", "settings", found["benchmark"]))
    described = isinstance(machine, dict) and {"cpu", "cores", "system"} <= machine.keys()
    measured = isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)
    whole = found["benchmark"] != "stages" or isinstance(found.get("frame"), dict)
    return described and isinstance(settings, dict) and measured and whole


def _kind(result: dict[str, Any]) -> str:
    if not is_result(result):
        raise InputError(f"expected a result of `vividlive bench {'|'.join(KINDS[:-1])} --json`")
    return str(result["benchmark"])
