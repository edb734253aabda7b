"""The networks of the neural quality in a pack: their weights as arrays, and whose they are. torch and NumPy alone."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.render.neural.network import RendererConfig, RendererNet

RANDOM: Final = "random weights, which cost as much: for timing alone"
LOUDNESS: Final = 0.05
"""Spread of random weights where training begins with silence, so that frames that agree say something."""


@dataclass(frozen=True, eq=False)
class PackedNetworks:
    """tensors: of ``RendererNet`` by name, half precision. name: whose weights they are, for people. frames: the first
    motions' frames as the CPU refines them with these weights in single precision, I420 [N, ...]."""

    name: str
    config: RendererConfig
    tensors: dict[str, NDArray[np.float16]]
    frames: NDArray[np.uint8]

    def net(self) -> RendererNet:
        """The networks in single precision."""
        net = RendererNet(self.config)
        net.load_state_dict(
            {name: torch.from_numpy(a.astype(np.float32)) for name, a in self.tensors.items()}
        )
        return net.eval()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a file of arrays."""
        about = json.dumps({"name": self.name, "config": asdict(self.config)})
        named = {f"network.{name}": array for name, array in self.tensors.items()}
        return {
            "networks": np.frombuffer(about.encode(), np.uint8),
            "refined": self.frames,
            **named,
        }

    @classmethod
    def of(cls, held: dict[str, NDArray[Any]]) -> "PackedNetworks | None":
        """What ``arrays`` made, from all of a file's arrays; None where there are no networks."""
        if "networks" not in held:
            return None
        about = json.loads(held["networks"].tobytes())
        config = RendererConfig(**{**about["config"], "widths": tuple(about["config"]["widths"])})
        named = {n.removeprefix("network."): a for n, a in held.items() if n.startswith("network.")}
        return cls(about["name"], config, named, held["refined"])


def random_net(config: RendererConfig | None = None) -> RendererNet:
    """Networks that have learned nothing, always the same ones, and say something all the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = RendererNet(config or RendererConfig())
        for layer in (net.motion.motion, net.generator.paint[0]):
            torch.nn.init.normal_(layer.weight, 0.0, LOUDNESS)  # type: ignore[arg-type]
    return net.eval()
