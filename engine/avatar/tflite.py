"""Small networks in TFLite files, run by LiteRT on one thread."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

Float = NDArray[np.float32]


class Network:
    """One network with one input; its buffers belong to one thread."""

    def __init__(self, model: bytes) -> None:
        with _no_native_stderr():
            self._interpreter: Any = Interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, values: Float) -> list[Float]:
        """Run on one input, without its batch axis; returns copies of the outputs in the model file's order."""
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(values[None], np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


@contextmanager
def _no_native_stderr() -> Iterator[None]:
    """Hide what native code prints: LiteRT announces its delegate on stderr and has no setting against it."""
    try:
        kept = os.dup(2)
    except OSError:  # closed, as in a service without a console
        yield
        return
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
