"""The face motion network as calls run it: one stream, one frame at a time, in NumPy.

The network itself is defined and trained in ``engine/training/face_motion_net.py``. Here its layer norms' gains and the
attention's scale are multiplied into the weights once, and a frame is some twenty products of a matrix and a vector.
"""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from scipy.special import erf

from engine.errors import UnavailableError
from engine.speech.features import FEATURES

Float = NDArray[np.float32]

NORM_EPSILON: Final = np.float32(1e-5)
"""Added to the variance in a layer norm, as torch does."""

ROOT_HALF: Final = np.float32(0.5**0.5)


@dataclass(frozen=True)
class FaceMotionConfig:
    """Size and delay of the network.

    width, hidden: of the residual stream and of the layers inside. context: frames that the first layer sees at
    once; window: frames that attention sees; both with the newest included. look_ahead: frames that the newest one
    lies after the one whose mouth comes out.
    """

    width: int = 160
    hidden: int = 384
    heads: int = 5
    layers: int = 3
    context: int = 3
    window: int = 24
    look_ahead: int = 2

    def to_metadata(self) -> dict[str, str]:
        """As strings, for the header of a safetensors file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str]) -> "FaceMotionConfig":
        """Read what ``to_metadata`` wrote."""
        return cls(**{field.name: int(metadata[field.name]) for field in fields(cls)})


@dataclass
class NetworkState:
    """What the network keeps of one stream.

    features: [context, FEATURES], oldest first. keys, values: [layers, heads, window, width / heads], newest last.
    frames: how many were heard, counted up to the window's length.
    """

    features: Float
    keys: Float
    values: Float
    frames: int = 0


@dataclass(frozen=True, eq=False)
class _Linear:
    weight: Float  # [inputs, outputs]
    bias: Float

    def __call__(self, x: Float) -> Float:
        return x @ self.weight + self.bias


@dataclass(frozen=True, eq=False)
class _Layer:
    query_key_value: _Linear
    out: _Linear
    up: _Linear
    down: _Linear
    nearness: Float  # [heads, window], newest last


class FaceMotionNetwork:
    """Weights that all streams share; ``step`` takes a frame of one of them.

    Raises:
        UnavailableError: the file is missing or holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            with safe_open(str(path), "np") as file:
                self.config = FaceMotionConfig.from_metadata(file.metadata() or {})
                tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
            self._embed = _embedding(tensors, self.config), _linear(tensors, "embed.2")
            self._layers = [_layer(tensors, number, self.config) for number in range(self.config.layers)]
            self._head = _linear(tensors, "head.0", norm="norm"), _linear(tensors, "head.2")
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UnavailableError(
                f"expected the weights of the face motion network at {path}: {error}"
            ) from error

    def new_state(self) -> NetworkState:
        """Begin a stream."""
        config = self.config
        past = (config.layers, config.heads, config.window, config.width // config.heads)
        return NetworkState(
            np.zeros((config.context, FEATURES), np.float32),
            np.zeros(past, np.float32),
            np.zeros(past, np.float32),
        )

    def step(self, state: NetworkState, features: Float) -> Float:
        """Hear features [FEATURES] of the next frame, n; return the output [channels + 2] of n - ``look_ahead``."""
        for past in (state.features, state.keys, state.values):
            past[..., :-1, :] = past[..., 1:, :]
        state.features[-1] = features
        unseen = max(0, self.config.window - 1 - state.frames)
        state.frames = min(state.frames + 1, self.config.window)
        first, second = self._embed
        x = second(_gelu(first(state.features.ravel())))
        for layer, keys, values in zip(self._layers, state.keys, state.values, strict=True):
            query, keys[:, -1], values[:, -1] = layer.query_key_value(_normal(x)).reshape(3, len(keys), -1)
            x = x + layer.out(
                _attend(query, keys[:, unseen:], values[:, unseen:], layer.nearness[:, unseen:])
            )
            x = x + layer.down(_gelu(layer.up(_normal(x))))
        first, second = self._head
        return second(_gelu(first(_normal(x))))


def _attend(query: Float, keys: Float, values: Float, nearness: Float) -> Float:
    """Mix values [heads, W, D] by how well their keys fit the query [heads, D]: [heads * D]."""
    scores = np.matmul(keys, query[:, :, None])[:, :, 0] + nearness
    parts = np.exp(scores - scores.max(axis=1, keepdims=True))
    mixed = np.matmul(parts[:, None], values)[:, 0] / parts.sum(axis=1, keepdims=True)
    return np.asarray(mixed.ravel(), np.float32)


def _normal(x: Float) -> Float:
    """A layer norm without gain and bias, which are in the weights that follow."""
    centred = x - x.mean()
    return np.asarray(centred / np.sqrt(centred @ centred / np.float32(len(x)) + NORM_EPSILON), np.float32)


def _gelu(x: Float) -> Float:
    return np.asarray(np.float32(0.5) * x * (np.float32(1.0) + erf(x * ROOT_HALF)), np.float32)


def _embedding(tensors: dict[str, Float], config: FaceMotionConfig) -> _Linear:
    """The first layer; the file has each feature's frames side by side, here each frame's features are."""
    first = _linear(tensors, "embed.0")
    by_feature = first.weight.reshape(FEATURES, config.context, -1)
    return _Linear(np.ascontiguousarray(by_feature.swapaxes(0, 1)).reshape(first.weight.shape), first.bias)


def _layer(tensors: dict[str, Float], number: int, config: FaceMotionConfig) -> _Layer:
    name = f"layers.{number}"
    joined = _linear(tensors, f"{name}.query_key_value", norm=f"{name}.norm_attention")
    scale = np.float32((config.width // config.heads) ** -0.5)
    joined.weight[:, : config.width] *= scale
    joined.bias[: config.width] *= scale
    return _Layer(
        joined,
        _linear(tensors, f"{name}.out"),
        _linear(tensors, f"{name}.up", norm=f"{name}.norm_forward"),
        _linear(tensors, f"{name}.down"),
        tensors[f"{name}.bias"][:, ::-1].copy(),
    )


def _linear(tensors: dict[str, Float], name: str, norm: str | None = None) -> _Linear:
    """A linear layer, with gain and bias of the layer norm before it, if there is one, multiplied in."""
    weight, bias = tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]
    if norm:
        bias = bias + tensors[f"{norm}.bias"] @ weight
        weight = tensors[f"{norm}.weight"][:, None] * weight
    return _Linear(np.ascontiguousarray(weight), bias.copy())
