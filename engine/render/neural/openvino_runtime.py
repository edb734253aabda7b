"""The networks of the neural frame in OpenVINO, on one thread of the CPU.

They are converted from torch once for each machine and kept in the user's cache; from then on torch is not loaded.
"""

import os
import platform
import threading
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino
from numpy.typing import NDArray

from engine.errors import UnavailableError
from engine.render.neural.cache import cached_files
from engine.render.neural.ranges import Ranges, read_ranges
from engine.render.neural.runtime import NeuralRuntime, Precision, Run

Float = NDArray[np.float32]


CPU_FLAGS: Final = Path("/proc/cpuinfo")


def open_openvino(weights: str | Path, precision: Precision = "auto") -> NeuralRuntime:
    """The networks; auto is bf16 where the processor is quickest with it, else int8 where the weights come with ranges.

    Raises:
        UnavailableError: there are no such weights, or no ranges for int8.
    """
    core = openvino.Core()
    ranges = read_ranges(weights)
    if precision == "auto":
        bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if bf16 and (_matrix_units() or not ranges) else "int8" if ranges else "fp32"
    if precision == "int8" and not ranges:
        raise UnavailableError(
            f"expected weights with the ranges that int8 needs at {weights}: `vividlive train renderer` measures them, "
            "or use another precision"
        )
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    files = _converted(weights, ranges if precision == "int8" else {})
    runs = [_run(core.compile_model(core.read_model(file), "CPU", settings)) for file in files]
    version = openvino.__version__.split("-")[0]
    return NeuralRuntime(f"OpenVINO {version}, {precision} on one thread of the CPU", weights, *runs)


def _matrix_units() -> bool:
    """Whether bf16 is quicker than int8: on x86 with AMX; with AVX-512 alone int8 is."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    try:
        return "amx_bf16" in CPU_FLAGS.read_text()
    except OSError:
        return False


def _run(model: Any) -> Run:
    mine = threading.local()  # a request holds one frame's inputs and results

    def run(*arrays: Float) -> list[Float]:
        if not hasattr(mine, "request"):
            mine.request = model.create_infer_request()
        results = mine.request.infer([np.ascontiguousarray(array)[None] for array in arrays])
        return [np.array(results[k][0]) for k in range(len(results))]

    return run


def _converted(weights: str | Path, ranges: Ranges) -> list[Path]:
    """The networks in OpenVINO's form, converted if the cache lacks them; with ranges in int8."""
    files = cached_files(weights, ".xml", openvino.__version__, *(("int8",) if ranges else ()))
    if not all(file.exists() for file in files):
        from engine.render.neural.parts import network_parts

        for file, part in zip(files, network_parts(weights, ranges=ranges), strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the converter's about torch's insides
                model = openvino.convert_model(part.exported())
            made = file.with_name(f"{os.getpid()}-{file.name}")
            openvino.save_model(model, made, compress_to_fp16=True)
            made.with_suffix(".bin").replace(file.with_suffix(".bin"))
            made.replace(file)
    return files
