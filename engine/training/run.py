"""What all training runs do: a rate that falls, a running mean, checkpoints, curves.

A run's folder holds config.json, curves.csv and last.pt.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from engine.files import replaced

LEAST_RATE: Final = 0.02
"""Of the peak, at the end."""
LARGEST_GRADIENT: Final = 1.0

Optimisers = Sequence[torch.optim.Optimizer]


def share_of_rate(step: int, steps: int, warm_up: int = 0) -> float:
    """Rises linearly over the first ``warm_up`` steps, and falls as a cosine to LEAST_RATE."""
    warm = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
    return warm * (LEAST_RATE + (1.0 - LEAST_RATE) * (0.5 + 0.5 * float(np.cos(np.pi * step / steps))))


def set_rate(optimisers: Optimisers, rate: float) -> None:
    """Let all learn at one rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate


def learn(parameters: Sequence[nn.Parameter], loss: Tensor, optimisers: Optimisers) -> None:
    """One step down the loss, the parameters' gradient no longer than LARGEST_GRADIENT."""
    for parameter in parameters:
        parameter.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
    for optimiser in optimisers:
        optimiser.step()


@torch.no_grad()
def follow(mean: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the running mean of a model's weights toward them, faster in the first steps."""
    decay = min(decay, (step + 1) / (step + 10))
    for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def begin_run(
    folder: Path, training: Mapping[str, Any], net: Mapping[str, Any], curves: Sequence[str]
) -> None:
    """Write what a run begins with."""
    (folder / "config.json").write_text(json.dumps({"training": training, "net": net}, indent=1))
    with (folder / "curves.csv").open("w", newline="") as file:
        csv.writer(file).writerow(curves)


def add_to_curves(folder: Path, curves: Sequence[str], numbers: Mapping[str, float]) -> None:
    """Write one row; what has no number stays empty."""
    with (folder / "curves.csv").open("a", newline="") as file:
        csv.writer(file).writerow([f"{numbers[name]:.5g}" if name in numbers else "" for name in curves])


def save_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimisers: Optimisers, **rest: Any
) -> None:
    """Write last.pt; a run that is stopped meanwhile keeps the one before."""
    state = {name: module.state_dict() for name, module in modules.items()}
    state["optimisers"] = [optimiser.state_dict() for optimiser in optimisers]  # type: ignore[assignment]
    with replaced(folder / "last.pt") as part:
        torch.save(state | rest, part)


def load_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimisers: Optimisers, device: str
) -> dict[str, Any] | None:
    """Go on from last.pt; returns the rest of what was saved, or None if there is none."""
    checkpoint = folder / "last.pt"
    if not checkpoint.exists():
        return None
    saved: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(saved[name])
    for optimiser, kept in zip(optimisers, saved["optimisers"], strict=True):
        optimiser.load_state_dict(kept)
    return saved
