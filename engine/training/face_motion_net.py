"""The face motion network: a small causal transformer from what is heard to mouth, other face and lip offsets.

A clip is a fresh cache and one long chunk; a stream may be cut into chunks of any length. Attention reaches back over
a bounded window, so a session of any length costs the same a frame. The manner of speaking is added to the first
layer's result. One body serves several look-aheads: each has three branches of its own, which end in the outputs of
``engine/motion/channels.py``, and a fourth one that names the sounds, which is for training alone. Calls run
``engine/motion/network.py``, which computes the same from the same file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.motion.channels import FACE_CHANNELS, LIP_CHANNELS, MOUTH_CHANNELS
from engine.motion.manner import MANNERS
from engine.motion.network_config import BRANCHES, FaceMotionConfig
from engine.speech.hearing import HEARD
from engine.training.phones import CLASS_NAMES

Past = tuple[Tensor, Tensor]
"""Keys and values of the last ``window - 1`` frames (fewer at the start): [B, heads, W, width / heads] each."""

DROPPED: Final = 0.1
"""Part of what a layer adds that is left out in training."""

HALVES: Final = 2
"""Times in a frame at which its sound is named: the middles of its halves."""


@dataclass(frozen=True)
class Cache:
    """What the network keeps of a stream: the last ``context - 1`` frames' features, and each layer's past."""

    features: Tensor
    layers: tuple[Past, ...]


@dataclass(frozen=True)
class Output:
    """What one look-ahead's branches say at input frame n of frame n less the look-ahead.

    motion: [B, T, OUTPUTS], the channels (nominally in [0, 1], not clamped) and two logits. sounds: [B, T, HALVES,
    classes], logits.
    """

    motion: Tensor
    sounds: Tensor

    def float(self) -> "Output":
        """In single precision."""
        return Output(self.motion.float(), self.sounds.float())


class Layer(nn.Module):
    """Attention over the window and a feed-forward network, each behind its own layer norm."""

    def __init__(self, config: FaceMotionConfig) -> None:
        super().__init__()
        self.heads, self.window = config.heads, config.window
        self.norm_attention, self.norm_forward = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        nearness = torch.linspace(0.05, 1.0, config.heads)[:, None]  # some heads begin near, some far
        self.bias = nn.Parameter(-nearness * torch.arange(config.window))
        self.up, self.down = nn.Linear(config.width, config.hidden), nn.Linear(config.hidden, config.width)
        self.drop = nn.Dropout(DROPPED)

    def forward(self, x: Tensor, past: Past | None, age: Tensor, unseen: Tensor) -> tuple[Tensor, Past]:
        """Add the layer to x [B, T, width]; return it and the keys and values to keep.

        age: how many frames a key lies before a query, clamped to the window; unseen: where it lies outside.
        """
        batch, time, width = x.shape
        joined = self.query_key_value(self.norm_attention(x)).view(batch, time, 3, self.heads, -1)
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        bias = self.bias[:, age].masked_fill(unseen, float("-inf")).unsqueeze(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, bias)
        x = x + self.drop(self.out(mixed.transpose(1, 2).reshape(batch, time, width)))
        x = x + self.drop(self.down(functional.gelu(self.up(self.norm_forward(x)))))
        kept = slice(max(0, key.shape[2] - self.window + 1), None)
        return x, (key[:, :, kept], value[:, :, kept])


class Branches(nn.Module):
    """The ends of the network for one look-ahead."""

    def __init__(self, width: int) -> None:
        super().__init__()
        outputs = {"mouth": len(MOUTH_CHANNELS), "face": len(FACE_CHANNELS), "lips": len(LIP_CHANNELS)}
        assert tuple(outputs) == BRANCHES[:-1]
        self.norm = nn.LayerNorm(width)
        for name, count in (*outputs.items(), ("events", 2)):
            inner = width if name == "mouth" else width // 2
            self.add_module(name, nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, count)))
        self.sounds = nn.Linear(width, HALVES * len(CLASS_NAMES))

    def forward(self, x: Tensor) -> Output:
        """From the body's result [B, T, width]."""
        x = self.norm(x)
        motion = torch.cat([self.get_submodule(name)(x) for name in BRANCHES], dim=-1)
        return Output(motion, self.sounds(x).view(*x.shape[:2], HALVES, -1))


class FaceMotionNet(nn.Module):
    """From what is heard of frames up to n to the motion of frames n - ``look_aheads``.

    The first look-ahead is that of ``config``.
    """

    def __init__(self, config: FaceMotionConfig | None = None, others: Sequence[int] = ()) -> None:
        super().__init__()
        self.config = config or FaceMotionConfig()
        self.look_aheads = (self.config.look_ahead, *others)
        width = self.config.width
        self.embed = nn.Sequential(
            nn.Linear(HEARD * self.config.context, self.config.hidden),
            nn.GELU(),
            nn.Linear(self.config.hidden, width),
        )
        self.manner = nn.Linear(MANNERS, width, bias=False)
        self.layers = nn.ModuleList(Layer(self.config) for _ in range(self.config.layers))
        self.branches = nn.ModuleDict({str(frames): Branches(width) for frames in self.look_aheads})

    def forward(
        self, heard: Tensor, manner: Tensor, cache: Cache | None = None
    ) -> tuple[dict[int, Output], Cache]:
        """Map heard [B, T, HEARD] that follows ``cache``, spoken in manner [B, MANNERS], to each look-ahead's
        output and the new cache."""
        context, window, time = self.config.context, self.config.window, heard.shape[1]
        before = cache.features if cache else torch.zeros_like(heard[:, :1]).expand(-1, context - 1, -1)
        joined = torch.cat([before, heard], dim=1)
        x = self.embed(joined.unfold(1, context, 1).flatten(2)).float() + self.manner(manner)[:, None]
        span = time + (cache.layers[0][0].shape[2] if cache else 0)
        steps = torch.arange(span, device=x.device)
        age = steps[span - time :, None] - steps
        unseen, age = (age < 0) | (age >= window), age.clamp(0, window - 1)
        kept: list[Past] = []
        for number, layer in enumerate(self.layers):
            x, past = layer(x, cache.layers[number] if cache else None, age, unseen)
            kept.append(past)
        outputs = {frames: self.branches[str(frames)](x) for frames in self.look_aheads}
        return outputs, Cache(joined[:, time:], tuple(kept))
