"""Pictures of heads that move: the angles of some seeds over time, above the level of what is said."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import UnavailableError

Float = NDArray[np.floating[Any]]


def plot_poses(path: Path, title: str, poses: Float, level_db: Float) -> None:
    """Draw poses [seeds, F, 6] and the level [F] into a PNG file.

    Raises:
        UnavailableError: matplotlib is missing.
    """
    try:
        figure_class: Any = importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise UnavailableError("expected matplotlib: pip install 'vividlive[eval]'") from error
    time = np.arange(poses.shape[1]) / FRAME_RATE
    figure = figure_class(figsize=(14, 3 * len(poses)), layout="constrained")
    for seed, (axes, angles) in enumerate(zip(np.ravel(figure.subplots(len(poses))), poses, strict=True)):
        for name, column in zip(("yaw", "pitch", "roll"), angles.T, strict=False):
            axes.plot(time, column, label=name, linewidth=1.2)
        axes.plot(time, level_db / 10 - 12, color="grey", linewidth=0.6, label="level, 10 dB")
        axes.set(title=f"{title}, seed {seed}", ylabel="degrees", ylim=(-15, 12), xlim=(0, time[-1]))
    axes.set_xlabel("seconds")
    axes.legend(loc="lower right", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
