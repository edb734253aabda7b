"""What drawing on a GPU must read and write at least, in bytes: a layer (``kernels/frame/frame.cu``), the neural frame's
warps. NumPy alone."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.render.neural.sizes import GRID, IMAGE
from kernels.frame import CHANNELS, RECORD, Layer, Scene
from kernels.rasterise import reference as rasterise_reference

INDICES: Final = 3 * 4
"""Of a triangle."""
VERTEX: Final = (3 + CHANNELS) * 4
"""Position and attributes."""
KEY: Final = 8
"""Of a sample."""
PIXEL: Final = 4


@dataclass(frozen=True)
class Moved:
    """Samples of the box and how many of them are covered; bytes of the layer's two launches."""

    samples: int
    covered: int
    depth: int
    paint: int


def layer_moves(layer: Layer, scene: Scene, scale: float) -> Moved:
    """Everything is counted once: keys drawn over and texels read twice are not.

    Depth reads triangles and vertices and writes a record of each triangle; of every covered sample it reads and writes a
    key. Paint reads the records, reads and empties every sample's key, reads what lies below each pixel and writes it, and
    reads a texel for each covered pixel.
    """
    x, y, width, height, factor = scene.boxes[layer.box].tolist()
    if width == 0 or (layer.fades and scene.opacity == 0):
        return Moved(0, 0, 0, 0)
    pixels, samples = width * height, width * height * factor**2
    planes = np.zeros((CHANNELS, height * factor, width * factor), np.float32)
    triangle = np.zeros(planes.shape[1:], np.int32)
    origin = float(np.float32(x) / np.float32(scale)), float(np.float32(y) / np.float32(scale))
    attributes = scene.attributes[layer.attributes]
    rasterise_reference.rasterise(
        scene.positions, layer.triangles, attributes, planes, triangle, origin, scale * factor
    )
    covered = int((triangle >= 0).sum())
    records = 4 * RECORD * len(layer.triangles)
    corners = INDICES * len(layer.triangles) + VERTEX * len(np.unique(layer.triangles))
    depth = corners + records + 2 * KEY * covered
    paint = records + 2 * KEY * samples + 2 * PIXEL * pixels + PIXEL * (covered // factor**2)
    return Moved(samples, covered, depth, paint)


def colour_bytes(size: int) -> int:
    """Of one frame: RGBX read, I420 written."""
    return PIXEL * size * size + i420_bytes(size)


def i420_bytes(size: int) -> int:
    """Of one frame, as it goes to the host."""
    return size * size * 3 // 2


def warp_image_bytes(side: int) -> int:
    """Of one frame: the flow and the box's pixels read, the networks' view written."""
    return 4 * 2 * GRID**2 + PIXEL * side**2 + 4 * 3 * IMAGE**2


def warp_features_bytes(channels: int) -> int:
    """Of one frame: features, flow and occlusion read, features written."""
    return 4 * GRID**2 * (2 * channels + 3)


def refine_bytes(size: int) -> int:
    """Of one frame: frame and maps read, frame written."""
    return 2 * PIXEL * size**2 + 4 * 5 * IMAGE**2
