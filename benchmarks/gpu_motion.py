"""How long the face motion network takes for a batch of streams on a GPU. torch and NumPy alone."""

from typing import Any, Final

import numpy as np

from benchmarks.gpu import device_facts, gpu_versions
from benchmarks.gpu_networks import PackedMotion
from benchmarks.machine import commit, machine
from benchmarks.motion_times import CHECKED, STREAMS, checked_times
from engine.training.motion_runtimes import open_torch

BATCHES: Final = (1, STREAMS, 4 * STREAMS)


def measure_motion(packed: PackedMotion, device: str = "cuda") -> dict[str, Any]:
    """Time a step of batches of streams, from the host's arrays to the host's array; JSON values, as ``benchmarks.motion``
    has them.

    Raises:
        WrongAnswerError: what comes out on the device differs from the network on the CPU.
    """
    net = packed.net()
    differences: dict[str, float] = {}
    rows = []
    for streams in BATCHES:
        name = f"torch, {streams} on {device}"
        heard = np.resize(packed.heard, (streams * len(packed.heard), packed.heard.shape[1]))
        times = checked_times(name, open_torch(net, streams, device), net, heard, differences)
        rows.append({"name": name, **times})
    return {
        "benchmark": "motion",
        "machine": {**machine(), **(device_facts() if device == "cuda" else {})},
        "commit": commit(),
        "versions": gpu_versions(),
        "settings": {
            "frames": len(packed.heard),
            "device": device,
            "threads": 1,
            "weights": packed.name,
            "checked": CHECKED,
        },
        "largest_differences": differences,
        "motion": rows,
    }
