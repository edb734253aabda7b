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
from engine.render.neural.sizes import GRID, IMAGE
from kernels.cuda import Launcher, launcher
from kernels.frame import Scene
from kernels.warp.cuda import refine_rows, warp_features_rows, warp_image_rows

COPY_BYTES: Final = 256 << 20
SETS: Final = 4
"""Of what the warps read and write, in turns: so a batch of 64 does not find its own in the device's cache."""
LAUNCHES: Final = 12
"""In a graph."""
BATCHES: Final = (1, 64)


def kernel_times(pack: Pack, repeats: int = 100) -> dict[str, Any]:
    """Depth and paint of the skin, all details, and colour, for one face and for a batch of 64, and of a pack with networks
    the warps; JSON values."""
    bandwidth = 2 * COPY_BYTES / _copy_ms() / 1e6
    rows: list[dict[str, Any]] = []
    moved: dict[str, int] = {}
    for count in BATCHES:
        batch = pack.batch("geometric", count, launcher())
        batch.next_controls(count)[:] = np.resize(pack.told, (count, pack.told.shape[1]))
        _ = batch.render(count).i420  # drives, so that what follows draws a real frame
        driven, painter = batch.driven, batch.painter
        scene = driven.positions, driven.attributes, driven.boxes, driven.opacity
        moved = moved or _moved(batch, pack)
        runs: dict[str, list[Callable[[], Any]]] = {
            "skin": [partial(painter.draw, count, *scene, layers=slice(0, 1))],
            "details": [partial(painter.draw, count, *scene, layers=slice(1, None))],
            "colour": [partial(painter.to_i420, count)],
        }
        for _ in range(SETS):
            for name, run in warp_runs(pack, count, painter.frames.clone(), launcher()).items():
                runs.setdefault(name, []).append(run)
        for name, alike in runs.items():
            ms = _device_ms(alike, repeats)
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
    if pack.networks is None:
        return moved
    return moved | {
        "warp_image": warp_image_bytes(int(pack.face.arrays["guide_box"][2])),
        "warp_features": warp_features_bytes(pack.networks.config.photo),
        "refine": refine_bytes(pack.face.size),
    }


def warp_runs(
    pack: Pack, count: int, frames: torch.Tensor, kernels: Launcher
) -> dict[str, Callable[[], Any]]:
    """The neural frame's warps of so many frames, with flow as random as it gets: a cell, everywhere another one."""
    if pack.networks is None:
        return {}
    source = torch.Generator(frames.device).manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn((count, *shape), generator=source, device=frames.device)

    box, photo = (torch.from_numpy(pack.face.arrays[f"guide_{name}"]) for name in ("box", "photo"))
    boxes, features = (torch.stack([one] * count).to(frames.device) for one in (box, photo))
    flow, shown, maps = random(2, GRID, GRID), random(GRID, GRID), random(5, IMAGE, IMAGE)
    view, carried, out = random(3, IMAGE, IMAGE), torch.empty_like(features), torch.empty_like(frames)
    return {
        "warp_image": partial(warp_image_rows, kernels, count, frames, boxes, flow, view),
        "warp_features": partial(warp_features_rows, kernels, count, features, flow, shown, carried),
        "refine": partial(refine_rows, kernels, count, frames, boxes, maps, out),
    }


def _copy_ms() -> float:
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return _device_ms([partial(target.copy_, source)], 20)


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _device_ms(runs: Sequence[Callable[[], Any]], repeats: int) -> float:
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
