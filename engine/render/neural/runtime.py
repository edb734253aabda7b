"""Runs the networks of the neural frame: one interface, whatever computes.

Convention: NumPy in, NumPy out, one frame at a time; pictures are float32 [3, IMAGE, IMAGE] in [0, 1].
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import SettingError, UnavailableError
from engine.render.neural.guide import Guide

Float = NDArray[np.float32]

Run = Callable[..., Sequence[Float]]
"""One network of ``engine.render.neural.parts`` from arrays to arrays, all without a batch axis."""

RuntimeName = Literal["auto", "openvino", "torch", "aoti", "tensorrt"]
RUNTIMES: Final = get_args(RuntimeName)

Precision = Literal["auto", "fp32", "bf16", "int8"]
PRECISIONS: Final = get_args(Precision)
"""auto: bf16 where the processor has units for it, else int8 in OpenVINO's case, fp32 in torch's."""

WEIGHTS: Final = Path(__file__).parent.parent.parent / "assets" / "renderer.safetensors"


@dataclass(frozen=True, eq=False)
class Moved:
    """What the motion network says of one frame: flow [2, GRID, GRID], cells (x, y); occlusion [GRID, GRID] in [0, 1];
    features [C, GRID, GRID]."""

    flow: Float
    occlusion: Float
    features: Float


class NeuralRuntime:
    """Runs the three networks; what it returns is the caller's.

    name: of what computes, and in which precision, for people. weights: where it has them from.
    """

    def __init__(self, name: str, weights: str | Path, photo: Run, motion: Run, generator: Run) -> None:
        self.name, self.weights = name, Path(weights)
        self._photo, self._motion, self._generator = photo, motion, generator

    def photo(self, picture: Float) -> Float:
        """Features of an avatar's photo, float32 [C, GRID, GRID]."""
        return self._photo(picture)[0]

    def motion(self, reference: Float, guide: Guide) -> Moved:
        """Read a frame's guide; reference: the photo's code."""
        told = (reference, guide.code, guide.shift, guide.opening, guide.lips)
        flow, occlusion, features = self._motion(*told)
        return Moved(flow, occlusion[0], features)

    def paint(self, picture: Float, photo: Float, features: Float) -> Float:
        """What the frame lacks, [3, IMAGE, IMAGE]; photo: its features where the frame shows them, features: of its
        motion."""
        return self._generator(picture, photo, features)[0]


def open_runtime(
    name: RuntimeName = "auto", precision: Precision = "auto", weights: str | Path = WEIGHTS
) -> NeuralRuntime:
    """Open the networks for one thread of the CPU, or for the GPU in TensorRT's case.

    name: auto is OpenVINO where it is installed, else torch. precision: of OpenVINO and torch; int8 is OpenVINO's alone.

    Raises:
        SettingError: the name or the precision is unknown, or they do not go together.
        UnavailableError: there are no weights, or what was asked for is missing.
    """
    if name not in RUNTIMES:
        raise SettingError(f"expected a runtime of {', '.join(RUNTIMES)}, got {name!r}")
    if precision not in PRECISIONS:
        raise SettingError(f"expected a precision of {', '.join(PRECISIONS)}, got {precision!r}")
    if not Path(weights).is_file():
        raise UnavailableError(
            f"expected weights of the neural renderer at {weights}, there are none: train some with "
            "`vividlive train renderer` and give --weights, or use --quality geometric"
        )
    name = chosen_runtime(name)
    if precision == "int8" and name != "openvino":
        raise SettingError(f"expected the runtime openvino with the precision int8, got {name}")
    if name in ("aoti", "tensorrt"):
        from engine.render.neural.compiled import open_aoti, open_tensorrt

        return open_aoti(weights) if name == "aoti" else open_tensorrt(weights)
    if name == "torch":
        from engine.render.neural.torch_runtime import open_torch

        return open_torch(weights, precision)
    if importlib.util.find_spec("openvino") is None:
        raise UnavailableError("expected OpenVINO: pip install 'vividlive[cpu]'")
    from engine.render.neural.openvino_runtime import open_openvino

    return open_openvino(weights, precision)


def chosen_runtime(name: RuntimeName) -> RuntimeName:
    """What auto is on this machine; other names are themselves."""
    if name != "auto":
        return name
    return "openvino" if importlib.util.find_spec("openvino") is not None else "torch"
