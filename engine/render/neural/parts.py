"""The trained networks in three parts that run one frame at a time: what runtimes convert and compile."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.render.neural.int8 import rounded
from engine.render.neural.network import MotionVae, RendererNet
from engine.render.neural.ranges import Ranges
from engine.render.neural.sizes import CODE_CHANNELS, GRID, IMAGE, LIPS
from engine.render.neural.weights import load_net


@dataclass(frozen=True)
class Part:
    """One network: what it is called, the module, which returns a tuple of tensors, and inputs of the right sizes."""

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]

    def exported(self) -> torch.export.ExportedProgram:
        """The network as a program that compilers and converters take."""
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's about its own insides
            return torch.export.export(self.module, self.inputs)


class _Motion(nn.Module):
    """What the motion network says that a frame needs: flow, occlusion, features."""

    def __init__(self, net: MotionVae) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, reference: Tensor, code: Tensor, shift: Tensor, opening: Tensor, lips: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        said = self.net(reference, code, shift, opening, lips)
        return said.flow, said.occlusion, said.features


class _Single(nn.Module):
    """A network with one output, as a tuple."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor]:
        return (self.net(*inputs),)


def network_parts(
    weights: str | Path, device: str = "cpu", ranges: Ranges | None = None
) -> tuple[Part, Part, Part]:
    """Photo encoder, motion network and generator; with ``ranges`` rounded as in int8.

    Raises:
        UnavailableError: there are no such weights.
    """
    net = load_net(weights)
    return parts_of((rounded(net, ranges) if ranges else net).to(device))


def parts_of(net: RendererNet) -> tuple[Part, Part, Part]:
    """Those of these networks, on the device where they are."""
    config, device = net.config, next(net.parameters()).device

    def zeros(channels: int, side: int = GRID) -> Tensor:
        return torch.zeros(1, channels, side, side, device=device)

    picture = zeros(3, IMAGE)
    told = tuple(map(zeros, (CODE_CHANNELS, CODE_CHANNELS, 2, 1, LIPS)))
    return (
        Part("photo", _Single(net.photo).eval(), (picture,)),
        Part("motion", _Motion(net.motion).eval(), told),
        Part(
            "generator", _Single(net.generator).eval(), (picture, zeros(config.photo), zeros(config.motion))
        ),
    )
