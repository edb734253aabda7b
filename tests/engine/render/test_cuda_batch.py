"""A frame of a batch is fit for a CUDA graph: what it asks of the device, without one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.device_operations import CountingLauncher, Operations
from engine.render import cuda_batch
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch, Kind
from engine.render.cuda_drive import CONTROL_COUNT
from engine.render.cuda_face import Face, prepare, room_for
from engine.render.cuda_marks import DeviceMarks
from engine.render.cuda_neural import on_device
from engine.render.geometric import GeometricRenderer
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.torch_runtime import open_torch
from tests.engine.render.made_up import landmarked_avatar, mouth_avatar
from tests.engine.render.neural.nets import small_net, small_weights
from tests.engine.test_timing import NotedRanges

ROWS, SIZE = 3, 256
BADGE = badge_parts(SIZE)


@pytest.fixture(params=["geometric", "neural"])
def batch(request: pytest.FixtureRequest, tmp_path: Path) -> CudaBatch:
    """Of the device that has no memory: reading a value or copying to the host is an error there."""
    face: Face = GeometricRenderer(mouth_avatar(12), SIZE)
    networks = None
    if request.param == "neural":
        face = NeuralRenderer(landmarked_avatar(12), open_torch(small_weights(tmp_path)), SIZE)
        networks = on_device(small_net(), "meta", "bf16")
    room = room_for([face])
    made = CudaBatch([prepare(face, room)] * ROWS, room, CountingLauncher(), BADGE, "meta", networks)
    made._ranges = NotedRanges()
    for count in range(1, ROWS + 1):
        made._marks[count, False] = DeviceMarks(cuda_batch.STAGES, False, made._ranges)
        made._marks[count, True] = DeviceMarks(cuda_batch.REFINED_STAGES, False, made._ranges)
    return made


def kinds(batch: CudaBatch, counts: Sequence[int]) -> list[Kind]:
    """What is drawn of so many rows: refined, where there are networks, and not."""
    refined = (True, False) if batch.refiner is not None else (False,)
    return [(count, networks) for count in counts for networks in refined]


def test_a_frame_stays_on_the_device_and_leaves_no_memory_taken(batch: CudaBatch) -> None:
    for kind in kinds(batch, (2, 3, 2)):
        with Operations() as seen:
            batch._draw(kind)
        assert {device for operation in seen.all for device in operation.devices} == {"meta"}
        assert sum(operation.starts for operation in seen.all) > 100
        # What a graph's pool has to hold, which the next graph may use again.
        assert seen.most_bytes > 0 and seen.left_bytes == 0


def test_nothing_but_numbers_in_and_pictures_out_is_copied(batch: CudaBatch, monkeypatch: Any) -> None:
    monkeypatch.setattr(batch, "_draw", lambda kind: None)
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
            batch._draw(kinds(batch, [1])[0])
        assert any("cpu" in operation.devices for operation in seen.all)
    else:
        with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
            batch._draw(kinds(batch, [1])[0])


def test_a_profiler_sees_stages_while_they_are_asked_for(
    batch: CudaBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = batch._ranges
    assert isinstance(ranges, NotedRanges)
    batch.next_controls(2)
    batch.render(2)
    names = cuda_batch.STAGES if batch.refiner is None else cuda_batch.REFINED_STAGES
    stages = [sign + name for name in names for sign in "+-"]
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
    for kind in kinds(batch, (1, 3)):
        for _ in range(cuda_batch.WARM_UP + 1):
            batch._step(kind)
        launcher.launched.clear()
        with Operations() as seen:
            batch._step(kind)
            batch._step(kind)
        assert not seen.all and not launcher.launched
        assert batch._graphs[kind].replayed == 3
    assert pools == [batch._pool] * len(kinds(batch, (1, 3)))
