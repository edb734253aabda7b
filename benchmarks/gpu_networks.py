"""Networks in a pack: their weights as arrays, and whose they are. torch and NumPy alone."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.motion.network_config import FaceMotionConfig
from engine.render.neural.network import RendererConfig, RendererNet
from engine.training.face_motion_net import FaceMotionNet

RANDOM: Final = "random weights, which cost as much: for timing alone"
LOUDNESS: Final = 0.05
"""Spread of random weights where training begins with silence, so that frames that agree say something."""


@dataclass(frozen=True, eq=False)
class PackedNetworks:
    """Those of the neural quality.

    tensors: of ``RendererNet`` by name, half precision. name: whose weights they are, for people. frames: the first
    motions' frames as the CPU refines them with these weights in single precision, I420 [N, ...].
    """

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


@dataclass(frozen=True, eq=False)
class PackedMotion:
    """That of the face motion.

    name: whose weights these are, for people. tensors: of ``FaceMotionNet`` by name, half precision, as they ship. heard:
    some speech as the network hears it, float32 [T, HEARD].
    """

    name: str
    config: FaceMotionConfig
    tensors: dict[str, NDArray[np.float16]]
    heard: NDArray[np.float32]

    def net(self) -> FaceMotionNet:
        """The network in single precision."""
        net = FaceMotionNet(self.config)
        named = {name: torch.from_numpy(array.astype(np.float32)) for name, array in self.tensors.items()}
        net.load_state_dict(named)
        return net.eval().requires_grad_(False)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a file of arrays."""
        about = json.dumps({"name": self.name, "config": self.config.to_metadata()})
        named = {f"motion_network.{name}": array for name, array in self.tensors.items()}
        return {"motion": np.frombuffer(about.encode(), np.uint8), "heard": self.heard, **named}

    @classmethod
    def of(cls, held: dict[str, NDArray[Any]]) -> "PackedMotion | None":
        """What ``arrays`` made, from all of a file's arrays; None where there is none."""
        if "motion" not in held:
            return None
        about = json.loads(held["motion"].tobytes())
        begins = "motion_network."
        named = {name.removeprefix(begins): a for name, a in held.items() if name.startswith(begins)}
        return cls(about["name"], FaceMotionConfig.from_metadata(about["config"]), named, held["heard"])


def random_net(config: RendererConfig | None = None) -> RendererNet:
    """Networks that have learned nothing, always the same ones, and say something all the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = RendererNet(config or RendererConfig())
        for layer in (net.motion.motion, net.generator.paint[0]):
            torch.nn.init.normal_(layer.weight, 0.0, LOUDNESS)  # type: ignore[arg-type]
    return net.eval()
