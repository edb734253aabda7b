"""Runs the face motion network's step wherever it was exported to, and compares it with the network itself.

A runtime keeps the state of a fixed number of streams in its own form and takes a frame of all of them at once.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import UnavailableError
from engine.motion.manner import MANNERS
from engine.motion.network_config import FaceMotionConfig
from engine.speech.hearing import HEARD
from engine.training.face_motion_net import FaceMotionNet
from engine.training.motion_step import INPUT_NAMES, STATE_NAMES, MotionStep, zeros

Float = NDArray[np.float32]

TOLERANCE: Final = 1e-4
"""Most that a runtime may differ: channels are blendshapes in [0, 1], of which 1/255 can just be seen, and logits."""


class Runtime(Protocol):
    """A fixed number of streams."""

    streams: int

    def begin(self, chosen: NDArray[np.bool_]) -> None:
        """Let the chosen ones of the streams, bool [B], begin anew."""

    def step(self, heard: Float, manner: Float) -> Float:
        """Hear [B, HEARD], spoken in manner [B, MANNERS]: motion [B, OUTPUTS]."""


class NumpyRuntime:
    """The network as calls run it, one stream after another."""

    def __init__(self, weights: str | Path, streams: int = 1) -> None:
        from engine.motion.network import FaceMotionNetwork  # needs SciPy, which other runtimes do not

        self.streams = streams
        self._network = FaceMotionNetwork(weights)
        self._states = [self._network.new_state() for _ in range(streams)]

    def begin(self, chosen: NDArray[np.bool_]) -> None:
        """See ``Runtime``."""
        for stream in np.flatnonzero(chosen):
            self._states[stream] = self._network.new_state()

    def step(self, heard: Float, manner: Float) -> Float:
        """See ``Runtime``."""
        given = zip(self._states, heard, manner, strict=True)
        return np.stack([self._network.step(*stream) for stream in given])


class ArrayRuntime:
    """A runtime that takes and gives NumPy arrays.

    Args:
        run: from the arrays of ``INPUT_NAMES`` to those of ``OUTPUT_NAMES``, which it does not write to again.
    """

    def __init__(self, run: Callable[[list[Any]], list[Any]], config: FaceMotionConfig, streams: int) -> None:
        self.streams = streams
        self._run = run
        self._state: list[Any] = zeros(config, streams, STATE_NAMES)

    def begin(self, chosen: NDArray[np.bool_]) -> None:
        """See ``Runtime``."""
        self._state = [array.copy() for array in self._state]  # a runtime's own memory may be read-only
        for array in self._state:
            array[chosen] = 0

    def step(self, heard: Float, manner: Float) -> Float:
        """See ``Runtime``."""
        motion, *self._state = self._run([heard, manner, *self._state])
        return np.asarray(motion, np.float32)


class TorchRuntime:
    """A runtime that takes and gives torch's tensors; the state stays on the device."""

    def __init__(
        self, run: Callable[..., Any], config: FaceMotionConfig, streams: int, device: str = "cpu"
    ) -> None:
        self.streams = streams
        self._run, self._device = run, device
        self._state = [torch.from_numpy(array).to(device) for array in zeros(config, streams, STATE_NAMES)]

    def begin(self, chosen: NDArray[np.bool_]) -> None:
        """See ``Runtime``."""
        others = torch.from_numpy(~chosen).to(self._device)
        self._state = [
            tensor * others.view(-1, *[1] * (tensor.dim() - 1)).to(tensor.dtype) for tensor in self._state
        ]

    def step(self, heard: Float, manner: Float) -> Float:
        """See ``Runtime``."""
        with torch.inference_mode():
            given = [torch.from_numpy(array).to(self._device) for array in (heard, manner)]
            motion, *self._state = self._run(*given, *self._state)
            return np.asarray(motion.cpu().numpy(), np.float32)


def open_exported(
    name: str, path: Path, config: FaceMotionConfig, streams: int, device: str = "cpu"
) -> Runtime:
    """Open an exported file of a format, onnx, openvino or aoti; the first two run on the CPU.

    Raises:
        UnavailableError: the package that runs it is missing.
    """
    if name == "aoti":
        return open_aoti(path, config, streams, device)
    return {"onnx": open_onnx, "openvino": open_openvino}[name](path, config, streams)


def open_torch(net: FaceMotionNet, streams: int, device: str = "cpu") -> Runtime:
    """The step in torch itself, as it is before it is exported."""
    return TorchRuntime(deepcopy(MotionStep(net)).to(device), net.config, streams, device)


def open_onnx(path: Path, config: FaceMotionConfig, streams: int) -> Runtime:
    """An exported ONNX file in ONNX Runtime, on one thread of the CPU.

    Raises:
        UnavailableError: the package onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    def run(arrays: list[Any]) -> list[Any]:
        return list(session.run(None, dict(zip(INPUT_NAMES, arrays, strict=True))))

    return ArrayRuntime(run, config, streams)


def open_openvino(path: Path, config: FaceMotionConfig, streams: int) -> Runtime:
    """An exported OpenVINO file, on one thread of the CPU and in float32.

    Raises:
        UnavailableError: the package openvino is missing.
    """
    try:
        import openvino
    except ImportError as error:
        raise missing("openvino") from error
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def run(arrays: list[Any]) -> list[Any]:
        found = request.infer(dict(zip(INPUT_NAMES, arrays, strict=True)), share_inputs=True)
        return list(found.to_tuple())

    return ArrayRuntime(run, config, streams)


def open_aoti(path: Path, config: FaceMotionConfig, streams: int, device: str = "cpu") -> Runtime:
    """An exported AOTInductor package, on the device that it was compiled for."""
    from torch._inductor import aoti_load_package

    return TorchRuntime(aoti_load_package(str(path)), config, streams, device)


def missing(package: str) -> UnavailableError:
    """The error that says how to install a package for exports."""
    return UnavailableError(
        f"expected the package {package}, which is not installed: pip install 'vividlive[export]'"
    )


def largest_difference(runtime: Runtime, net: FaceMotionNet, seed: int = 0) -> float:
    """How far a runtime is from the network, which hears the same as one clip, in any output of any frame.

    The sound lasts three windows; after the first, every second stream begins anew, in the same batch.
    """
    frames, late = 3 * net.config.window, net.config.window
    rng = np.random.default_rng(seed)
    heard = rng.normal(0.5, 0.7, (runtime.streams, frames, HEARD)).astype(
        np.float32
    )  # as log-mel features vary
    manner = rng.uniform(-1.0, 1.0, (runtime.streams, MANNERS)).astype(np.float32)
    again = np.arange(runtime.streams) % 2 == 1
    found = []
    runtime.begin(np.ones(runtime.streams, bool))
    for frame in range(frames):
        if frame == late:
            runtime.begin(again)
        found.append(runtime.step(np.ascontiguousarray(heard[:, frame]), manner))
    wanted = _clip(net, heard, manner)
    wanted[again, late:] = _clip(net, heard[:, late:], manner)[again]
    return float(np.abs(np.stack(found, axis=1) - wanted).max())


def _clip(net: FaceMotionNet, heard: Float, manner: Float) -> Float:
    with torch.inference_mode():
        outputs = net(torch.from_numpy(np.ascontiguousarray(heard)), torch.from_numpy(manner))[0]
    return np.asarray(outputs[net.config.look_ahead].motion.numpy(), np.float32)
