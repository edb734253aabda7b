"""``python -m benchmarks.gpu_session [--pack PACK] [--json PATH]``: everything that needs a GPU, in one go within ten minutes.

Needs Python 3.11 or newer, torch, NumPy and CuPy alone. First every kernel on every case against its definition in NumPy, then
whole layers, then (with a pack of ``benchmarks.gpu_pack``) geometric and neural frames against the CPU's and the times of
every stage and batch; kernels are timed against the device's own copy, the warps in several shapes. Writes one JSON, also
when something is wrong.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import result_path, run_main
from benchmarks.gpu import Pack, device_facts, gpu_versions, measure, missed_bars
from benchmarks.gpu_kernels import kernel_times
from benchmarks.gpu_motion import measure_motion
from benchmarks.machine import commit, machine
from benchmarks.motion_times import missed_bars as missed_motion_bars
from benchmarks.warp_shapes import lines, sweep, there
from engine.files import replaced
from kernels.colour import cases as colour_cases
from kernels.colour import reference as colour_reference
from kernels.colour import rgbx_to_i420
from kernels.composite import cases as composite_cases
from kernels.composite import composite
from kernels.composite import reference as composite_reference
from kernels.cuda import CudaUnavailableError, launcher
from kernels.frame import reference as frame_reference
from kernels.frame.cases import cases
from kernels.frame.cuda import CudaPainter, Limits
from kernels.rasterise import cases as rasterise_cases
from kernels.rasterise import rasterise
from kernels.rasterise import reference as rasterise_reference
from kernels.warp import cases as warp_cases
from kernels.warp import reference as warp_reference
from kernels.warp import refine, warp_features, warp_image


def main() -> int:
    """Run everything; 1 when a check failed, 2 without a device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, help="made by python -m benchmarks.gpu_pack")
    parser.add_argument("--json", type=result_path, default="gpu_session.json")
    parser.add_argument("--frames", type=int, default=200)
    given = parser.parse_args()
    result: dict[str, Any] = {
        "machine": {**machine(), **device_facts()},
        "commit": commit(),
        "versions": gpu_versions(),
        "checks": [],
    }
    began = time.monotonic()
    try:
        launcher()
    except CudaUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("rasterise", check_rasterise),
        ("composite", check_composite),
        ("colour", check_colour),
        ("warp", check_warp),
        ("layers", check_layers),
    ]
    if given.pack is not None:
        pack = Pack.load(given.pack)
        frames = given.frames
        steps.append(("frames", lambda: measure(pack, frames=frames, progress=_say)))
        if pack.networks is not None:
            steps.append(
                ("neural frames", lambda: measure(pack, quality="neural", frames=frames, progress=_say))
            )
        steps.append(("kernel times", lambda: kernel_times(pack)))
        if pack.networks is not None:
            steps.append(("warp shapes", lambda: sweep(pack)))
        if pack.motion is not None:
            motion = pack.motion
            steps.append(("face motion", lambda: measure_motion(motion)))
    for name, step in steps:
        check: dict[str, Any] = {"name": name, "ok": True}
        try:
            found = step()
            if isinstance(found, dict):
                neural = found["settings"].get("quality") == "neural"
                result["gpu_neural" if neural else found["benchmark"]] = found
        except (
            Exception
        ) as error:  # one that fails must not keep the others from running on a borrowed machine
            check |= {
                "ok": False,
                "error": f"{type(error).__name__}: {error}",
                "trace": traceback.format_exc(),
            }
        check["at_s"] = round(time.monotonic() - began, 1)
        result["checks"].append(check)
        print(f"{check['at_s']:7.1f} s  {name}: {'ok' if check['ok'] else check['error']}", flush=True)
        with replaced(given.json) as part:
            part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for measured in ("gpu", "gpu_neural"):
        for line in missed_bars(result[measured]) if measured in result else []:
            print(f"{result[measured]['settings']['quality']}: {line}")
    for line in lines(result["warp_shapes"]) if "warp_shapes" in result else []:
        print(line)
    for line in missed_motion_bars(result["motion"]) if "motion" in result else []:
        print(f"face motion: {line}")
    return 0 if all(check["ok"] for check in result["checks"]) else 1


def check_rasterise(device: str = "cuda") -> int:
    """Every case bit for bit; how many there were."""
    for case in rasterise_cases.cases():
        grid = case.height, case.width
        planes = np.full((case.attributes.shape[1], *grid), np.nan, np.float32)
        triangle, keys = np.full(grid, -99, np.int32), np.zeros(grid, np.int64)
        mesh = case.positions, case.triangles, case.attributes
        at, corners, values = (there(array, device) for array in mesh)
        made, drawn, scratch = (there(array, device) for array in (planes, triangle, keys))
        rasterise_reference.rasterise(*mesh, planes, triangle, case.origin, case.scale)
        rasterise(at, corners, values, made, drawn, scratch, case.origin, case.scale, "cuda")
        _equal(case.name, drawn.cpu().numpy(), triangle)
        _equal(case.name, made.cpu().numpy().view(np.int32), planes.view(np.int32))
    return len(rasterise_cases.cases())


