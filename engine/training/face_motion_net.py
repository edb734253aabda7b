"""The face motion network: a small causal transformer from log-mel features to mouth shapes.

A clip is a fresh cache and one long chunk; a stream may be cut into chunks of any length. Attention reaches back over
a bounded window, so a session of any length costs the same a frame. Calls run ``engine/motion/network.py``, which
computes the same from the same file.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import UnavailableError
from engine.motion.mouth import CHANNELS
from engine.motion.network import FaceMotionConfig
from engine.speech.features import FEATURES

Past = tuple[Tensor, Tensor]
"""Keys and values of the last ``window - 1`` frames (fewer at the start): [B, heads, W, width / heads] each."""


@dataclass(frozen=True)
class Cache:
    """What the network keeps of a stream: the last ``context - 1`` frames' features, and each layer's past."""

    features: Tensor
    layers: tuple[Past, ...]


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
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, time, width))
        x = x + self.down(functional.gelu(self.up(self.norm_forward(x))))
        kept = slice(max(0, key.shape[2] - self.window + 1), None)
        return x, (key[:, :, kept], value[:, :, kept])


class FaceMotionNet(nn.Module):
    """From features of frames up to n to the mouth of frame n - ``config.look_ahead``.

    Output channels: ``CHANNELS`` (nominally in [0, 1], not clamped), then two logits: the lips are shut by a
    bilabial, and somebody speaks.
    """

    def __init__(self, config: FaceMotionConfig | None = None) -> None:
        super().__init__()
        self.config = config or FaceMotionConfig()
        width = self.config.width
        self.embed = nn.Sequential(
            nn.Linear(FEATURES * self.config.context, self.config.hidden),
            nn.GELU(),
            nn.Linear(self.config.hidden, width),
        )
        self.layers = nn.ModuleList(Layer(self.config) for _ in range(self.config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, len(CHANNELS) + 2))

    def forward(self, features: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Map features [B, T, FEATURES] that follow ``cache`` to outputs [B, T, channels + 2] and the new cache."""
        context, window, time = self.config.context, self.config.window, features.shape[1]
        before = cache.features if cache else torch.zeros_like(features[:, :1]).expand(-1, context - 1, -1)
        joined = torch.cat([before, features], dim=1)
        x = self.embed(joined.unfold(1, context, 1).flatten(2))
        span = time + (cache.layers[0][0].shape[2] if cache else 0)
        steps = torch.arange(span, device=x.device)
        age = steps[span - time :, None] - steps
        unseen, age = (age < 0) | (age >= window), age.clamp(0, window - 1)
        kept: list[Past] = []
        for number, layer in enumerate(self.layers):
            x, past = layer(x, cache.layers[number] if cache else None, age, unseen)
            kept.append(past)
        return self.head(self.norm(x)), Cache(joined[:, time:], tuple(kept))


def save_weights(model: FaceMotionNet, path: str | Path) -> None:
    """Write the weights as float16 with the network's config in the file's header."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, str(path), metadata=model.config.to_metadata())


def load_weights(path: str | Path) -> FaceMotionNet:
    """Read what ``save_weights`` wrote, as float32, ready for use on the CPU.

    Raises:
        UnavailableError: the file is missing or holds something else.
    """
    try:
        with safe_open(str(path), "pt") as file:
            model = FaceMotionNet(FaceMotionConfig.from_metadata(file.metadata() or {}))
            model.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnavailableError(
            f"expected the weights of the face motion network at {path}: {error}"
        ) from error
    return model.eval().requires_grad_(False)
