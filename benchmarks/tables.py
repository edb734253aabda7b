"""Results of ``vividlive bench`` as tables on a terminal, and two of them side by side."""

from typing import Any, Final

from rich.table import Table

from engine.errors import InputError

KINDS: Final = ("stages", "kernels", "sessions", "motion")
COUNTS: Final = ("sessions", "streams")
"""Columns that are no measurements."""


def tables(result: dict[str, Any]) -> Table:
    """A result as a table."""
    kind = _kind(result)
    rows = rows_of(result)
    table = Table(
        title=f"{kind}: {result['machine']['cpu']}, commit {result['commit']}", title_justify="left"
    )
    for name in rows[0]:
        table.add_column(
            name.replace("_", " "), justify="left" if isinstance(rows[0][name], str) else "right"
        )
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table


def rows_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The measured rows of a result."""
    kind = _kind(result)
    return [*result[kind], result["frame"]] if kind == "stages" else list(result[kind])


def compared(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Numbers of two results of one kind, and their ratio; rows that only one has are left out.

    Raises:
        InputError: they are of different kinds or sizes.
    """
    if _kind(before) != _kind(after):
        raise InputError(f"expected two results of one benchmark, got {_kind(before)} and {_kind(after)}")
    sizes = [result["settings"].get("size") for result in (before, after)]
    if sizes[0] != sizes[1]:
        raise InputError(f"expected two results for one frame size, got {sizes[0]} and {sizes[1]}")
    known = {_name(row): row for row in rows_of(before)}
    lines = []
    for row in rows_of(after):
        for name, value in row.items():
            old = known.get(_name(row), {}).get(name)
            if isinstance(value, int | float) and isinstance(old, int | float) and name not in COUNTS:
                ratio = round(value / old, 3) if old else None
                lines.append(
                    {"row": _name(row), "value": name, "before": old, "after": value, "ratio": ratio}
                )
    return lines


def _name(row: dict[str, Any]) -> str:
    return " ".join(str(row[key]) for key in ("kernel", "name", "sessions") if key in row)


def _kind(result: dict[str, Any]) -> str:
    kind = result.get("benchmark")
    if kind not in KINDS or "machine" not in result or kind not in result:
        raise InputError("expected a result of `vividlive bench stages|kernels|sessions|motion --json`")
    return str(kind)
