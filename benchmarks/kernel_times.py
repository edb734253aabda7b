"""Each kernel on a real frame's arguments: checked against its definition first, then timed beside the alternatives."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.candidate import Group, Way, check
from benchmarks.machine import commit, machine
from benchmarks.stages import versions
from benchmarks.warp_times import warps
from engine.avatar.avatar import Avatar
from engine.motion.values import rest
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from kernels.build import HOST_BACKENDS, Backend, backend
from kernels.colour import cases as colour_cases
from kernels.colour import reference as colour_reference
from kernels.colour import rgbx_to_i420
from kernels.composite import cases as composite_cases
from kernels.composite import composite
from kernels.composite import reference as composite_reference
from kernels.frame import Scene
from kernels.frame import reference as frame_reference
from kernels.frame.cpu import CpuPainter
from kernels.frame.portable import PortablePainter
from kernels.rasterise import rasterise
from kernels.rasterise import reference as rasterise_reference

COPY_MB: Final = 64


def measure(
    avatar: Avatar,
    *,
    size: int = 512,
    repeats: int = 200,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Time rasterise, composite, colour, whole frames and the warps; JSON values.

    Raises:
        WrongAnswerError: one that is to be timed differs from its definition.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    renderer = GeometricRenderer(avatar, size)
    skin = _skin(renderer)
    groups = [_rasterise(renderer, *skin), _composite(renderer, *skin), _colour(renderer), _frame(renderer)]
    bandwidth = _copy_bandwidth()
    frame = renderer.render(rest(0), StageTimer())
    groups += warps(frame, _backends())
    total = sum(len(group.ways) for group in groups)
    rows: list[dict[str, Any]] = []
    for group in groups:
        for way in group.ways:
            check(group, way)
            rows.append(_row(group, way, repeats, bandwidth))
            progress(len(rows) / total)
    return {
        "benchmark": "kernels",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {
            "size": size,
            "repeats": repeats,
            "threads": 1,
            "checked": "against the definitions",
            **({} if _numba() else {"left out": "numba (not installed)"}),
        },
        "copy_gb_per_s": round(bandwidth, 2),
        "kernels": rows,
    }


def _row(group: Group, way: Way, repeats: int, bandwidth: float) -> dict[str, Any]:
    clock_ms, cpu_ms = _time(way.run, repeats)
    rate = group.bytes / cpu_ms / 1e6
    return {
        "kernel": group.kernel,
        "name": way.name,
        "median_ms": round(clock_ms, 4),
        "cpu_ms": round(cpu_ms, 4),
        "gb_per_s": round(rate, 2),
        "share_of_copy": round(rate / bandwidth, 4),
        "answer": way.answer,
    }


def _backends() -> tuple[Backend, ...]:
    return HOST_BACKENDS if backend() == "cpu" else ("portable",)


def _numba() -> Any:
    """The operations in numba, or None where it is not installed."""
    try:
        from benchmarks import numba_kernels
    except ImportError:
        return None
    return numba_kernels


def _skin(renderer: GeometricRenderer) -> tuple[Scene, NDArray[np.float32], NDArray[np.int32]]:
    """The scene of a neutral face, and its skin's planes and triangles, which cover the whole frame."""
    size = renderer.size
    scene = renderer.scene(rest(0))
    planes, triangle = np.zeros((3, size, size), np.float32), np.zeros((size, size), np.int32)
    skin, keys = renderer.layers[0], np.zeros((size, size), np.int64)
    mesh = scene.positions, skin.triangles, scene.attributes[0]
    rasterise(*mesh, planes, triangle, keys, (0.0, 0.0), renderer.scale)
    return scene, planes, triangle


def _rasterise(
    renderer: GeometricRenderer, scene: Scene, planes: NDArray[np.float32], triangle: NDArray[np.int32]
) -> Group:
    want = np.zeros_like(planes), np.zeros_like(triangle)
    mesh = scene.positions, renderer.layers[0].triangles, scene.attributes[0]
    rasterise_reference.rasterise(*mesh, *want, (0.0, 0.0), renderer.scale)
    out, keys = (np.zeros_like(planes), np.zeros_like(triangle)), np.zeros(triangle.shape, np.int64)
    found = []
    for name in _backends():
        run = partial(rasterise, *mesh, *out, keys, (0.0, 0.0), renderer.scale, name)
        found.append(Way(name, run, out))
    if numba := _numba():
        run = partial(numba.rasterise, *mesh, *out, keys, np.float32(renderer.scale))
        found.append(Way("numba", run, out))
    moved = sum(array.nbytes for array in (*mesh, *out))
    return Group("rasterise", want, found, moved)


