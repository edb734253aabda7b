"""Frames by ``rasterise`` and ``composite``, layer after layer: the path without a compiler."""

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.composite import composite
from kernels.composite.reference import OPAQUE
from kernels.frame import CHANNELS, Layer, Scene
from kernels.rasterise import rasterise


class PortablePainter:
    """See ``kernels.frame.Painter``; ``backend``: that of the two operations."""

    def __init__(
        self,
        layers: tuple[Layer, ...],
        background: NDArray[np.uint32],
        scale: float,
        backend: Backend = "portable",
    ) -> None:
        self._layers, self._background, self._backend = layers, background, backend
        self._scale = np.float32(scale)
        cells = background.size
        self._planes = np.empty(CHANNELS * cells, np.float32)
        self._triangle = np.empty(cells, np.int32)
        self._keys = np.empty(cells, np.int64)

    def depth(self, scene: Scene) -> None:
        """See ``kernels.frame.Painter``."""
        self._rasterise(scene, self._layers[0])

    def paint(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """See ``kernels.frame.Painter``."""
        self._composite(scene, self._layers[0], frame)

    def details(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """See ``kernels.frame.Painter``."""
        for layer in self._layers[1:]:
            if scene.boxes[layer.box, 2] > 0 and not (layer.fades and scene.opacity == 0):
                self._rasterise(scene, layer)
                self._composite(scene, layer, frame)

    def _grid(
        self, scene: Scene, layer: Layer
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
        """Planes, triangle numbers and keys of a layer's box, in this painter's buffers."""
        factor = scene.factor(layer.box)
        _, _, width, height, _ = (scene.boxes[layer.box] * factor).tolist()
        cells = width * height
        return (
            self._planes[: CHANNELS * cells].reshape(CHANNELS, height, width),
            self._triangle[:cells].reshape(height, width),
            self._keys[:cells].reshape(height, width),
        )

    def _rasterise(self, scene: Scene, layer: Layer) -> None:
        x, y = (np.float32(corner) / self._scale for corner in scene.boxes[layer.box, :2])
        rasterise(
            scene.positions,
            layer.triangles,
            scene.attributes[layer.attributes],
            *self._grid(scene, layer),
            (float(x), float(y)),
            float(self._scale * np.float32(scene.factor(layer.box))),
            self._backend,
        )

    def _composite(self, scene: Scene, layer: Layer, frame: NDArray[np.uint32]) -> None:
        planes, triangle, _ = self._grid(scene, layer)
        x, y, width, height, _ = scene.boxes[layer.box].tolist()
        box = frame[y : y + height, x : x + width]
        under = self._background[y : y + height, x : x + width] if layer.first else box
        opacity = scene.opacity if layer.fades else OPAQUE
        composite(
            planes,
            triangle,
            layer.atlas,
            under,
            box,
            scene.factor(layer.box),
            self._backend,
            opacity=opacity,
        )
