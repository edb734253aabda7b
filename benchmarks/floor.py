"""What a frame on a GPU must move at least, and what that would take at the memory's speed: counted, on any machine.

Nothing is timed here but what the host says of each face.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.device_operations import CountingLauncher, Operations
from benchmarks.machine import commit, machine
from benchmarks.moved import colour_bytes, i420_bytes, layer_moves
from benchmarks.stages import versions
from engine.avatar.avatar import Avatar
from engine.motion.values import Motion, rest
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch, PreparedFace, Room
from engine.render.cuda_drive import CONTROL_COUNT, SHAPES
from engine.render.cuda_face import controls, prepare, room_for
from engine.render.cuda_neural import on_device
from engine.render.geometric import GeometricRenderer
from engine.render.neural.network import RendererNet
from engine.render.neural.parts import Part, network_parts
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import WEIGHTS
from engine.render.neural.torch_runtime import open_torch
from engine.render.neural.weights import load_net

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
    return {
        "benchmark": "floor",
        "machine": machine(),
        "commit": commit(),
        "versions": versions(),
        "settings": {"size": size, "quality": "geometric", "frame": "neutral"},
        "counts": {
            "vertices": len(avatar.positions),
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
            **_frame_counts(prepared, room, "geometric"),
            **_neural_counts(avatar, size),
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


def _frame_counts(
    face: PreparedFace, room: Room, quality: str, networks: RendererNet | None = None
) -> dict[str, Any]:
    """What the device is asked for for a frame, and what it keeps."""
    kernels, seen = CountingLauncher(), Operations()
    batch = CudaBatch([face], room, kernels, badge_parts(face.size), "meta", networks)
    batch.next_controls(1)
    with seen:
        batch.render(1)
    counts = {
        "launches of our kernels": len(kernels.launched),
        "operations of torch, two copies among them": sum(operation.starts for operation in seen.all),
        "MB of device memory a session": _mb(batch.bytes_per_session),
        "MB beyond that while it is drawn": _mb(seen.most_bytes),
    }
    return {f"{quality}: {name}": count for name, count in counts.items()}


def _neural_counts(avatar: Avatar, size: int) -> dict[str, Any]:
    """The same of a neural frame, and what its networks compute."""
    face = NeuralRenderer(avatar, open_torch(WEIGHTS, "fp32"), size)
    parts = network_parts(WEIGHTS)[1:]
    room = room_for([face])
    computed = [round(_flop(part) / 1e9, 2) for part in parts]
    kept = [_mb(2 * sum(value.numel() for value in part.module.parameters())) for part in parts]
    return {
        **_frame_counts(prepare(face, room), room, "neural", on_device(load_net(), "meta", "bf16")),
        "GFLOP of the motion network and the generator": computed,
        "MB of their weights in bf16, for all sessions": kept,
    }


def _flop(part: Part) -> int:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        part.module(*part.inputs)
    return int(counter.get_total_flops())


def _host_ms(face: GeometricRenderer, motions: Sequence[Motion]) -> float:
    """Median milliseconds for one face's numbers."""
    told = np.zeros(CONTROL_COUNT, np.float32)
    taken = []
    for motion in motions:
        began = time.perf_counter()
        controls(face, motion, True, told)
        taken.append((time.perf_counter() - began) * 1e3)
    return float(np.median(taken))
