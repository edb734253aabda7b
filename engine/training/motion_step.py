"""One frame of the face motion network as a function without memory, for other runtimes.

What a stream keeps goes in and comes out as tensors of fixed shapes, and a batch holds streams of any age side by side:
each has its own number of frames heard. So any host that can run a graph can run many streams. The layers are those of
``engine/training/face_motion_net.py``; only attention is written anew, as one query against a full window.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.motion.channels import OUTPUTS
from engine.motion.manner import MANNERS
from engine.motion.network_config import BRANCHES, FaceMotionConfig
from engine.speech.hearing import HEARD
from engine.training.face_motion_net import FaceMotionNet, Layer

STATE_NAMES: Final = ("context", "keys", "values", "frames")
INPUT_NAMES: Final = ("heard", "manner", *STATE_NAMES)
OUTPUT_NAMES: Final = ("motion", *(f"next_{name}" for name in STATE_NAMES))
"""What goes into ``MotionStep`` and what comes out, in order: the new state is the next step's state."""

State = tuple[Tensor, Tensor, Tensor, Tensor]


class MotionStep(nn.Module):
    """Weights of a network with its first look-ahead's branches, which the step shares with it."""

    def __init__(self, net: FaceMotionNet) -> None:
        super().__init__()
        self.config = net.config
        self.embed, self.manner, self.layers = net.embed, net.manner, net.layers
        self.ends = net.branches[str(net.config.look_ahead)]
        window = net.config.window
        self.register_buffer("age", torch.arange(window - 1, -1, -1))

    def forward(
        self, heard: Tensor, manner: Tensor, context: Tensor, keys: Tensor, values: Tensor, frames: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Hear the next frame of each stream.

        Args:
            heard: [B, HEARD]. manner: [B, MANNERS]. context: [B, context - 1, HEARD], the frames before, oldest
                first. keys, values: [B, layers, heads, window - 1, width / heads], newest last. frames: int64 [B], how
                many each stream has heard, counted up to ``window - 1``. A stream begins with zeros everywhere.

        Returns:
            motion [B, OUTPUTS] of the frame that lies ``look_ahead`` before, and the four tensors to keep.
        """
        joined = torch.cat([context, heard[:, None]], dim=1)
        x = self.embed(joined.transpose(1, 2).flatten(1)) + self.manner(manner)
        unseen = self.get_buffer("age") > frames[:, None]
        kept_keys, kept_values = [], []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            x, new_keys, new_values = _attend(layer, x, keys[:, number], values[:, number], unseen)
            kept_keys.append(new_keys)
            kept_values.append(new_values)
        x = self.ends.get_submodule("norm")(x)
        motion = torch.cat([self.ends.get_submodule(name)(x) for name in BRANCHES], dim=-1)
        heard_now = (frames + 1).clamp(max=self.config.window - 1)
        kept_context = joined[
            :, 1:
        ].contiguous()  # compiled steps take inputs as laid out when they were compiled
        return motion, kept_context, torch.stack(kept_keys, 1), torch.stack(kept_values, 1), heard_now


def _attend(
    layer: Layer, x: Tensor, keys: Tensor, values: Tensor, unseen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer's x [B, width], and its keys and values to keep; unseen: [B, window], newest last."""
    batch, width = x.shape
    joined = layer.query_key_value(layer.norm_attention(x)).view(batch, 3, layer.heads, 1, -1)
    query, key, value = joined.unbind(1)
    keys, values = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
    scores = (query @ keys.transpose(2, 3)) * (width // layer.heads) ** -0.5
    scores = scores + layer.bias.flip(1)[:, None]
    parts = scores.masked_fill(unseen[:, None, None], float("-inf")).softmax(dim=-1)
    x = x + layer.out((parts @ values).reshape(batch, width))
    x = x + layer.down(functional.gelu(layer.up(layer.norm_forward(x))))
    return x, keys[:, :, 1:], values[:, :, 1:]


def shapes(config: FaceMotionConfig, batch: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all inputs and outputs of a step of ``batch`` streams; all are float32 but frames, which is int64."""
    past = (batch, config.layers, config.heads, config.window - 1, config.width // config.heads)
    state = {"context": (batch, config.context - 1, HEARD), "keys": past, "values": past, "frames": (batch,)}
    return {
        "heard": (batch, HEARD),
        "manner": (batch, MANNERS),
        **state,
        "motion": (batch, OUTPUTS),
        **{f"next_{name}": shape for name, shape in state.items()},
    }


def zeros(config: FaceMotionConfig, batch: int, names: Sequence[str]) -> list[NDArray[Any]]:
    """Zeros for some of the inputs, by name; those of the state begin a stream."""
    every = shapes(config, batch)
    return [np.zeros(every[name], np.int64 if name == "frames" else np.float32) for name in names]
