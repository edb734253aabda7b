"""Plots of results as PNG files, for documents that cannot hold HTML."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.charts import BAR, RANGE, Bars, Lines, charts
from engine.errors import UnavailableError
from engine.files import replaced


def write_plots(results: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write every chart of every result; returns the files.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise UnavailableError("expected matplotlib for plots: pip install 'vividlive[eval]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, result in enumerate(results):
        for chart in charts(result):
            figure, axis = pyplot.subplots(
                figsize=(8, 0.34 * len(chart.bars) + 1.2 if isinstance(chart, Bars) else 4)
            )
            _bars(axis, chart) if isinstance(chart, Bars) else _lines(axis, chart)
            axis.set_title(
                f"{chart.title}\n{result['machine']['cpu']}, {result['commit']}", fontsize=10, loc="left"
            )
            for side in ("top", "right"):
                axis.spines[side].set_visible(False)
            figure.tight_layout()
            same = sum(other["benchmark"] == result["benchmark"] for other in results[:number])
            path = folder / f"{chart.name}{f'-{same + 1}' if same else ''}.png"
            with replaced(path) as part:
                figure.savefig(part, dpi=150, format="png")
            pyplot.close(figure)
            written.append(path)
    return written


def _bars(axis: Any, chart: Bars) -> None:
    names = [name for name, _, _ in chart.bars]
    places = range(len(names))
    axis.barh(places, [max(value, reach) for _, value, reach in chart.bars], height=0.3, color=RANGE)
    axis.barh(places, [value for _, value, _ in chart.bars], height=0.66, color=BAR)
    for place, (_, value, reach) in zip(places, chart.bars, strict=True):
        axis.annotate(
            f"{value:.3g}", (max(value, reach), place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axis.set_yticks(places, names)
    axis.invert_yaxis()
    axis.set_xlabel(chart.unit)


def _lines(axis: Any, chart: Lines) -> None:
    xs = [x for x, _ in chart.points]
    axis.plot(xs, [y for _, y in chart.points], "o-", color=BAR, label="measured")
    first_x, first_y = chart.points[0]
    axis.plot([0, xs[-1]], [0, first_y * xs[-1] / first_x], "--", color="0.6", label="linear in the first")
    axis.set_xlim(0)
    axis.set_ylim(0)
    axis.set_xlabel(chart.x_unit)
    axis.set_ylabel(chart.unit)
    axis.legend(frameon=False)
