"""What an evaluation found: rows of numbers, and the bars that they must meet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

Value = str | int | float | bool | None
Progress = Callable[[float], None]
"""Called with the finished fraction."""


@dataclass(frozen=True)
class Bar:
    """One number and the closed range that it must lie in; None leaves a side open."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value lies in the range; a value that is not a number does not."""
        above = self.least is None or self.value >= self.least
        below = self.most is None or self.value <= self.most
        return bool(self.value == self.value and above and below)

    @property
    def range(self) -> str:
        """The range in words."""
        if self.least is None or self.most is None:
            return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"
        return f"{self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Report:
    """The result of one evaluation.

    what: its name. rows: one mapping from column to value for each clip or photo, all with the same columns.
    bars: what must hold. notes: one line each, for the reader.
    """

    what: str
    rows: tuple[Mapping[str, Value], ...]
    bars: tuple[Bar, ...]
    notes: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        """Whether every bar is met."""
        return all(bar.met for bar in self.bars)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; numbers that are not finite become null."""
        bars = [
            {
                "name": bar.name,
                "value": _plain(bar.value),
                "least": bar.least,
                "most": bar.most,
                "met": bar.met,
            }
            for bar in self.bars
        ]
        rows = [{name: _plain(value) for name, value in row.items()} for row in self.rows]
        return {"evaluate": self.what, "met": self.met, "bars": bars, "rows": rows, "notes": list(self.notes)}

    def table(self) -> Group:
        """The report for a terminal."""
        rows = Table(title=f"evaluate {self.what}")
        for name in self.rows[0] if self.rows else ():
            rows.add_column(name, justify="left" if isinstance(self.rows[0][name], str) else "right")
        for row in self.rows:
            rows.add_row(*(Text(_shown(value)) for value in row.values()))
        bars = Table("bar", "value", "expected", "met")
        for bar in self.bars:
            verdict = Text("yes", "green") if bar.met else Text("NO", "bold red")
            bars.add_row(Text(bar.name), _shown(bar.value), bar.range, verdict)
        return Group(rows, *(Text(note) for note in self.notes), bars)


def _plain(value: Value) -> Value:
    if isinstance(value, float):
        return round(value, 4) if abs(value) < float("inf") else None
    return value


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
