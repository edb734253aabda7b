"""Results of ``vividlive bench`` as one HTML page that needs nothing else."""

from html import escape
from typing import Any, Final

from benchmarks.tables import rows_of

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c1f24; background: #fff; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #d9dde3; text-align: right } th:first-child, td:first-child { text-align: left }
.note { color: #5a626e } svg text { font: 12px system-ui, sans-serif; fill: currentColor }
@media (prefers-color-scheme: dark) { body { background: #14161a; color: #e6e8ec } th, td { border-color: #343a43 } .note { color: #9aa3b0 } }
"""

BAR: Final = "#3b7dd8"
RANGE: Final = "#9cc2f2"
ROW_HEIGHT: Final = 26
WIDTH: Final = 720
LABEL_WIDTH: Final = 170


def report(results: list[dict[str, Any]]) -> str:
    """One page with a plot and a table for each result."""
    parts = "".join(_section(result) for result in results)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vividlive benchmarks</title>'
        f"<style>{STYLE}</style></head><body><h1>Vividlive benchmarks</h1>{parts}</body></html>\n"
    )


def _section(result: dict[str, Any]) -> str:
    machine, settings = result["machine"], result["settings"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; commit {result['commit']}"
    how = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
    return (
        f"<h2>{escape(result['benchmark'])}</h2><p class=note>{escape(where)}<br>{escape(how)}</p>"
        f"{_plot(result)}{_table(rows_of(result))}"
    )


def _plot(result: dict[str, Any]) -> str:
    """Bars: medians with the reach of the 99th percentile for times, missed frames for sessions."""
    if result["benchmark"] == "sessions":
        bars = [(f"{r['sessions']} sessions", 100 * r["missed_share"], 0.0) for r in result["sessions"]]
        return _bars(bars, "% of frames missed")
    rows = rows_of(result)
    names = [" ".join(filter(None, (row.get("kernel"), row["name"]))) for row in rows]
    bars = [(name, row["median_ms"], row.get("p99_ms", 0.0)) for name, row in zip(names, rows, strict=True)]
    return _bars(bars, "ms: median, and 99th percentile in light" if "p99_ms" in rows[0] else "ms, median")


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
            f'<text x="{LABEL_WIDTH + max(value, reach) * scale + 6:.1f}" y="{y + 17}">{value:g}</text>'
        )
    return (
        f'<svg width="100%" viewBox="0 0 {WIDTH} {height}" role="img">{"".join(drawn)}'
        f'<text x="{LABEL_WIDTH}" y="{height - 6}">{escape(unit)}</text></svg>'
    )


def _table(rows: list[dict[str, Any]]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(v))}</td>" for v in row.values()) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
