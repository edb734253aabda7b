"""The definition of a frame: the definitions of rasterise and composite, one layer after the other.

Convention: as in ``kernels.frame``.
"""

import numpy as np
from numpy.typing import NDArray

from kernels.composite import reference as composite_reference
from kernels.composite.reference import OPAQUE
from kernels.frame import CHANNELS, Layer, Scene
from kernels.rasterise import reference as rasterise_reference


def paint(
    layers: tuple[Layer, ...],
    background: NDArray[np.uint32],
    scale: float,
    scene: Scene,
    frame: NDArray[np.uint32],
) -> None:
    """Draw every layer into ``frame``."""
    of_source = np.float32(scale)
    for layer in layers:
        x, y, width, height, _ = scene.boxes[layer.box].tolist()
        if width == 0 or (layer.fades and scene.opacity == 0):
            continue
        factor = scene.factor(layer.box)
        box = frame[y : y + height, x : x + width]
        under = background[y : y + height, x : x + width] if layer.first else box.copy()
        planes = np.zeros((CHANNELS, height * factor, width * factor), np.float32)
        triangle = np.zeros(planes.shape[1:], np.int32)
        rasterise_reference.rasterise(
            scene.positions,
            layer.triangles,
            scene.attributes[layer.attributes],
            planes,
            triangle,
            (float(np.float32(x) / of_source), float(np.float32(y) / of_source)),
            float(of_source * np.float32(factor)),
        )
        opacity = scene.opacity if layer.fades else OPAQUE
        composite_reference.composite(planes, triangle, layer.atlas, under, box, factor, opacity)
