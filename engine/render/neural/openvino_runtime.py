"""The networks of the neural frame in OpenVINO, on one thread of the CPU.

They are converted from torch once for each machine and kept in the user's cache; from then on torch is not loaded.
"""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from engine.render.neural.cache import cached_files
from engine.render.neural.guidance import Guide
from engine.render.neural.runtime import Moved, Precision

Float = NDArray[np.float32]


class OpenVinoRuntime:
    """See ``NeuralRuntime``."""

    def __init__(self, weights: str | Path, precision: Precision = "auto") -> None:
        core = openvino.Core()
        if precision == "auto":
            precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"
        settings = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        }
        files = _converted(weights)
        models = (core.compile_model(core.read_model(file), "CPU", settings) for file in files)
        self._photo, self._motion, self._generator = (model.create_infer_request() for model in models)
        self.name = f"OpenVINO {openvino.__version__.split('-')[0]}, {precision} on one thread of the CPU"

    def photo(self, picture: Float) -> Float:
        """See ``NeuralRuntime``."""
        return self._run(self._photo, picture)[0]

    def motion(self, reference: Float, guide: Guide) -> Moved:
        """See ``NeuralRuntime``."""
        told = (reference, guide.code, guide.shift, guide.opening, guide.lips)
        flow, occlusion, features = self._run(self._motion, *told)
        return Moved(flow, occlusion[0], features)

    def paint(self, picture: Float, photo: Float, features: Float) -> Float:
        """See ``NeuralRuntime``."""
        return self._run(self._generator, picture, photo, features)[0]

    @staticmethod
    def _run(request: Any, *arrays: Float) -> list[Float]:
        results = request.infer([np.ascontiguousarray(array)[None] for array in arrays])
        return [np.array(results[k][0]) for k in range(len(results))]


def _converted(weights: str | Path) -> list[Path]:
    """The networks in OpenVINO's form, converted if the cache lacks them."""
    files = cached_files(weights, ".xml", openvino.__version__)
    if not all(file.exists() for file in files):
        from engine.render.neural.parts import network_parts

        for file, part in zip(files, network_parts(weights), strict=True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the converter's about torch's insides
                model = openvino.convert_model(part.exported())
            made = file.with_name(f"{os.getpid()}-{file.name}")
            openvino.save_model(model, made, compress_to_fp16=True)
            made.with_suffix(".bin").replace(file.with_suffix(".bin"))
            made.replace(file)
    return files