def check_composite(device: str = "cuda") -> int:
    """Every case bit for bit; how many there were."""
    for case in composite_cases.cases():
        arguments = case.planes, case.triangle, case.atlas, case.background
        out = np.zeros(case.background.shape, np.uint32)
        planes, triangle, atlas, under, made = (there(array, device) for array in (*arguments, out))
        composite_reference.composite(*arguments, out, case.factor, case.opacity)
        composite(planes, triangle, atlas, under, made, case.factor, "cuda", opacity=case.opacity)
        _equal(case.name, made.cpu().numpy().view(np.uint32), out)
    return len(composite_cases.cases())


def check_colour(device: str = "cuda") -> int:
    """Every case within a level, as ties may round either way; how many there were."""
    for number, image in enumerate(colour_cases.cases()):
        out = np.zeros((image.shape[0] * 3 // 2, image.shape[1]), np.uint8)
        made = there(image, device), there(out, device)
        colour_reference.rgbx_to_i420(image, out)
        rgbx_to_i420(*made, "cuda")
        off = np.abs(made[1].cpu().numpy().astype(int) - out).max()
        if off > colour_cases.MAX_LEVELS_OFF:
            raise AssertionError(f"case {number} is off by {off}")
    return len(colour_cases.cases())


def check_warp(device: str = "cuda") -> int:
    """Every case of the three warps bit for bit; how many there were."""
    for crop in warp_cases.image_cases():
        out = np.zeros((3, crop.n, crop.n), np.float32)
        frame, flow, made = (there(array, device) for array in (crop.frame, crop.flow, out))
        warp_reference.warp_image(crop.frame, crop.box, crop.flow, out)
        warp_image(frame, crop.box, flow, made, "cuda")
        _equal(crop.name, made.cpu().numpy().view(np.int32), out.view(np.int32))
    for moved in warp_cases.features_cases():
        arguments, out = (moved.features, moved.flow, moved.occlusion), np.zeros_like(moved.features)
        features, flow, occlusion, made = (there(array, device) for array in (*arguments, out))
        warp_reference.warp_features(*arguments, out)
        warp_features(features, flow, occlusion, made, "cuda")
        _equal(moved.name, made.cpu().numpy(), out)
    for case in warp_cases.refine_cases():
        drawn = np.zeros_like(case.frame)
        frame, maps, made = (there(array, device) for array in (case.frame, case.maps, drawn))
        warp_reference.refine(case.frame, case.box, case.maps, drawn)
        refine(frame, case.box, maps, made, "cuda")
        _equal(case.name, made.cpu().numpy().view(np.uint32), drawn)
    return len(warp_cases.image_cases()) + len(warp_cases.features_cases()) + len(warp_cases.refine_cases())


def check_layers(device: str = "cuda") -> int:
    """Layers of whole frames, a batch of them, bit for bit; how many frames there were."""
    drawn = 0
    for name, case in cases().items():
        size, rows = len(case.background), len(case.scenes)
        vertices = len(case.scenes[0].positions)
        limits = Limits(vertices, 64, len(case.layers), len(case.scenes[0].boxes), 2)
        painter = CudaPainter(rows, size, limits, launcher(), device)
        for row in range(rows):
            painter.set_face(row, case.layers, case.background, case.scale)
        arrays = [
            np.stack([scene.positions for scene in case.scenes]),
            np.stack([scene.attributes for scene in case.scenes]),
            np.stack([scene.boxes for scene in case.scenes]),
            np.array([scene.opacity for scene in case.scenes], np.int32),
        ]
        painter.draw(rows, *(there(array, device) for array in arrays))
        frames = painter.frames.cpu().numpy().view(np.uint32)
        for scene, frame in zip(case.scenes, frames, strict=True):
            want = np.zeros_like(case.background)
            frame_reference.paint(case.layers, case.background, case.scale, scene, want)
            _equal(name, frame, want)
            drawn += 1
    return drawn


def _equal(name: str, made: NDArray[Any], want: NDArray[Any]) -> None:
    if not np.array_equal(made, want, equal_nan=want.dtype.kind == "f"):
        raise AssertionError(f"{name}: {np.mean(made != want):.3%} of the values differ")


def _say(share: float) -> None:
    print(f"          {share:.0%}", flush=True)


if __name__ == "__main__":
    run_main(main)
