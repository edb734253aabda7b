"""Where training runs."""

import torch

from engine.errors import SettingError


def check_device(device: str) -> None:
    """Accept cpu, and cuda where there is such a device.

    Raises:
        SettingError: another one.
    """
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise SettingError(f"expected cpu or cuda, got {device}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError("expected a CUDA device, and this machine has none: use --device cpu")
