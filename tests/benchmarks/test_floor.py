"""What a frame must move: counted by hand for a square, and whole for a face."""

import numpy as np
import pytest
import torch

from benchmarks import floor
from benchmarks.charts import charts
from benchmarks.device_operations import Operations
from benchmarks.html_report import report
from benchmarks.moved import Moved, layer_moves
from benchmarks.tables import rows_of
from kernels.frame import Layer, Scene
from tests.engine.render.made_up import landmarked_avatar

SQUARE = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
ATLAS = np.zeros((4, 4), np.uint32)


def scene(*boxes: tuple[int, int, int, int, int], opacity: int = 256) -> Scene:
    """The vertices of a square of four pixels' side in the upper left corner."""
    positions = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [4, 4, 0]], np.float32)
    return Scene(positions, np.ones((1, 4, 3), np.float32), np.array(boxes, np.int32), opacity)


def test_a_square_is_counted_as_by_hand() -> None:
    drawn = scene((0, 0, 8, 8, 1), (0, 0, 4, 4, 2), (0, 0, 0, 0, 1))
    mesh = 2 * 12 + 4 * 24 + 2 * 44
    assert layer_moves(Layer(SQUARE, ATLAS, 0), drawn, 1.0) == Moved(
        64, 16, mesh + 16 * 16, 2 * 44 + 64 * 16 + 64 * 8 + 16 * 4
    )
    assert layer_moves(Layer(SQUARE, ATLAS, 1), drawn, 1.0) == Moved(
        64, 64, mesh + 64 * 16, 2 * 44 + 64 * 16 + 16 * 8 + 16 * 4
    )
    assert layer_moves(Layer(SQUARE, ATLAS, 2), drawn, 1.0) == Moved(0, 0, 0, 0)
    faded = scene((0, 0, 8, 8, 1), opacity=0)
    assert layer_moves(Layer(SQUARE, ATLAS, 0, fades=True), faded, 1.0) == Moved(0, 0, 0, 0)


def test_a_face_is_counted_whole() -> None:
    seen: list[float] = []
    found = floor.measure(landmarked_avatar(12.0), size=256, progress=seen.append)
    rows = {row["name"]: row for row in rows_of(found)}
    *steps, total = rows.values()
    assert total["mb"] == pytest.approx(sum(row["mb"] for row in steps), abs=0.02) and seen[-1] == 1.0
    assert rows["colour"]["mb"] == round(256 * 256 * 5.5 / 1e6, 2)
    assert total["h100_us"] == pytest.approx(total["mb"] / 3.35, abs=0.01)
    counts = found["counts"]
    launched = [counts[f"{quality}: launches of our kernels"] for quality in ("geometric", "neural")]
    assert launched[0] == 2 * counts["layers"] + 1 and launched[1] > launched[0]
    assert counts["GFLOP of the motion network and the generator"] == [0.35, 1.81]
    assert counts["samples of the skin"] == 256 * 256
    assert counts["of these covered"] <= counts["samples of all other layers' boxes"]
    assert charts(found) == [] and "operations of torch" in report([found])


def test_operations_tell_views_from_results() -> None:
    held = torch.zeros(4)
    with Operations() as seen:
        view = held[1:]
        view += 1
        kept = view * 2
        _ = view * 3
    starts = [(operation.name, operation.fresh_bytes) for operation in seen.all if operation.starts]
    assert starts == [("aten.add_.Tensor", 0), ("aten.mul.Tensor", 12), ("aten.mul.Tensor", 12)]
    assert (seen.most_bytes, seen.left_bytes) == (24, 24)
    del _
    assert seen.left_bytes == kept.numel() * 4
