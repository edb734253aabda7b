"""The head pose's networks: a VQ-VAE whose codes are short movements, and the chooser that draws them by ear.

Calls run ``engine/motion/head_pose.py``, which computes the same from the same file.
"""

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor, nn

from engine.files import replaced
from engine.motion.head_pose import AXES, HeadPoseConfig, bridge

DECAY: Final = 0.98
"""Of the running means that codes are."""

DEAD: Final = 0.15
"""A code whose running count is below this part of an equal share begins anew at a latent of the batch."""


class Codebook(nn.Module):
    """Vectors that latents are replaced by; each is the running mean of the latents that it replaced."""

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randn(codes, latent))
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", self.codes.clone())

    def nearest(self, latents: Tensor) -> Tensor:
        """Numbers [B] of the codes nearest to latents [B, latent]."""
        return torch.cdist(latents, self.codes).argmin(dim=1)

    @torch.no_grad()
    def update(self, latents: Tensor, chosen: Tensor, generator: torch.Generator) -> None:
        """Move the codes to the latents [B, latent] that chose them, and restart dead ones."""
        size = len(self.codes)
        counts = torch.zeros_like(self.counts).index_add_(0, chosen, torch.ones_like(latents[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, latents)
        self.counts.mul_(DECAY).add_(counts, alpha=1 - DECAY)
        self.sums.mul_(DECAY).add_(sums, alpha=1 - DECAY)
        share = len(latents) / size
        dead = self.counts < DEAD * share
        picks = torch.randint(len(latents), (int(dead.sum()),), generator=generator)
        self.sums[dead] = latents[picks.to(latents.device)] * share
        self.counts[dead] = share
        self.codes.copy_(self.sums / self.counts[:, None])


class PoseCodec(nn.Module):
    """Phase 1: what a head does in a window, given how it moves, as one code.

    Convention: a motion is [B, 3, 6]: pose, velocity and acceleration, a frame being the unit of time. scales: [3, 6],
    the standard deviations of the three in the training data (of the pose: its change in a frame; see ``decode``).
    """

    scales: Tensor
    bridge: Tensor

    def __init__(self, config: HeadPoseConfig, scales: Tensor) -> None:
        super().__init__()
        self.config = config
        moving = 2 * AXES
        self.register_buffer("scales", scales)
        self.register_buffer("bridge", torch.from_numpy(bridge(config.window)))
        self.codebook = Codebook(config.codes, config.latent)
        self.encoder = nn.Sequential(
            nn.Linear(config.window * AXES + moving, 2 * config.hidden),
            nn.ReLU(),
            nn.Linear(2 * config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.latent + moving, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, 3 * AXES),
        )
        self.coast = nn.Parameter(torch.zeros(3 * AXES, moving))

    def encode(self, poses: Tensor, motion: Tensor) -> Tensor:
        """Latents [B, latent] of wanted poses [B, window, 6] that follow a motion, wherever that is."""
        change = (poses - motion[:, :1]) / (self.scales[1] * self.config.window)
        return self.encoder(torch.cat([change.flatten(1), self._moving(motion)], dim=1))  # type: ignore[no-any-return]

    def decode(self, latents: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Poses [B, window, 6] and the motion at their end."""
        moving = self._moving(motion)
        change = self.decoder(torch.cat([latents, moving], dim=1)) + moving @ self.coast.T
        units = torch.stack([self.scales[1] * self.config.window, self.scales[1], self.scales[2]])
        end = change.view(-1, 3, AXES) * units
        end = torch.cat([end[:, :1] + motion[:, :1], end[:, 1:]], dim=1)
        return torch.einsum("wc,bca->bwa", self.bridge, torch.cat([motion, end], dim=1)), end

    def _moving(self, motion: Tensor) -> Tensor:
        return (motion[:, 1:] / self.scales[1:]).flatten(1)


class Chooser(nn.Module):
    """Phase 2: from what was heard, where the head is and a style to the chances of the codes."""

    def __init__(self, config: HeadPoseConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(config.inputs, config.width)
        self.gru = nn.GRU(config.width, config.memory, batch_first=True)
        self.head = nn.Linear(config.memory, config.codes)

    def forward(self, seen: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits [B, T, codes] for what is seen [B, T, inputs], and the memory [1, B, memory] after it."""
        inside, memory = self.gru(torch.relu(self.embed(seen)), memory)
        return self.head(inside), memory


def save_head_pose(codec: PoseCodec, chooser: Chooser, path: str | Path) -> None:
    """Write what calls need, as float16 where that can hold it."""
    tensors = {"scales": codec.scales, "codes": codec.codebook.codes, "coast": codec.coast}
    tensors |= {f"decoder.{name}": value for name, value in codec.decoder.state_dict().items()}
    tensors |= chooser.state_dict()
    halves = {name: value.detach().cpu().half().contiguous() for name, value in tensors.items()}
    halves["scales"] = codec.scales.cpu()  # those of translations are too small for float16
    with replaced(path) as part:
        part.write_bytes(save(halves, codec.config.to_metadata()))
