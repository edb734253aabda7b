"""The networks of the neural frame, compiled ahead of their use: AOTInductor and TensorRT.

Both compile once for each machine, which takes a minute or more, and keep the result in the user's cache.
"""

import importlib
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch

from engine.errors import UnavailableError
from engine.render.neural.cache import cached_files
from engine.render.neural.parts import Part, network_parts
from engine.render.neural.runtime import NeuralRuntime
from engine.render.neural.torch_runtime import TensorRun, on_tensors


def open_aoti(weights: str | Path, device: str = "cpu") -> NeuralRuntime:
    """The networks in fp32, compiled by AOTInductor for one thread of the CPU, or for a GPU.

    Raises:
        UnavailableError: no such weights, or no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise UnavailableError(
            f"expected the C++ compiler {compiler} for AOTInductor: install it, or set CXX"
        )
    from torch._inductor import aoti_load_package

    files = cached_files(weights, ".pt2", "aoti", torch.__version__, _chip(device))
    if not all(file.exists() for file in files):
        for file, part in zip(files, network_parts(weights, device), strict=True):
            _aoti_package(part, file)
    runs: list[TensorRun] = [aoti_load_package(str(file)) for file in files]
    return on_tensors(f"AOTInductor, fp32 on {device}", weights, runs, device)


def open_tensorrt(weights: str | Path, device: str = "cuda") -> NeuralRuntime:
    """The networks as TensorRT engines with fp16 and fp32 kernels.

    Raises:
        UnavailableError: no such weights, no GPU, or Torch-TensorRT or TensorRT's own libraries are missing.
    """
    if not torch.cuda.is_available():
        raise UnavailableError("expected a CUDA device for TensorRT, there is none: use another runtime")
    compiler = _torch_tensorrt()
    version = f"{compiler.__version__} {importlib.import_module('tensorrt').__version__}"
    files = cached_files(weights, ".pt2", "tensorrt", torch.__version__, version, _chip(device))
    if not all(file.exists() for file in files):
        for file, part in zip(files, network_parts(weights, device), strict=True):
            made = file.with_name(f"{os.getpid()}-{file.name}")
            engine = _tensorrt_engine(compiler, part)
            compiler.save(engine, str(made), inputs=list(part.inputs))
            made.replace(file)
    runs: list[TensorRun] = [torch.export.load(str(file)).module() for file in files]
    return on_tensors(f"TensorRT, fp16 on {device}", weights, runs, device)


def _aoti_package(part: Part, file: Path) -> None:
    from torch._inductor import aoti_compile_and_package

    made = file.with_name(f"{os.getpid()}-{file.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's about its own insides
        aoti_compile_and_package(part.exported(), package_path=str(made), inductor_configs={"cpp.threads": 1})
    made.replace(file)


def _tensorrt_engine(compiler: Any, part: Part) -> Any:
    precisions = {torch.float16, torch.float32}
    return compiler.dynamo.compile(part.exported(), inputs=list(part.inputs), enabled_precisions=precisions)


def _torch_tensorrt() -> Any:
    try:
        return importlib.import_module("torch_tensorrt")
    except (ImportError, OSError) as error:
        raise UnavailableError(
            "expected Torch-TensorRT and TensorRT's libraries, which NVIDIA's package index alone has: "
            f"pip install 'vividlive[tensorrt]' --extra-index-url of NVIDIA, or use another runtime ({error})"
        ) from error


def _chip(device: str) -> str:
    """What compiled code depends on."""
    if device.startswith("cuda"):
        return "sm_{}{}".format(*torch.cuda.get_device_capability(device))
    return torch.backends.cpu.get_cpu_capability()
