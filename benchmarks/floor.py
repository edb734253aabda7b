"""What a frame on a GPU must move at least, and what that would take at the memory's speed: counted, on any machine.

Nothing is timed here but what the host says of each face.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.device_operations import CountingLauncher, Operations
from benchmarks.machine import commit, machine
from benchmarks.moved import colour_bytes, i420_bytes, layer_moves
from benchmarks.stages import versions
from engine.avatar.avatar import Avatar
from engine.motion.values import Motion, rest
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch, PreparedFace
from engine.render.cuda_drive import CONTROL_COUNT, SHAPES
from engine.render.cuda_face import controls, prepare, room_for
from engine.render.geometric import GeometricRenderer

BANDWIDTH_GB_PER_S: Final = {"h100": 3350, "h200": 4800}
"""As NVIDIA states them for the SXM modules."""
SESSIONS: Final = 64
TIMED: Final = 200


def measure(
    avatar: Avatar, *, size: int = 512, progress: Callable[[float], None] = lambda share: None
) -> dict[str, Any]:
    """Bytes of each step for one neutral frame of one face, and what else there is to count; JSON values."""
    face = GeometricRenderer(avatar, size)
    room = room_for([face])
    prepared, scene = prepare(face, room), face.scene(rest(0))
    layers = []
    for number, layer in enumerate(face.layers):
        layers.append(layer_moves(layer, scene, face.scale))
        progress((number + 1) / len(face.layers))
    steps = {
        "drive": _drive_bytes(prepared, room.vertices, room.sets),
        "depth": sum(layer.depth for layer in layers),
        "paint": sum(layer.paint for layer in layers),
        "colour": colour_bytes(size),
        "I420 to the host": i420_bytes(size),
    }
    rows = [_row(name, moved) for name, moved in (*steps.items(), ("all", sum(steps.values())))]
    kernels = CountingLauncher()
    batch = CudaBatch([prepared], room, kernels, badge_parts(size), "meta")
    seen = _one_frame(batch)
    still = len(avatar.positions)
    return {
        "benchmark": "floor",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {"size": size, "quality": "geometric", "frame": "neutral"},
        "counts": {
            "vertices": still,
            "of these moved by a shape": len(face.driver.moving),
            "layers": len(layers),
            "triangles of all layers": sum(len(layer.triangles) for layer in face.layers),
            "samples of the skin": layers[0].samples,
            "samples of all other layers' boxes": sum(layer.samples for layer in layers[1:]),
            "of these covered": sum(layer.covered for layer in layers[1:]),
            "MFLOP in the shapes": round(2e-6 * SHAPES * 3 * room.vertices, 2),
            "MB of shapes, GPU (every vertex) and CPU (those that move)": [
                _mb(prepared.arrays["deltas"].nbytes),
                _mb(face.driver.deltas.nbytes),
            ],
            "launches of our kernels": len(kernels.launched),
            "operations of torch, two copies among them": sum(operation.starts for operation in seen.all),
            "MB of device memory a session": _mb(batch.bytes_per_session),
            "MB beyond that while it is drawn": _mb(seen.most_bytes),
            "numbers from the host a face": CONTROL_COUNT,
            "ms that the host takes for them (measured)": round(_host_ms(face, [rest(0)] * TIMED), 3),
            f"MB to the host, {SESSIONS} sessions": _mb(SESSIONS * i420_bytes(size)),
        },
        "floor": rows,
    }


def _row(name: str, moved: int) -> dict[str, Any]:
    times = {f"{chip}_us": round(moved / rate / 1e3, 2) for chip, rate in BANDWIDTH_GB_PER_S.items()}
    return {"name": name, "mb": _mb(moved), **times}


def _mb(count: int) -> float:
    return round(count / 1e6, 2)


def _drive_bytes(face: PreparedFace, vertices: int, sets: int) -> int:
    """A face's constants once, and the positions and attributes that come of them."""
    return sum(array.nbytes for array in face.arrays.values()) + 4 * 3 * vertices * (1 + sets)


def _one_frame(batch: CudaBatch) -> Operations:
    """What the device is asked for for a frame."""
    batch.next_controls(1)
    seen = Operations()
    with seen:
        batch.render(1)
    return seen


def _host_ms(face: GeometricRenderer, motions: Sequence[Motion]) -> float:
    """Median milliseconds for one face's numbers."""
    told = np.zeros(CONTROL_COUNT, np.float32)
    taken = []
    for motion in motions:
        began = time.perf_counter()
        controls(face, motion, True, told)
        taken.append((time.perf_counter() - began) * 1e3)
    return float(np.median(taken))
