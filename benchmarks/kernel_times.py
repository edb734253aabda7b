"""Each kernel on a real frame's arguments: checked against its definition first, then timed beside the alternatives."""

import time
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.candidate import Candidate, WrongAnswerError
from benchmarks.machine import commit, machine
from benchmarks.stages import versions
from benchmarks.warp_times import warps
from engine.avatar.avatar import Avatar
from engine.motion.values import rest
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from kernels.build import HOST_BACKENDS, Backend, backend
from kernels.colour import reference as colour_reference
from kernels.colour import rgbx_to_i420
from kernels.composite import composite
from kernels.composite import reference as composite_reference
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
    """Time rasterise, composite, colour and the warps; JSON values.

    Raises:
        WrongAnswerError: the compiled kernels differ from their definitions.
    """
    groups = {
        "rasterise": _rasterise(avatar, size),
        "composite": _composite(avatar, size),
        "colour": _colour(avatar, size),
        **warps(GeometricRenderer(avatar, size).render(rest(0), StageTimer()), _backends()),
    }
    bandwidth = _copy_bandwidth()
    total = sum(map(len, groups.values()))
    kernels = []
    done = 0
    for kernel, candidates in groups.items():
        for candidate in candidates:
            median_ms = _time(candidate.run, repeats)
            rate = candidate.bytes / median_ms / 1e6
            kernels.append(
                {
                    "kernel": kernel,
                    "name": candidate.name,
                    "median_ms": round(median_ms, 4),
                    "gb_per_s": round(rate, 2),
                    "share_of_copy": round(rate / bandwidth, 4),
                }
            )
            done += 1
            progress(done / total)
    return {
        "benchmark": "kernels",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {"size": size, "repeats": repeats, "threads": 1, "checked": "against the definitions"},
        "copy_gb_per_s": round(bandwidth, 2),
        "kernels": kernels,
    }


def _backends() -> tuple[Backend, ...]:
    return HOST_BACKENDS if backend() == "cpu" else ("portable",)


def _rasterise(avatar: Avatar, size: int) -> list[Candidate]:
    positions, triangles, attributes, origin, scale = _frame_arguments(avatar, size)["rasterise"]
    planes = np.zeros((attributes.shape[1], size, size), np.float32)
    triangle = np.zeros((size, size), np.int32)
    keys = np.zeros((size, size), np.int64)
    moved = positions.nbytes + triangles.nbytes + attributes.nbytes + planes.nbytes + triangle.nbytes

    def run(chosen: Backend) -> None:
        rasterise(positions, triangles, attributes, planes, triangle, keys, origin, scale, chosen)

    def check() -> None:
        want_planes, want_triangle = np.zeros_like(planes), np.zeros_like(triangle)
        rasterise_reference.rasterise(
            positions, triangles, attributes, want_planes, want_triangle, origin, scale
        )
        run("cpu")
        if not (np.array_equal(triangle, want_triangle) and np.array_equal(planes, want_planes)):
            raise WrongAnswerError("rasterise differs from its definition")

    if "cpu" in _backends():
        check()
    return [Candidate(name, lambda name=name: run(name), moved) for name in _backends()]  # type: ignore[misc]


def _composite(avatar: Avatar, size: int) -> list[Candidate]:
    planes, triangle, atlas, background = _frame_arguments(avatar, size)["composite"]
    out = np.zeros((size, size), np.uint32)
    moved = (
        planes.nbytes + triangle.nbytes + background.nbytes + out.nbytes + 4 * out.nbytes
    )  # four texels a pixel

    def run(chosen: Backend) -> None:
        composite(planes, triangle, atlas, background, out, 1, chosen)

    if "cpu" in _backends():
        want = np.zeros_like(out)
        composite_reference.composite(planes, triangle, atlas, background, want, 1)
        run("cpu")
        if not np.array_equal(out, want):
            raise WrongAnswerError("composite differs from its definition")
    channels = atlas.view(np.uint8).reshape(*atlas.shape, 4)

    def remap() -> NDArray[np.uint8]:
        """OpenCV's part of the same work: the texture lookup, without shade, coverage and background."""
        return np.asarray(cv2.remap(channels, planes[0], planes[1], cv2.INTER_LINEAR), np.uint8)

    found = [Candidate(name, lambda name=name: run(name), moved) for name in _backends()]  # type: ignore[misc]
    return [*found, Candidate("OpenCV remap alone", remap, moved)]


def _colour(avatar: Avatar, size: int) -> list[Candidate]:
    image = GeometricRenderer(avatar, size).render(rest(0), StageTimer())
    out = np.zeros((size * 3 // 2, size), np.uint8)
    if "cpu" in _backends():
        want = np.zeros_like(out)
        colour_reference.rgbx_to_i420(image, want)
        rgbx_to_i420(image, out, "cpu")
        if np.abs(out.astype(int) - want).max() > 1:  # whole numbers may round a tie the other way
            raise WrongAnswerError("colour differs from its definition")
    rgba = image.view(np.uint8).reshape(size, size, 4)
    moved = image.nbytes + out.nbytes
    found = [
        Candidate(name, lambda name=name: rgbx_to_i420(image, out, name), moved)  # type: ignore[misc]
        for name in _backends()
    ]
    return [*found, Candidate("OpenCV cvtColor", lambda: cv2.cvtColor(rgba, cv2.COLOR_RGBA2YUV_I420), moved)]


def _frame_arguments(avatar: Avatar, size: int) -> dict[str, tuple[Any, ...]]:
    """What each kernel is given for the skin of a neutral face, which covers the whole frame."""
    renderer = GeometricRenderer(avatar, size)
    scene = renderer.scene(rest(0))
    skin = renderer.layers[0]
    mesh = scene.positions, skin.triangles, scene.attributes[0].copy()
    planes, triangle = np.zeros((3, size, size), np.float32), np.zeros((size, size), np.int32)
    rasterise(*mesh, planes, triangle, np.zeros((size, size), np.int64), (0.0, 0.0), renderer.scale)
    return {
        "rasterise": (*mesh, (0.0, 0.0), renderer.scale),
        "composite": (planes, triangle, skin.atlas, renderer.background),
    }


def _time(run: Callable[[], Any], repeats: int) -> float:
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append((time.perf_counter() - began) * 1e3)
    return float(np.median(times))


def _copy_bandwidth() -> float:
    """GB/s of a plain copy, reading and writing counted."""
    source = np.ones(COPY_MB << 20, np.uint8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _time(lambda: np.copyto(target, source), 20) / 1e6
