"""Pictures of curves against what they should be: of motion over the sounds of a recording, of lips over a clip."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import UnavailableError
from engine.training.evaluate.agreement import Float, Reference, jaw, width
from engine.training.evaluate.closures import find_bilabials
from engine.training.phones import PAUSE
from engine.training.visemes import opening

LONGEST_S: Final = 8.0
"""What is shown of a recording."""

_CURVES: Final = {"jaw": jaw, "lip opening": opening, "width": width}
_COLOURS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def plot_motion(path: Path, title: str, reference: Reference, mouths: Mapping[str, Float]) -> None:
    """Write a PNG: three curves of the reference (black) and of each system; bilabials are shaded.

    mouths: shapes [F, 52] by the system's name.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    seconds = min(len(reference.shapes) / FRAME_RATE, LONGEST_S)
    figure, axes = _figure(len(_CURVES), seconds)
    times = (np.arange(len(reference.shapes)) + 0.5) / FRAME_RATE
    for axis, (name, curve) in zip(axes, _CURVES.items(), strict=True):
        axis.plot(times, curve(reference.shapes), "k", linewidth=2, label="reference")
        for colour, (system, shapes) in zip(_COLOURS, mouths.items(), strict=False):
            axis.plot(times[: len(shapes)], curve(shapes), color=colour, label=system)
        for start, end in find_bilabials(reference.phones):
            axis.axvspan(start, end, color="0.9")
        axis.set_ylabel(name)
        axis.set_xlim(0, seconds)
    axes[0].legend(loc="upper right", ncols=1 + len(mouths), fontsize="small")
    for phone in reference.phones:
        if phone.ipa != PAUSE and phone.end_s < seconds:
            middle = (phone.start_s + phone.end_s) / 2
            axes[0].annotate(phone.ipa, (middle, 1.01), xycoords=("data", "axes fraction"), ha="center")
    axes[0].set_title(title, pad=18)
    _save(figure, path)


def plot_lips(
    path: Path, title: str, curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> None:
    """Write a PNG: for each name the real curve [N] (black) and the driven one, a value a frame, around their means.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    seconds = min(max(len(real) for real, _ in curves.values()) / FRAME_RATE, LONGEST_S)
    figure, axes = _figure(len(curves), seconds)
    for axis, (name, (real, driven)) in zip(axes, curves.items(), strict=True):
        for curve, colour, label in ((real, "k", "real"), (driven, _COLOURS[0], "driven")):
            times = (np.arange(len(curve)) + 0.5) / FRAME_RATE
            axis.plot(times, curve - np.nanmean(curve), colour, label=label)
        axis.set_ylabel(name)
        axis.set_xlim(0, seconds)
    axes[0].legend(loc="upper right", ncols=2, fontsize="small")
    axes[0].set_title(title)
    _save(figure, path)


def _figure(rows: int, seconds: float) -> tuple[Any, Any]:
    """An empty figure and its axes, one above the other."""
    try:
        figure_class: Any = importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise UnavailableError("expected matplotlib: pip install 'vividlive[eval]'") from error
    figure = figure_class(figsize=(3 + 1.6 * seconds, 1 + 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True)
    axes[-1].set_xlabel("s")
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)
