"""Frames by the compiled kernel source: one call for all layers of a frame."""

import threading

import numpy as np
from numpy.typing import NDArray

from kernels.build import library
from kernels.check import check_array, pointer
from kernels.frame import BOX, CHANNELS, RECORD, Layer, Scene, layer_table
from kernels.rasterise.reference import EMPTY

DEPTH, PAINT = 1, 2


class _Keys(threading.local):
    """Depth keys int64 [size * size], one array for each frame size and thread.

    Painting leaves them empty, so painters that draw in turn can share them, and find them in the cache.
    """

    def __init__(self) -> None:
        self._of: dict[int, NDArray[np.int64]] = {}
        self._begun: set[int] = set()

    def begin(self, size: int) -> NDArray[np.int64]:
        """Empty keys for another frame's first layer."""
        if size not in self._of or size in self._begun:  # the last one was never painted
            self._of[size] = np.full(size * size, EMPTY, np.int64)
        self._begun.add(size)
        return self._of[size]

    def painted(self, size: int) -> None:
        """The first layer was drawn."""
        self._begun.discard(size)

    def of(self, size: int) -> NDArray[np.int64]:
        """The keys as they are."""
        return self._of[size] if size in self._of else self.begin(size)


_keys = _Keys()


class CpuPainter:
    """See ``kernels.frame.Painter``."""

    def __init__(
        self, layers: tuple[Layer, ...], background: NDArray[np.uint32], vertices: int, scale: float
    ) -> None:
        size = len(background)
        check_array("background", background, np.uint32, (size, size))
        table = layer_table(layers, background, pointer)
        self._held = layers, background, table  # whose addresses are kept
        self._count, self._layers = len(layers), pointer(table)  # NumPy is slow to tell that of records
        self._size, self._vertices, self._scale = size, vertices, scale
        self._boxes = 1 + max(layer.box for layer in layers)
        self._sets = 1 + max(layer.attributes for layer in layers)
        records = max(1, *(len(layer.triangles) for layer in layers))
        self._snapped = np.empty((vertices, 2), np.int32)
        self._setup = np.empty((records, RECORD), np.float32)
        self._row_planes = np.empty((2, CHANNELS, 2 * size), np.float32)
        self._row_covered = np.empty((2, 2 * size), np.int32)

    def depth(self, scene: Scene) -> None:
        """See ``kernels.frame.Painter``."""
        _keys.begin(self._size)
        self._draw(scene, 0, 1, DEPTH, None)

    def paint(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """See ``kernels.frame.Painter``."""
        self._draw(scene, 0, 1, PAINT, frame)
        _keys.painted(self._size)

    def details(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """See ``kernels.frame.Painter``."""
        self._draw(scene, 1, self._count, DEPTH | PAINT, frame)

    def _draw(
        self, scene: Scene, begin: int, end: int, passes: int, frame: NDArray[np.uint32] | None
    ) -> None:
        check_array("positions", scene.positions, np.float32, (self._vertices, 3))
        check_array("attributes", scene.attributes, np.float32, (self._sets, self._vertices, CHANNELS))
        check_array("boxes", scene.boxes, np.int32, (self._boxes, BOX))
        if frame is not None:
            check_array("frame", frame, np.uint32, (self._size, self._size))
        library().frame_layers(
            begin,
            end,
            passes,
            self._layers,
            pointer(scene.boxes),
            scene.opacity,
            self._scale,
            self._vertices,
            pointer(scene.positions),
            pointer(scene.attributes),
            pointer(self._snapped),
            pointer(self._setup),
            self._size,
            pointer(_keys.of(self._size)),
            pointer(self._row_planes),
            pointer(self._row_covered),
            0 if frame is None else pointer(frame),
        )
