"""A frame of a batch is fit for a CUDA graph: what it asks of the device, without one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from benchmarks.device_operations import CountingLauncher, Operations
from engine.render import cuda_batch
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch
from engine.render.cuda_drive import CONTROL_COUNT
from engine.render.cuda_face import prepare, room_for
from engine.render.cuda_marks import DeviceMarks
from engine.render.geometric import GeometricRenderer
from tests.engine.render.made_up import mouth_avatar
from tests.engine.test_timing import NotedRanges

ROWS, SIZE = 3, 256
BADGE = badge_parts(SIZE)


@pytest.fixture
def batch() -> CudaBatch:
    """Of the device that has no memory: reading a value or copying to the host is an error there."""
    face = GeometricRenderer(mouth_avatar(12), SIZE)
    room = room_for([face])
    made = CudaBatch([prepare(face, room)] * ROWS, room, CountingLauncher(), BADGE, "meta")
    made._ranges = NotedRanges()
    made._marks = {count: DeviceMarks(cuda_batch.STAGES, False, made._ranges) for count in range(1, ROWS + 1)}
    return made


def test_a_frame_stays_on_the_device_and_leaves_no_memory_taken(batch: CudaBatch) -> None:
    for count in (2, 3, 2):
        with Operations() as seen:
            batch._draw(count)
        assert {device for operation in seen.all for device in operation.devices} == {"meta"}
        assert sum(operation.starts for operation in seen.all) > 100
        # What a graph's pool has to hold, which the next graph may use again.
        assert seen.most_bytes > 0 and seen.left_bytes == 0


def test_nothing_but_numbers_in_and_pictures_out_is_copied(batch: CudaBatch, monkeypatch: Any) -> None:
    monkeypatch.setattr(batch, "_draw", lambda count: None)
    batch.next_controls(2)
    with Operations() as seen:
        batch.render(2)
    begun = [operation for operation in seen.all if operation.starts]
    assert [operation.name for operation in begun] == ["aten.copy_.default"] * 2
    assert begun[0].devices == {"cpu", "meta"}
    assert not any(operation.fresh_bytes for operation in begun)


@pytest.mark.parametrize("fault", ["value", "host", "constant"])
def test_the_count_notices_what_a_graph_could_not_hold(
    batch: CudaBatch, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def faulty(face: Any, control: torch.Tensor, size: int, out: Any) -> None:
        if fault == "value" and control[0, 0] > 0:
            out.positions[0] = 1
        if fault == "host":
            control.cpu()
        if fault == "constant":
            control *= torch.full((1, CONTROL_COUNT), 2.0).to(control.device)

    monkeypatch.setattr(cuda_batch, "drive", faulty)
    if fault == "constant":
        with Operations() as seen:
            batch._draw(1)
        assert any("cpu" in operation.devices for operation in seen.all)
    else:
        with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
            batch._draw(1)


def test_a_profiler_sees_stages_while_they_are_asked_for(
    batch: CudaBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = batch._ranges
    assert isinstance(ranges, NotedRanges)
    batch.next_controls(2)
    batch.render(2)
    stages = [sign + name for name in cuda_batch.STAGES for sign in "+-"]
    assert ranges.seen == ["+batch of 2", *stages, "-batch of 2"]

    def broken(*given: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(cuda_batch, "drive", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        batch.render(2)
    assert not ranges.open


class FakeGraph:
    """Counts its replays."""

    def __init__(self) -> None:
        self.replayed = 0

    def replay(self) -> None:
        self.replayed += 1


def test_each_size_is_recorded_once_into_one_pool_and_replayed(
    batch: CudaBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = []

    @contextmanager
    def recording(graph: FakeGraph, pool: object) -> Iterator[None]:
        pools.append(pool)
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    batch._on_gpu, batch._pool = True, object()
    launcher = batch.painter._launcher
    assert isinstance(launcher, CountingLauncher)
    for count in (1, 3):
        for _ in range(cuda_batch.WARM_UP + 1):
            batch._step(count)
        launcher.launched.clear()
        with Operations() as seen:
            batch._step(count)
            batch._step(count)
        assert not seen.all and not launcher.launched
        assert batch._graphs[count].replayed == 3
    assert pools == [batch._pool] * 2
