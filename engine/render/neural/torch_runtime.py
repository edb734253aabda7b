"""The networks of the neural frame in torch, and in whatever else takes and gives torch's tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.render.neural.parts import network_parts
from engine.render.neural.runtime import NeuralRuntime, Precision, Run

Float = NDArray[np.float32]
TensorRun = Callable[..., Sequence[Tensor]]


def on_tensors(
    name: str, weights: str | Path, runs: Sequence[TensorRun], device: str = "cpu"
) -> NeuralRuntime:
    """A runtime of photo encoder, motion network and generator that take and give tensors of ``device``."""

    def on_arrays(run: TensorRun) -> Run:
        def run_arrays(*arrays: Float) -> list[Float]:
            with torch.inference_mode():
                given = [torch.from_numpy(array)[None].to(device) for array in arrays]
                return [np.ascontiguousarray(x[0].float().cpu().numpy()) for x in run(*given)]

        return run_arrays

    return NeuralRuntime(name, weights, *map(on_arrays, runs))


def open_torch(weights: str | Path, precision: Precision = "auto", device: str = "cpu") -> NeuralRuntime:
    """The networks as they are; on a GPU each as one CUDA graph. auto is bf16 on a GPU and fp32 on a CPU.

    Raises:
        UnavailableError: there are no such weights.
    """
    on_gpu = device.startswith("cuda")
    if precision == "auto":
        precision = "bf16" if on_gpu else "fp32"
    parts = network_parts(weights, device)
    runs = [_eager(part.module, device.partition(":")[0], precision == "bf16") for part in parts]
    if on_gpu:
        runs = [_Graphed(run, part.inputs) for run, part in zip(runs, parts, strict=True)]
    return on_tensors(f"torch, {precision} on {device}", weights, runs, device)


def _eager(module: nn.Module, kind: str, bf16: bool) -> TensorRun:
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(*given: Tensor) -> Sequence[Tensor]:
        with torch.autocast(kind, torch.bfloat16, enabled=bf16):
            outputs: Sequence[Tensor] = module(*given)
            return outputs

    return run


class _Graphed:
    """The same work as one CUDA graph, which reads and writes fixed memory: the weights' too, which ``run`` keeps alive."""

    def __init__(self, run: TensorRun, inputs: tuple[Tensor, ...]) -> None:
        self._run, self._inputs = run, [x.clone() for x in inputs]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside), torch.inference_mode():
            for _ in range(3):
                run(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self._graph):
            self._outputs = run(*self._inputs)

    def __call__(self, *given: Tensor) -> Sequence[Tensor]:
        for here, x in zip(self._inputs, given, strict=True):
            here.copy_(x)
        self._graph.replay()
        return self._outputs
