"""What all training runs do: a rate that falls, a running mean, checkpoints, curves.

A run's folder holds config.json, curves.csv and last.pt, beside the weights. At a validation the checkpoint is written
last: what it says is done has been written, and a run that is stopped before goes on from the one before.
"""

import csv
import io
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import InputError, SettingError
from engine.files import replaced

LEAST_RATE: Final = 0.02
"""Of the peak, at the end."""
LARGEST_GRADIENT: Final = 1.0

FREE: Final = ("workers",)
"""Settings that may be others when a run goes on: they do not change what is learned."""

Optimisers = Sequence[torch.optim.Optimizer]
Config = Mapping[str, Mapping[str, Any]]
"""Settings of the training and of the network, by name: ``training`` and ``net``."""


def check_rate(rate: float) -> None:
    """Accept a learning rate.

    Raises:
        SettingError: it is negative or not finite.
    """
    if not 0.0 <= rate < math.inf:
        raise SettingError(f"expected a learning rate of 0 or more, got {rate}")


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
    """One step down the loss, the parameters' gradient no longer than LARGEST_GRADIENT.

    Raises:
        SettingError: loss or gradient is not finite; nothing was learned from it.
    """
    _check_finite("loss", loss)  # before the way back: kernels of the CPU crash at places that are no numbers
    for parameter in parameters:
        parameter.grad = None
    loss.backward()  # type: ignore[no-untyped-call]
    _check_finite("gradient", torch.nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT))
    for optimiser in optimisers:
        optimiser.step()


@torch.no_grad()
def follow(mean: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the running mean of a model's weights toward them, faster in the first steps."""
    decay = min(decay, (step + 1) / (step + 10))
    for kept, new in zip(mean.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def begin_run(folder: Path, config: Config, columns: Sequence[str]) -> None:
    """Write what a run begins with; a checkpoint of a run before it goes."""
    (folder / "last.pt").unlink(missing_ok=True)
    with replaced(folder / "config.json") as part:
        part.write_text(json.dumps(config, indent=1))
    write_curves(folder, columns, [])


def write_curves(folder: Path, columns: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
    """Write curves.csv, one row for each validation; what has no number stays empty."""
    with replaced(folder / "curves.csv") as part, part.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([f"{row[name]:.5g}" if name in row else "" for name in columns] for row in rows)


def save_checkpoint(
    folder: Path, config: Config, modules: Mapping[str, nn.Module], optimisers: Optimisers, **rest: Any
) -> None:
    """Write last.pt; a run that is stopped meanwhile keeps the one before."""
    state = {name: module.state_dict() for name, module in modules.items()}
    kept = [optimiser.state_dict() for optimiser in optimisers]
    buffer = io.BytesIO()  # torch does not say of a file why it cannot be written
    torch.save({"config": config, "optimisers": kept} | state | rest, buffer)
    with replaced(folder / "last.pt") as part:
        part.write_bytes(buffer.getbuffer())


def read_checkpoint(folder: Path, config: Config, device: str) -> dict[str, Any] | None:
    """What was saved last, or None if there is none.

    Raises:
        InputError: it cannot be read, or is of another kind of run. SettingError: the run has other settings.
    """
    path = folder / "last.pt"
    if not path.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        before = {part: {name: saved["config"][part][name] for name in config[part]} for part in config}
    except (
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise InputError(
            f"expected a checkpoint of such a run by this version at {path}, and it is none: begin anew with --no-resume, "
            "or choose another --out"
        ) from error
    others = [
        f"{name} was {before[part][name]} and is {value}"
        for part, settings in config.items()
        for name, value in settings.items()
        if name not in FREE and before[part][name] != value
    ]
    if others:
        raise SettingError(
            f"expected the settings that the run in {folder} began with: {', '.join(others)}; choose another --out, or "
            "begin anew with --no-resume"
        )
    return saved


def restore(saved: Mapping[str, Any], modules: Mapping[str, nn.Module], optimisers: Optimisers) -> None:
    """Let networks and optimisers go on from a checkpoint."""
    for name, module in modules.items():
        module.load_state_dict(saved[name])
    for optimiser, kept in zip(optimisers, saved["optimisers"], strict=True):
        optimiser.load_state_dict(kept)


def _check_finite(name: str, found: Tensor) -> None:
    value = float(found.detach())
    if not math.isfinite(value):
        raise SettingError(
            f"expected a finite {name}, got {value:.3g}: train at a lower rate, or look for numbers in the data that are "
            "not finite"
        )