def _composite(
    renderer: GeometricRenderer, scene: Scene, planes: NDArray[np.float32], triangle: NDArray[np.int32]
) -> Group:
    atlas, background = renderer.layers[0].atlas, renderer.background
    want = np.zeros_like(background)
    composite_reference.composite(planes, triangle, atlas, background, want)
    out = np.zeros_like(background)
    arguments = planes, triangle, atlas, background, out
    found = []
    for name in _backends():
        off = composite_cases.PORTABLE_LEVELS_OFF if name == "portable" else 0
        found.append(Way(name, partial(composite, *arguments, 1, name), (out,), off))
    if numba := _numba():
        found.append(Way("numba", partial(numba.composite, *arguments), (out,)))
    channels = atlas.view(np.uint8).reshape(*atlas.shape, 4)
    remap = partial(cv2.remap, channels, planes[0], planes[1], cv2.INTER_LINEAR)
    found.append(Way("lookup by OpenCV", remap, off=None))
    found.append(Way("lookup by torch", _grid_sample(atlas, planes), off=None))
    moved = planes.nbytes + triangle.nbytes + background.nbytes + out.nbytes + 4 * out.nbytes
    return Group("composite", (want,), found, moved)  # four texels a pixel


def _grid_sample(atlas: NDArray[np.uint32], planes: NDArray[np.float32]) -> Callable[[], Any]:
    """The texture lookup as networks do it: planar floats, coordinates from -1 to 1."""
    height, width = atlas.shape
    channels = atlas.view(np.uint8).reshape(height, width, 4).astype(np.float32)
    texture = torch.from_numpy(np.ascontiguousarray(channels.transpose(2, 0, 1)))[None]
    grid = torch.from_numpy(np.stack([planes[0] / width, planes[1] / height], axis=-1) * 2 - 1)[None]
    sample = torch.nn.functional.grid_sample
    return partial(sample, texture, grid, "bilinear", "border", False)


def _colour(renderer: GeometricRenderer) -> Group:
    image = renderer.render(rest(0), StageTimer())
    size = len(image)
    want, out = (np.zeros((size * 3 // 2, size), np.uint8) for _ in range(2))
    colour_reference.rgbx_to_i420(image, want)
    off = colour_cases.MAX_LEVELS_OFF  # whole numbers may round a tie the other way
    found = [Way(name, partial(rgbx_to_i420, image, out, name), (out,), off) for name in _backends()]
    if numba := _numba():
        found.append(Way("numba", partial(numba.rgbx_to_i420, image, out), (out,), off))
    rgba = image.view(np.uint8).reshape(size, size, 4)
    # Other work: its chroma is that of one pixel in four.
    convert = partial(cv2.cvtColor, rgba, cv2.COLOR_RGBA2YUV_I420)
    found.append(Way("OpenCV cvtColor", convert, off=None))
    return Group("colour", (want,), found, image.nbytes + out.nbytes)


def _frame(renderer: GeometricRenderer) -> Group:
    """All layers of a neutral face: one operation after the other, and in one kernel."""
    scene, out = renderer.scene(rest(0)), np.zeros_like(renderer.background)
    want = np.zeros_like(out)
    stack = renderer.layers, renderer.background, renderer.scale
    frame_reference.paint(*stack, scene, want)
    found = []
    if backend() == "cpu":
        vertices = len(scene.positions)
        whole = CpuPainter(renderer.layers, renderer.background, vertices, renderer.scale)
        found.append(Way("cpu, at once", partial(_paint, whole, scene, out), (out,)))
    for name in _backends():
        apart = partial(_paint, PortablePainter(*stack, name), scene, out)
        # Without a compiler, boxes are a little softer: tens of levels off at single pixels of lashes and lips.
        found.append(Way(f"{name}, apart", apart, (out,), None if name == "portable" else 0))
    skin = renderer.layers[0].triangles
    return Group("frame", (want,), found, skin.nbytes + scene.positions.nbytes + 8 * out.nbytes)


def _paint(painter: CpuPainter | PortablePainter, scene: Scene, out: NDArray[np.uint32]) -> None:
    painter.depth(scene)
    painter.paint(scene, out)
    painter.details(scene, out)


def _time(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median milliseconds of the clock and of the processor."""
    for _ in range(3):
        run()
    clock, processor = [], []
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        run()
        processor.append((time.process_time() - used) * 1e3)
        clock.append((time.perf_counter() - began) * 1e3)
    return float(np.median(clock)), float(np.median(processor))


def _copy_bandwidth() -> float:
    """GB/s of a plain copy, reading and writing counted, by processor time: other work hardly changes it."""
    source = np.ones(COPY_MB << 20, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _time(lambda: np.copyto(target, source), 20)[1] / 1e6
