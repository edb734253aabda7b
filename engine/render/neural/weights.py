"""The networks' weights on disk: half precision, with their sizes and the ranges that int8 needs."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from engine.errors import UnavailableError
from engine.files import replaced
from engine.render.neural.network import RendererConfig, RendererNet
from engine.render.neural.ranges import Ranges
from engine.render.neural.runtime import WEIGHTS


def save_net(net: RendererNet, path: str | Path, ranges: Ranges | None = None) -> None:
    """Write the weights of the networks in half precision; ranges: of what their convolutions read."""
    tensors = {
        name: value.detach().to("cpu", torch.float16).contiguous() for name, value in net.state_dict().items()
    }
    told = {"config": json.dumps(asdict(net.config))}
    if ranges:
        told["ranges"] = json.dumps({name: [round(x, 5) for x in both] for name, both in ranges.items()})
    with replaced(path) as part:
        part.write_bytes(save(tensors, told))


def load_net(path: str | Path = WEIGHTS) -> RendererNet:
    """Read what ``save_net`` wrote, in single precision, ready to run.

    Raises:
        UnavailableError: there are none, or they are not such weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads(file.metadata()["config"])
            values["widths"] = tuple(values["widths"])
            net = RendererNet(RendererConfig(**values))
            net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnavailableError(f"expected weights of the neural renderer at {path}: {error}") from error
    return net.eval()
