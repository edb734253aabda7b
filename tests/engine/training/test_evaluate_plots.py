"""The pictures of curves: they can be written, whatever the lengths."""

from pathlib import Path

import numpy as np
import pytest

from engine.conventions import ARKIT_NAMES
from engine.training.evaluate.agreement import Reference
from engine.training.evaluate.plots import plot_lips, plot_motion
from engine.training.voices import Phone

pytest.importorskip("matplotlib")


def test_pictures_are_written(tmp_path: Path) -> None:
    real = np.sin(np.arange(50) / 5)
    holes = np.where(real > 0.9, np.nan, real)[:40]
    plot_lips(tmp_path / "a" / "lips.png", "clip", {"opening": (real, holes), "width": (real, real)})
    shapes = np.zeros((50, len(ARKIT_NAMES)), np.float32)
    reference = Reference((Phone("p", 0.1, 0.3),), shapes, shapes[:, :15], np.ones(50, np.bool_))
    plot_motion(tmp_path / "motion.png", "clip", reference, {"ours": shapes[:48]})
    for name in ("a/lips.png", "motion.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
