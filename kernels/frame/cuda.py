"""Frames of many faces on a CUDA device: two launches a layer for a whole batch, and nothing comes back to the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kernels.cuda import ACROSS, Launcher, blocks, check_tensor
from kernels.frame import BOX, CHANNELS, LAYER, RECORD, Layer, layer_table
from kernels.rasterise.reference import EMPTY

THREADS: Final = (128, 1, 1)
DETAIL_SHARE: Final = 16
"""A layer after the first gets threads for this part of the frame's pixels; they go on where its box is larger."""
DETAIL_TRIANGLES: Final = 4
"""And for this part of the most triangles of a layer; they go on where it has more."""


@dataclass(frozen=True)
class Limits:
    """What a row of a batch has room for: vertices, triangles of one layer, layers, boxes, sets of attributes."""

    vertices: int
    triangles: int
    layers: int
    boxes: int
    sets: int


class CudaPainter:
    """Draws up to ``rows`` frames of ``size`` pixels at once, each of a face of its own.

    Convention: as in ``kernels.frame``, with a row of the batch as the first dimension; tensors on ``device``, int32 for
    pixels. ``frames`` int32 [rows, size, size] and ``i420`` uint8 [rows, size * 3 // 2, size] hold what was drawn last.
    Every buffer is made here: ``draw`` allocates nothing, waits for nothing and copies nothing.
    """

    def __init__(self, rows: int, size: int, limits: Limits, launcher: Launcher, device: str) -> None:
        import torch

        self.rows, self.size, self.limits = rows, size, limits
        self._launcher, self._device = launcher, device
        self._layers = torch.zeros((rows, limits.layers, LAYER.itemsize), dtype=torch.uint8, device=device)
        self._scales = torch.ones(rows, dtype=torch.float32, device=device)
        self._setup = torch.zeros((rows, limits.triangles, RECORD), dtype=torch.float32, device=device)
        self._keys = torch.full((rows, size * size), EMPTY, dtype=torch.int64, device=device)
        self._held: list[list[Any]] = [[] for _ in range(rows)]  # what the tables have the addresses of
        self.frames = torch.zeros((rows, size, size), dtype=torch.int32, device=device)
        self.i420 = torch.zeros((rows, size * 3 // 2, size), dtype=torch.uint8, device=device)

    def set_face(
        self, row: int, layers: Sequence[Layer], background: NDArray[np.uint32], scale: float
    ) -> None:
        """Draw these layers in a row from the next ``draw`` on; copies them to the device.

        Raises:
            ValueError: more layers, boxes or triangles than the limits say, or another size of background.
        """
        import torch

        size = self.size
        if background.shape != (size, size):
            raise ValueError(f"expected a background of {size} px, got {list(background.shape)}")
        for name, most, have in (
            ("layers", self.limits.layers, len(layers)),
            ("boxes", self.limits.boxes, 1 + max(layer.box for layer in layers)),
            ("triangles", self.limits.triangles, max(len(layer.triangles) for layer in layers)),
        ):
            if have > most:
                raise ValueError(f"expected at most {most} {name}, got {have}")
        held: list[Any] = []
        copies: dict[int, Any] = {}

        def on_device(array: NDArray[Any]) -> int:
            if id(array) not in copies:
                signed = np.ascontiguousarray(array).view(np.int32)
                copies[id(array)] = torch.from_numpy(signed.copy()).to(self._device)
                held.append(copies[id(array)])
            return int(copies[id(array)].data_ptr())

        table = np.zeros(self.limits.layers, LAYER)
        table[: len(layers)] = layer_table(layers, background, on_device)
        as_bytes = table.view(np.uint8).reshape(self.limits.layers, LAYER.itemsize)
        self._layers[row].copy_(torch.from_numpy(as_bytes))
        self._scales[row] = float(scale)
        self._held[row] = held

    def draw(
        self,
        count: int,
        positions: Any,
        attributes: Any,
        boxes: Any,
        opacity: Any,
        layers: slice = slice(None),
    ) -> None:
        """Draw the first ``count`` rows into ``frames``; ``layers``: those of the list that are drawn.

        positions float32 [rows, V, 3], attributes float32 [rows, A, V, 3], boxes int32 [rows, B, 5], opacity int32
        [rows], of which V, A and B are the limits'.
        """
        rows, limits = self.rows, self.limits
        check_tensor("positions", positions, "float32", (rows, limits.vertices, 3))
        check_tensor("attributes", attributes, "float32", (rows, limits.sets, limits.vertices, CHANNELS))
        check_tensor("boxes", boxes, "int32", (rows, limits.boxes, BOX))
        check_tensor("opacity", opacity, "int32", (rows,))
        pixels = self.size * self.size
        for number in range(*layers.indices(limits.layers)):
            which = number, limits.layers, self._layers, limits.boxes, boxes, opacity
            triangles = limits.triangles if number == 0 else limits.triangles // DETAIL_TRIANGLES
            x, _, _ = blocks([triangles], THREADS)
            mesh = self._scales, limits.vertices, positions, limits.sets, attributes
            scratch = limits.triangles, self._setup, self.size, self._keys
            self._launcher.launch("frame_depth", (x, count, 1), THREADS, (*which, *mesh, *scratch))
            x, _, _ = blocks([pixels if number == 0 else pixels // DETAIL_SHARE], THREADS)
            self._launcher.launch("frame_paint", (x, count, 1), THREADS, (*which, *scratch, self.frames))

    def to_i420(self, count: int, frames: Any = None) -> None:
        """Convert the first ``count`` rows of ``frames``, by default those that were drawn, into ``i420``."""
        frames = self.frames if frames is None else frames
        check_tensor("frames", frames, "int32", (self.rows, self.size, self.size))
        x, y, _ = blocks([self.size // 2, self.size // 2], ACROSS)
        self._launcher.launch("frame_i420", (x, y, count), ACROSS, (self.size, frames, self.i420))

    @property
    def bytes_per_row(self) -> int:
        """Device memory of one row: its buffers, and at most the arrays of one face."""
        buffers = (self._layers, self._setup, self._keys, self.frames, self.i420)
        made = sum(buffer.numel() * buffer.element_size() for buffer in buffers) // self.rows
        faces = [sum(t.numel() * t.element_size() for t in held) for held in self._held]
        return int(made + max(faces))
