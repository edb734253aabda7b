"""Ranges of what the networks' convolutions read, which int8 needs: measured after training, kept with the weights."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

Ranges = dict[str, tuple[float, float]]
"""Smallest and largest value by the convolution's name in ``RendererNet``."""


def read_ranges(weights: str | Path) -> Ranges:
    """Those of a weights file; empty if it has none, or is none. Does without torch."""
    try:
        with safe_open(weights, framework="np") as file:
            found = json.loads((file.metadata() or {}).get("ranges", "{}"))
    except (OSError, SafetensorError):
        return {}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}
