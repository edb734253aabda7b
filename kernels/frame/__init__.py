"""Frame: layers of textured triangles, each drawn into a box of one picture, over what lies there already.

Convention:
    positions: float32 [V, 3] as in ``kernels.rasterise``; frame pixels are positions times ``scale``.
    attributes: float32 [A, V, 3], sets of (u, v, shade) for every vertex, as in ``kernels.composite``.
    boxes: int32 [B, 5]: x, y, width, height in frame pixels, and 2 where samples are twice as fine, else 1. A width of
        0 draws nothing; width * height * factor^2 is at most size^2. The first box is the whole frame.
    opacity: of 256, for the layers that fade.
    frame: uint32 [size, size] RGBX, opaque.
    Layers that share a box follow each other; the first of them lies over the background, so that it needs no clearing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from kernels.build import Backend
from kernels.build import backend as default_backend
from kernels.check import check_array
from kernels.composite.reference import OPAQUE

CHANNELS: Final = 3
RECORD: Final = 2 + 3 * CHANNELS
"""Floats that a triangle leaves for its pixels."""
BOX: Final = 5

LAYER: Final = np.dtype(
    [
        ("triangles", np.uint64),
        ("atlas", np.uint64),
        ("background", np.uint64),
        ("count", np.int32),
        ("atlas_height", np.int32),
        ("atlas_width", np.int32),
        ("box", np.int32),
        ("attributes", np.int32),
        ("fades", np.int32),
    ],
    align=True,
)
"""A layer as the kernels read it (``Layer`` in frame.cu): addresses of arrays, and numbers."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Triangles int32 [T, 3] that read one atlas, uint32 [H, W].

    box, attributes: which of the frame's boxes and sets of attributes. first: whether it is its box's first.
    fades: whether the frame's opacity applies.
    """

    triangles: NDArray[np.int32]
    atlas: NDArray[np.uint32]
    box: int
    attributes: int = 0
    first: bool = False
    fades: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """What changes from frame to frame; the Convention is the module's."""

    positions: NDArray[np.float32]
    attributes: NDArray[np.float32]
    boxes: NDArray[np.int32]
    opacity: int = OPAQUE

    def factor(self, box: int) -> Literal[1, 2]:
        """How much finer a box is rasterised than the frame."""
        return 2 if self.boxes[box, 4] == 2 else 1


def layer_table(
    layers: Sequence[Layer], background: NDArray[np.uint32], address: Callable[[NDArray[Any]], int]
) -> NDArray[np.void]:
    """The layers as the kernels read them, ``LAYER`` [L]; ``address`` says where an array lies for them."""
    table = np.zeros(len(layers), LAYER)
    for record, layer in zip(table, layers, strict=True):
        check_array("triangles", layer.triangles, np.int32, (None, 3))
        check_array("atlas", layer.atlas, np.uint32, (None, None))
        record["triangles"], record["atlas"] = address(layer.triangles), address(layer.atlas)
        record["background"] = address(background) if layer.first else 0
        record["count"] = len(layer.triangles)
        record["atlas_height"], record["atlas_width"] = layer.atlas.shape
        record["box"], record["attributes"], record["fades"] = layer.box, layer.attributes, layer.fades
    return table


class Painter(Protocol):
    """Draws one face's layers; it holds buffers, so one painter serves one thread.

    ``depth``, ``paint`` and ``details`` of a frame follow each other before another painter of the thread draws.
    """

    def depth(self, scene: Scene) -> None:
        """Find which triangle of the first layer is nearest at each pixel."""

    def paint(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """Draw the first layer, whose ``depth`` was found before."""

    def details(self, scene: Scene, frame: NDArray[np.uint32]) -> None:
        """Draw all other layers, in their order."""


def painter(
    layers: tuple[Layer, ...],
    background: NDArray[np.uint32],
    vertices: int,
    scale: float,
    backend: Backend | None = None,
) -> Painter:
    """A painter of ``layers`` over ``background``, uint32 [size, size], for meshes of ``vertices`` vertices.

    Raises:
        ValueError: the layers are not as the Convention says, or the backend is "cuda", which draws batches.
    """
    if backend == "cuda":
        raise ValueError(
            "expected backend cpu or portable, got cuda: kernels.frame.cuda draws batches of frames"
        )
    if not layers or layers[0].box != 0 or not layers[0].first:
        raise ValueError("expected a first layer over the whole frame's background")
    if (backend or default_backend()) == "cpu":
        from kernels.frame.cpu import CpuPainter

        return CpuPainter(layers, background, vertices, scale)
    from kernels.frame.portable import PortablePainter

    return PortablePainter(layers, background, scale)
