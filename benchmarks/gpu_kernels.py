"""Each kernel on a GPU with a real frame's arguments: milliseconds, GB/s and the share of the device's copy bandwidth.

What a kernel must at least read and write counts as bytes: see ``benchmarks.moved``. Kernels are timed as frames run them,
inside a CUDA graph.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch

from benchmarks.gpu import Pack, device_facts, gpu_versions
from benchmarks.machine import commit, machine
from benchmarks.moved import colour_bytes, layer_moves, refine_bytes, warp_features_bytes, warp_image_bytes
from engine.render.cuda_batch import CudaBatch
from kernels.cuda import Launcher, Size, launcher
from kernels.frame import Scene

COPY_BYTES: Final = 256 << 20
SETS: Final = 4
"""Of what the warps read and write, in turns: so a batch of 64 does not find its own in the device's cache."""
LAUNCHES: Final = 12
"""In a graph."""
BATCHES: Final = (1, 64)


def kernel_times(pack: Pack, repeats: int = 100) -> dict[str, Any]:
    """Depth and paint of the skin, all details, and colour, for one face and for a batch of 64, and of a pack with networks
    the warps; JSON values."""
    bandwidth = copy_gb_per_s()
    rows: list[dict[str, Any]] = []
    moved: dict[str, int] = {}
    for count in BATCHES:
        batch = pack.batch("geometric", count, launcher())
        batch.next_controls(count)[:] = np.resize(pack.told, (count, pack.told.shape[1]))
        _ = batch.render(count).i420  # drives, so that what follows draws a real frame
        driven, painter = batch.driven, batch.painter
        scene = driven.positions, driven.attributes, driven.boxes, driven.opacity
        moved = moved or _moved(batch, pack)
        runs: dict[str, Sequence[Callable[[], Any]]] = {
            "skin": [partial(painter.draw, count, *scene, layers=slice(0, 1))],
            "details": [partial(painter.draw, count, *scene, layers=slice(1, None))],
            "colour": [partial(painter.to_i420, count)],
        }
        runs |= warp_runs(pack, count, launcher())
        for name, alike in runs.items():
            ms = device_ms(alike, repeats)
            row: dict[str, Any] = {"kernel": name, "name": f"batch of {count}", "median_ms": round(ms, 4)}
            rate = count * moved[name] / ms / 1e6
            rows.append(row | {"gb_per_s": round(rate, 1), "share_of_copy": round(rate / bandwidth, 3)})
    return {
        "benchmark": "kernels",
        "machine": {**machine(), **device_facts()},
        "commit": commit(),
        "versions": gpu_versions(),
        "settings": {"size": pack.face.size, "repeats": repeats, "device": "cuda"},
        "copy_gb_per_s": round(bandwidth, 1),
        "kernels": rows,
    }


def _moved(batch: CudaBatch, pack: Pack) -> dict[str, int]:
    """Bytes of each run for the batch's first face."""
    driven = (batch.driven.positions, batch.driven.attributes, batch.driven.boxes)
    positions, attributes, boxes = (tensor[0].cpu().numpy() for tensor in driven)
    scene = Scene(positions, attributes, boxes, int(batch.driven.opacity[0]))
    skin, *details = (layer_moves(layer, scene, pack.face.scale) for layer in pack.face.layers)
    moved = {
        "skin": skin.depth + skin.paint,
        "details": sum(layer.depth + layer.paint for layer in details),
        "colour": colour_bytes(pack.face.size),
    }
    return moved | warp_bytes(pack)


def warp_bytes(pack: Pack) -> dict[str, int]:
    """Bytes of each warp for a neural frame; none without networks."""
    if pack.networks is None:
        return {}
    return {
        "warp_image": warp_image_bytes(int(pack.face.arrays["guide_box"][2])),
        "warp_features": warp_features_bytes(pack.networks.config.photo),
        "refine": refine_bytes(pack.face.size),
    }


WARPS: Final = ("warp_image", "warp_features", "refine")


class _Noting:
    """A launcher that also keeps what it launched last, by entry."""

    def __init__(self, kernels: Launcher) -> None:
        self._kernels = kernels
        self.launched: dict[str, tuple[Size, Size, Sequence[Any]]] = {}

    def launch(self, entry: str, grid: Size, block: Size, arguments: Sequence[Any]) -> None:
        """See ``Launcher``."""
        self._kernels.launch(entry, grid, block, arguments)
        self.launched[entry] = grid, block, arguments


def warp_runs(
    pack: Pack, count: int, kernels: Launcher, device: str = "cuda", sets: int = SETS
) -> dict[str, list[partial[None]]]:
    """Each warp of so many neural frames, on several copies of what it read and wrote there; none without networks."""
    if pack.networks is None:
        return {}
    noting = _Noting(kernels)
    batch = pack.batch("neural", count, noting, device)
    batch.next_controls(count)[:] = np.resize(pack.told, (count, pack.told.shape[1]))
    _ = batch.render(count).i420
    runs: dict[str, list[partial[None]]] = {name: [] for name in WARPS}
    for name, of_kernel in runs.items():
        grid, block, arguments = noting.launched[name]
        for _ in range(sets):
            own = [one.clone() if isinstance(one, torch.Tensor) else one for one in arguments]
            of_kernel.append(partial(kernels.launch, name, grid, block, own))
    return runs


def copy_gb_per_s() -> float:
    """The device's own copy, reading and writing counted."""
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / device_ms([partial(target.copy_, source)], 20) / 1e6


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def device_ms(runs: Sequence[Callable[[], Any]], repeats: int) -> float:
    """Median milliseconds of the device for one of ``runs``, which are recorded in turns."""
    for run in runs:
        run()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for number in range(LAUNCHES):
            runs[number % len(runs)]()
    times = []
    for number in range(repeats + 3):
        start, end = _event(), _event()
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        if number >= 3:
            times.append(start.elapsed_time(end) / LAUNCHES)
    return float(np.median(times))
