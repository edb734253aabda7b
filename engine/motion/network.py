"""The face motion network as calls run it: one stream, one frame at a time, in NumPy.

The network itself is defined and trained in ``engine/training/face_motion_net.py``. A frame is some twenty products of a
matrix and a vector, and little between them, since constants are multiplied into the weights when they are read: gain
and bias of the layer norms, the attention's scale, the halves of GELU. What is added to the residual stream is made
to have mean zero, so that a layer norm need not take the mean away, and nothing else looks at it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from scipy.special import erf

from engine.errors import UnavailableError
from engine.motion.network_config import BRANCHES, FaceMotionConfig
from engine.speech.hearing import HEARD

Float = NDArray[np.float32]

NORM_EPSILON: Final = 1e-5
"""Added to the variance in a layer norm, as torch does."""

ROOT_HALF: Final = np.float32(0.5**0.5)
"""GELU of x is u (1 + erf u) sqrt(1/2), where u is x sqrt(1/2)."""


@dataclass
class NetworkState:
    """What the network keeps of one stream.

    heard: [context, HEARD], oldest first. keys, values: [layers, heads, window, width / heads], newest last.
    frames: how many were heard, counted up to the window's length.
    """

    heard: Float
    keys: Float
    values: Float
    frames: int = 0


@dataclass(frozen=True, eq=False)
class _Linear:
    weight: Float  # [inputs, outputs]
    bias: Float

    def centred(self) -> "_Linear":
        """This layer less the mean of its outputs."""
        return _Linear(self.weight - self.weight.mean(axis=1, keepdims=True), self.bias - self.bias.mean())

    def __call__(self, x: Float) -> Float:
        return x @ self.weight + self.bias


class _Gelu:
    """Two linear layers with a GELU between them."""

    def __init__(self, first: _Linear, second: _Linear) -> None:
        self._first = _Linear(first.weight * ROOT_HALF, first.bias * ROOT_HALF)
        self._second = _Linear(second.weight * ROOT_HALF, second.bias)

    def __call__(self, x: Float) -> Float:
        u = self._first(x)
        return self._second(u + u * erf(u))


@dataclass(frozen=True, eq=False)
class _Layer:
    query_key_value: _Linear
    out: _Linear
    forward: _Gelu
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
            self._embed = _Gelu(_embedding(tensors, self.config), _linear(tensors, "embed.2").centred())
            self._layers = [_layer(tensors, number, self.config) for number in range(self.config.layers)]
            manner = tensors["manner.weight"].T
            self._manner = manner - manner.mean(axis=1, keepdims=True)
            self._branches = [
                _Gelu(_linear(tensors, f"{name}.0", norm="norm"), _linear(tensors, f"{name}.2"))
                for name in BRANCHES
            ]
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise UnavailableError(
                f"expected the weights of the face motion network at {path}: {error}"
            ) from error

    def new_state(self) -> NetworkState:
        """Begin a stream."""
        config = self.config
        past = (config.layers, config.heads, config.window, config.width // config.heads)
        return NetworkState(
            np.zeros((config.context, HEARD), np.float32),
            np.zeros(past, np.float32),
            np.zeros(past, np.float32),
        )

    def step(self, state: NetworkState, heard: Float, manner: Float) -> Float:
        """Hear [HEARD] of the next frame, n; return the output [OUTPUTS] of n - ``look_ahead``.

        manner: float32 [MANNERS], how the person speaks (``engine.motion.manner``).
        """
        for past in (state.heard, state.keys, state.values):
            past[..., :-1, :] = past[..., 1:, :]
        state.heard[-1] = heard
        unseen = max(0, self.config.window - 1 - state.frames)
        state.frames = min(state.frames + 1, self.config.window)
        x = self._embed(state.heard.ravel()) + manner @ self._manner
        for layer, keys, values in zip(self._layers, state.keys, state.values, strict=True):
            query, keys[:, -1], values[:, -1] = layer.query_key_value(_normal(x)).reshape(3, len(keys), -1)
            mixed = _attend(query, keys[:, unseen:], values[:, unseen:], layer.nearness[:, unseen:])
            x = x + layer.out(mixed)
            x = x + layer.forward(_normal(x))
        x = _normal(x)
        return np.concatenate([branch(x) for branch in self._branches])


def _attend(query: Float, keys: Float, values: Float, nearness: Float) -> Float:
    """Mix values [heads, W, D] by how well their keys fit the query [heads, D]: [heads * D]."""
    scores = np.matmul(keys, query[:, :, None])[:, :, 0] + nearness
    parts = np.exp(scores - np.maximum.reduce(scores, axis=1, keepdims=True))
    mixed = np.matmul(parts[:, None], values)[:, 0] / np.add.reduce(parts, axis=1, keepdims=True)
    return np.asarray(mixed.ravel(), np.float32)


def _normal(x: Float) -> Float:
    """A layer norm of x with mean zero, without gain and bias, which are in the weights that follow."""
    return np.asarray(x * np.float32((float(x @ x) / len(x) + NORM_EPSILON) ** -0.5), np.float32)


def _embedding(tensors: dict[str, Float], config: FaceMotionConfig) -> _Linear:
    """The first layer; the file has each feature's frames side by side, here each frame's features are."""
    first = _linear(tensors, "embed.0")
    by_feature = first.weight.reshape(HEARD, config.context, -1)
    return _Linear(np.ascontiguousarray(by_feature.swapaxes(0, 1)).reshape(first.weight.shape), first.bias)


def _layer(tensors: dict[str, Float], number: int, config: FaceMotionConfig) -> _Layer:
    name = f"layers.{number}"
    joined = _linear(tensors, f"{name}.query_key_value", norm=f"{name}.norm_attention")
    scale = np.float32((config.width // config.heads) ** -0.5)
    joined.weight[:, : config.width] *= scale
    joined.bias[: config.width] *= scale
    return _Layer(
        joined,
        _linear(tensors, f"{name}.out").centred(),
        _Gelu(
            _linear(tensors, f"{name}.up", norm=f"{name}.norm_forward"),
            _linear(tensors, f"{name}.down").centred(),
        ),
        tensors[f"{name}.bias"][:, ::-1].copy(),
    )


def _linear(tensors: dict[str, Float], name: str, norm: str | None = None) -> _Linear:
    """A linear layer, with gain and bias of the layer norm before it, if there is one, multiplied in."""
    weight, bias = tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]
    if norm:
        bias = bias + tensors[f"{norm}.bias"] @ weight
        weight = tensors[f"{norm}.weight"][:, None] * weight
    return _Linear(np.ascontiguousarray(weight), bias.copy())
