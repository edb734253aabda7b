"""Stages are timed by name, and shown to a GPU's profiler in pairs."""

from collections.abc import Iterator

import pytest
import torch

from engine.timing import StageTimer, gpu_ranges


class NotedRanges:
    """What a profiler would show: names in the order of their begins and ends, and how many are open."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.open: list[str] = []

    def range_push(self, name: str, /) -> int:
        self.open.append(name)
        self.seen.append(f"+{name}")
        return len(self.open)

    def range_pop(self) -> int:
        self.seen.append(f"-{self.open.pop()}")
        return len(self.open)


def clock_of(*readings_ms: float) -> Iterator[int]:
    return iter(int(ms * 1e6) for ms in readings_ms)


def test_a_stage_that_runs_twice_adds_up_and_taking_starts_afresh() -> None:
    readings = clock_of(0, 3, 5, 6, 10, 14)
    timer = StageTimer(lambda: next(readings))
    for name in ("drive", "colour", "drive"):
        with timer.stage(name):
            pass
    assert timer.take() == {"drive": 7.0, "colour": 1.0}
    assert timer.take() == {}


def test_ranges_open_and_close_in_pairs_whatever_happens_within() -> None:
    ranges = NotedRanges()
    timer = StageTimer(ranges=ranges)
    with timer.stage("frame"):
        with timer.stage("motion"):
            pass
        with pytest.raises(ZeroDivisionError), timer.stage("drive"):
            raise ZeroDivisionError
    assert ranges.seen == ["+frame", "+motion", "-motion", "+drive", "-drive", "-frame"]
    assert set(timer.take()) == {"frame", "motion", "drive"}


def test_ranges_are_those_of_torch_where_it_has_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = NotedRanges()
    monkeypatch.setattr(torch.cuda, "nvtx", ranges)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_ranges() is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with StageTimer(ranges=gpu_ranges()).stage("motion"):
        assert ranges.open == ["motion"]
    assert not ranges.open
