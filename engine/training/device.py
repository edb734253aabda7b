"""Where training runs."""

import torch

from engine.errors import SettingError


def check_device(device: str) -> None:
    """Accept cpu, and cuda where there is such a device.

    Raises:
        SettingError: another one.
    """
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise SettingError(f"expected cpu or cuda, got {device}") from error
    if chosen.type not in ("cpu", "cuda"):
        raise SettingError(f"expected cpu or cuda, got {device}")
    if chosen.type == "cuda":
        there = torch.cuda.device_count()
        if not there:
            raise SettingError("expected a CUDA device, and this machine has none: use --device cpu")
        if (chosen.index or 0) >= there:
            raise SettingError(f"expected a CUDA device out of cuda:0 to cuda:{there - 1}, got {device}")
