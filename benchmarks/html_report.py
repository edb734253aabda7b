"""Results of ``vividlive bench`` as one HTML page that needs nothing else."""

import json
from html import escape
from typing import Any, Final

from benchmarks.charts import BAR, RANGE, Bars, Lines, charts
from benchmarks.tables import HEADINGS, beneath, rows_of, shown

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c1f24; background: #fff; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #d9dde3; text-align: right } .words { text-align: left }
.note { color: #5a626e } svg text { font: 12px system-ui, sans-serif; fill: currentColor }
@media (prefers-color-scheme: dark) { body { background: #14161a; color: #e6e8ec } th, td { border-color: #343a43 } .note { color: #9aa3b0 } }
"""

SHOWN: Final = (
    *("benchmark", "machine", "commit", "versions", "settings", "parts", "frame"),
    *("notes", "counts", "in_browser"),
)
"""What of a result has a place of its own on the page, or is in its rows."""
ROW_HEIGHT: Final = 26
WIDTH: Final = 720
LABEL_WIDTH: Final = 260
LINES_HEIGHT: Final = 280


def report(results: list[dict[str, Any]]) -> str:
    """One page with a plot and a table for each result.

    Raises:
        InputError: what is given as a result is none.
    """
    parts = "".join(_section(result) for result in results)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vividlive benchmarks</title>'
        f"<style>{STYLE}</style></head><body><h1>Vividlive benchmarks</h1>{parts}</body></html>\n"
    )


def _section(result: dict[str, Any]) -> str:
    table = _table(rows_of(result))
    machine, settings = result["machine"], result["settings"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; commit {result['commit']}"
    if machine.get("load") is not None:
        where += f"; load {machine['load']}"
    how = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
    return (
        f"<h2>{escape(result['benchmark'])}</h2><p class=note>{escape(where)}<br>{escape(how)}</p>"
        f"{''.join(map(_chart, charts(result)))}{table}{_extra(result)}"
    )


def _chart(chart: Bars | Lines) -> str:
    drawn = _bars(chart.bars, chart.unit) if isinstance(chart, Bars) else _lines(chart)
    return f"<h3>{escape(chart.title)}</h3>{drawn}"


def _extra(result: dict[str, Any]) -> str:
    """What stands beneath the table, and numbers beside the rows as they are."""
    known = {*SHOWN, result["benchmark"]}
    lines = "".join(f"<br>{escape(line)}" for line in beneath(result)).removeprefix("<br>")
    beside = {name: value for name, value in result.items() if name not in known}
    versions = ", ".join(f"{name} {of}" for name, of in result.get("versions", {}).items())
    told = f"<pre class=note>{escape(json.dumps(beside, indent=1))}</pre>" if beside else ""
    return f"<p>{lines}</p>{told}<p class=note>{escape(versions)}</p>"


def _bars(bars: list[tuple[str, float, float]], unit: str) -> str:
    most = max([max(value, reach) for _, value, reach in bars] + [1e-9])
    scale = (WIDTH - LABEL_WIDTH - 70) / most
    height = ROW_HEIGHT * len(bars) + 24
    drawn = []
    for number, (name, value, reach) in enumerate(bars):
        y = number * ROW_HEIGHT
        drawn.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{y + 9}" width="{max(reach, 0) * scale:.1f}" height="8" fill="{RANGE}"/>'
            f'<rect x="{LABEL_WIDTH}" y="{y + 4}" width="{value * scale:.1f}" height="18" rx="2" fill="{BAR}"/>'
            f'<text x="{LABEL_WIDTH + max(value, reach) * scale + 6:.1f}" y="{y + 17}">{value:.3g}</text>'
        )
    return (
        f'<svg width="100%" viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}'
        f'<text x="{LABEL_WIDTH}" y="{height - 6}">{escape(unit)}</text></svg>'
    )


def _lines(chart: Lines) -> str:
    """Points joined by a line, and dashed what would be linear in the first of them."""
    right, bottom = max(x for x, _ in chart.points), max(y for _, y in chart.points)
    first_x, first_y = chart.points[0]
    top = max(bottom, first_y * right / first_x)

    def at(x: float, y: float) -> tuple[float, float]:
        return 60 + x / right * (WIDTH - 160), LINES_HEIGHT - 40 - y / top * (LINES_HEIGHT - 70)

    places = [at(x, y) for x, y in chart.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    (x0, y0), (x1, y1) = at(0, 0), at(right, first_y * right / first_x)
    marks = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{BAR}"/>'
        f'<text x="{px + 8:.1f}" y="{py + 14:.1f}">{y:g}</text>'
        f'<text x="{px:.1f}" y="{LINES_HEIGHT - 22}" text-anchor="middle">{x:.3g}</text>'
        for (x, y), (px, py) in zip(chart.points, places, strict=True)
    )
    return (
        f'<svg width="100%" viewBox="0 0 {WIDTH} {LINES_HEIGHT}" role="img">'
        f'<path d="M60 20 V{LINES_HEIGHT - 40} H{WIDTH - 60}" fill="none" stroke="currentColor" opacity=".35"/>'
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{RANGE}" stroke-dasharray="6 4"/>'
        f'<polyline points="{path}" fill="none" stroke="{BAR}" stroke-width="2"/>{marks}'
        f'<text x="60" y="14">{escape(chart.unit)}; dashed: linear</text>'
        f'<text x="{WIDTH - 60}" y="{LINES_HEIGHT - 4}" text-anchor="end">{escape(chart.x_unit)}</text></svg>'
    )


def _table(rows: list[dict[str, Any]]) -> str:
    head = "".join(
        f"<th{_side(value)}>{escape(HEADINGS.get(name, name.replace('_', ' ')))}</th>"
        for name, value in rows[0].items()
    )
    body = "".join(
        "<tr>" + "".join(f"<td{_side(value)}>{escape(shown(value))}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _side(value: Any) -> str:
    """Words stand on the left, numbers on the right."""
    return " class=words" if isinstance(value, str) else ""
