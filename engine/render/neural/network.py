"""The two networks of the neural frame, in torch: the dual-branch motion VAE and the generator.

Convention: NCHW; G = GRID cells, N = IMAGE pixels along a side of the view; pictures are in [0, 1].
The motion network reads ``Guide`` and tells where the geometric frame is to be shifted, what of the photo's features can
be trusted (occlusion), and features of the motion; the generator reads the shifted frame and the photo's features,
carried to where the frame shows them, and paints what is missing.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.render.neural.sizes import CODE_CHANNELS, GRID, LIPS

TOLD: Final = 2 * CODE_CHANNELS + 2 + 1
"""Channels of the face branch: code of photo and frame, shift, opening."""

SHIFT_SCALE: Final = 0.25
"""The networks see shifts in units of so many cells to one."""


@dataclass(frozen=True)
class RendererConfig:
    """Sizes. latent: numbers that describe a face's motion. motion: channels that tell the generator of it. photo: channels
    of the photo's features. widths: channels at N/2, N/4, N/8 and N/16. reach: furthest shift, cells."""

    latent: int = 64
    motion: int = 16
    photo: int = 24
    widths: tuple[int, int, int, int] = (24, 48, 96, 128)
    reach: float = 1.5


@dataclass(frozen=True)
class MotionOutput:
    """flow: [B, 2, G, G], from each place to where the geometric frame has what belongs there, cells (x, y).
    occlusion: [B, 1, G, G] in [0, 1], 1 where the photo's features hold. features: [B, motion, G, G].
    mean, spread: [B, latent], of the latent's distribution (spread: logarithm of the variance)."""

    flow: Tensor
    occlusion: Tensor
    features: Tensor
    mean: Tensor
    spread: Tensor


def conv(inputs: int, outputs: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    """A convolution and its activation."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2), nn.LeakyReLU(0.1))


class Residual(nn.Module):
    """Two convolutions around which the input goes on as it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(x + self.second(self.first(x)), 0.1)


class FaceBranch(nn.Module):
    """Projected textures to a latent, and from it a map of the face's motion [B, 16, G, G]."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(conv(TOLD, 32, 2), conv(32, 48, 2), conv(48, 64, 2), conv(64, 32))
        cells = (GRID // 8) ** 2
        self.describe = nn.Linear(32 * cells, 2 * latent)
        self.map = nn.Sequential(nn.Linear(latent, 256), nn.LeakyReLU(0.1), nn.Linear(256, 32 * cells))
        self.decoder = nn.Sequential(Doubled(32, 32), Doubled(32, 24), Doubled(24, 16))

    def forward(self, told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.describe(self.encoder(told).flatten(1)).chunk(2, dim=1)
        spread = spread.clamp(-8.0, 4.0)
        latent = mean + torch.randn_like(mean) * torch.exp(0.5 * spread) if self.training else mean
        return self.decoder(self.map(latent).unflatten(1, (32, GRID // 8, GRID // 8))), mean, spread


class Doubled(nn.Module):
    """Twice the resolution, then a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))  # type: ignore[no-any-return]


class LipBranch(nn.Module):
    """An hourglass on the lips' Gaussian maps, to a map of their motion [B, 16, G, G]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(LIPS, 16)
        self.down_half, self.down_quarter, self.down_eighth = (
            conv(16, 24, 2),
            conv(24, 32, 2),
            conv(32, 32, 2),
        )
        self.up_quarter, self.up_half, self.up_whole = Doubled(32, 32), Doubled(32, 24), Doubled(24, 16)

    def forward(self, lips: Tensor) -> Tensor:
        whole: Tensor = self.first(lips)
        half = self.down_half(whole)
        quarter = self.down_quarter(half)
        quarter = quarter + self.up_quarter(self.down_eighth(quarter))
        half = half + self.up_half(quarter)
        return whole + self.up_whole(half)  # type: ignore[no-any-return]


class MotionVae(nn.Module):
    """The dual-branch motion network."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        self.face, self.lips = FaceBranch(config.latent), LipBranch()
        self.join = nn.Sequential(conv(16 + 16 + TOLD, 32), conv(32, 32))
        self.motion = _silent(nn.Conv2d(32, 3, 3, padding=1))
        self.features = conv(32, config.motion)

    def forward(
        self, reference: Tensor, code: Tensor, shift: Tensor, opening: Tensor, lips: Tensor
    ) -> MotionOutput:
        """reference: the photo's code [B, CODE_CHANNELS, G, G]; the others: ``Guide``, with B frames."""
        told = torch.cat([reference, code, SHIFT_SCALE * shift, opening], dim=1)
        face, mean, spread = self.face(told)
        joined = self.join(torch.cat([face, self.lips(lips), told], dim=1))
        motion = self.motion(joined)
        flow = self.config.reach * torch.tanh(motion[:, :2] / self.config.reach)
        return MotionOutput(flow, torch.sigmoid(motion[:, 2:] + 2.0), self.features(joined), mean, spread)


class PhotoEncoder(nn.Module):
    """Features of the photo, [B, photo, G, G]; run once for each avatar."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2), conv(12, 32), conv(32, 48, 2), Residual(48), nn.Conv2d(48, config.photo, 1)
        )

    def forward(self, photo: Tensor) -> Tensor:
        return self.layers(photo - 0.5)  # type: ignore[no-any-return]


class Generator(nn.Module):
    """Paints what the geometric frame lacks: residual colours [B, 3, N, N], units of pictures."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = config.widths
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), conv(12, half))
        self.down = conv(half, quarter, 2)
        self.meet = nn.Sequential(
            conv(quarter + config.photo + config.motion, quarter), conv(quarter, quarter)
        )
        self.coarse = nn.Sequential(conv(quarter, eighth, 2), Residual(eighth))
        self.whole = nn.Sequential(
            conv(eighth, sixteenth, 2), Residual(sixteenth), conv(sixteenth, eighth, size=1)
        )
        self.up_eighth = conv(eighth, quarter)
        self.up_quarter = nn.Sequential(conv(quarter, quarter), conv(quarter, half, size=1))
        self.up_half = conv(half, half)
        self.paint = nn.Sequential(_silent(nn.Conv2d(half, 12, 3, padding=1)), nn.PixelShuffle(2))

    def forward(self, image: Tensor, photo: Tensor, motion: Tensor) -> Tensor:
        """image: the shifted frame [B, 3, N, N]; photo: its features carried along [B, photo, G, G]; motion: the motion
        network's features."""
        half = self.stem(image - 0.5)
        quarter = self.meet(torch.cat([self.down(half), photo, motion], dim=1))
        eighth = self.coarse(quarter)
        eighth = eighth + _doubled(self.whole(eighth))
        quarter = quarter + _doubled(self.up_eighth(eighth))
        half = half + _doubled(self.up_quarter(quarter))
        return self.paint(self.up_half(half))  # type: ignore[no-any-return]


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer that says nothing until it learns to."""
    for value in layer.parameters():
        nn.init.zeros_(value)
    return layer


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class RendererNet(nn.Module):
    """All of it, as it is trained."""

    def __init__(self, config: RendererConfig) -> None:
        super().__init__()
        self.config = config
        self.motion, self.photo, self.generator = MotionVae(config), PhotoEncoder(config), Generator(config)
