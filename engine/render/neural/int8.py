"""The networks in eight bits: what convolutions read is rounded to 256 steps, their weights to 127.

torch acts the rounding out in single precision. OpenVINO knows these operations and computes with integers instead.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.render.neural.network import RendererNet
from engine.render.neural.ranges import Ranges

OF_EACH_FRAME: Final = ("motion.", "generator.")
LAST: Final = ("motion.motion", "generator.paint.0")
"""Only networks that run for each frame are rounded; not their last convolutions, which say flow and colours."""

STEPS: Final = 255
MOST: Final = 63
"""Of a weight, either way: processors without VNNI add two products in 16 bits, which overflow from 64 on."""


class Rounded(nn.Module):
    """A convolution with its input rounded in equal steps, and its weights in steps of each output channel's own."""

    scale: Tensor
    zero: Tensor

    def __init__(self, conv: nn.Conv2d, low: float, high: float) -> None:
        """low, high: range of what it reads; 0 is made part of it."""
        super().__init__()
        low, high = min(low, 0.0), max(high, 1e-4)
        self.conv = conv
        self.step = (high - low) / STEPS
        self.middle = round(-low / self.step)
        most = conv.weight.detach().abs().amax(dim=(1, 2, 3)).clamp_min(1e-6)
        self.register_buffer("scale", most / MOST)
        self.register_buffer("zero", torch.zeros(len(most), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, self.step, self.middle, 0, STEPS)
        conv = self.conv
        weight = torch.fake_quantize_per_channel_affine(conv.weight, self.scale, self.zero, 0, -MOST, MOST)
        return functional.conv2d(x, weight, conv.bias, conv.stride, conv.padding)


def rounded(net: RendererNet, ranges: Ranges) -> RendererNet:
    """A copy of the networks that rounds; those convolutions do whose ranges are known."""
    net = copy.deepcopy(net)
    for name, conv in list(_convolutions(net)):
        if name in ranges:
            parent, _, own = name.rpartition(".")
            setattr(net.get_submodule(parent), own, Rounded(conv, *ranges[name]))
    return net


@contextmanager
def watched(net: RendererNet) -> Iterator[Ranges]:
    """Ranges of all that the convolutions read in the meantime."""
    ranges: Ranges = {}

    def widen(name: str, x: Tensor) -> None:
        low, high = (float(value) for value in torch.aminmax(x.detach()))
        before = ranges.get(name, (low, high))
        ranges[name] = min(low, before[0]), max(high, before[1])

    hooks = [
        conv.register_forward_pre_hook(lambda _, given, name=name: widen(name, given[0]))
        for name, conv in _convolutions(net)
    ]
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()


def _convolutions(net: RendererNet) -> Iterator[tuple[str, nn.Conv2d]]:
    """Those to round, by name."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d) and name.startswith(OF_EACH_FRAME) and name not in LAST:
            yield name, module
