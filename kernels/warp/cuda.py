"""Warping on a CUDA device: one image as everywhere, or a batch of them with a launch for all.

A batch's tensors have its rows as their first dimension, boxes are int32 [rows, 3]; the first ``count`` rows are done.
Nothing is allocated, copied or waited for then.
"""

from dataclasses import dataclass
from typing import Any, Final

from kernels.check import check_apart
from kernels.cuda import ACROSS, Launcher, Size, blocks, check_rows, check_tensor, launcher
from kernels.warp.reference import Box

FOUR: Final = 4
"""Channels of an element that a thread works on: one access of 16 bytes."""


@dataclass(frozen=True)
class Shape:
    """How a kernel is launched. block: threads along x and y. down: pixels of a column that a thread works on. resident:
    blocks that a multiprocessor is to hold, which bounds the registers; None: the compiler's choice.
    """

    block: Size = ACROSS
    down: int = 1
    resident: int | None = None

    def definitions(self, entry: str) -> tuple[str, ...]:
        """Options that compile warp.cu for this shape of ``entry``; none where the source leaves it open."""
        if self.resident is None:
            return ()
        threads = self.block[0] * self.block[1] * self.block[2]
        values = {"DOWN": self.down, "THREADS": threads, "BLOCKS": self.resident}
        return tuple(f"-D{entry.upper()}_{name}={value}" for name, value in values.items())

    def grid(self, width: int, height: int, rows: int = 1) -> Size:
        """Blocks for so many columns, pixels of each, and rows of a batch."""
        return blocks([width, -(-height // self.down), rows], self.block)


SHAPES: Final = {
    "refine": Shape(block=(32, 4, 1), down=8, resident=9),
    "warp_image": Shape(down=8, resident=8),
    "warp_features": Shape(),
}
"""As warp.cu is compiled without definitions."""


def refine(frame: Any, box: Box, maps: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    pitch = check_rows("frame", frame, (height, width))
    out_pitch = check_rows("out", out, (height, width))
    check_tensor("maps", maps, "float32", (5, None, None))
    check_apart("frame", frame.data_ptr() == out.data_ptr())
    arguments = frame, pitch, height, width, _there(box, frame), maps, maps.shape[1], out, out_pitch
    shape = SHAPES["refine"]
    launcher().launch("refine", shape.grid(width, height), shape.block, arguments)


def warp_image(frame: Any, box: Box, flow: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    n, flow_n = out.shape[1], flow.shape[1]
    pitch = check_rows("frame", frame, (height, width))
    check_tensor("flow", flow, "float32", (2, None, None))
    check_tensor("out", out, "float32", (3, None, None))
    arguments = frame, pitch, height, width, _there(box, frame), flow, flow_n, n, out
    shape = SHAPES["warp_image"]
    launcher().launch("warp_image", shape.grid(n, n), shape.block, arguments)


def warp_features(features: Any, flow: Any, occlusion: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device."""
    height, width, channels = features.shape
    check_tensor("features", features, "float32", (None, None, None))
    check_tensor("flow", flow, "float32", (2, height, width))
    check_tensor("occlusion", occlusion, "float32", (height, width))
    check_tensor("out", out, "float32", (height, width, channels))
    check_apart("features", features.data_ptr() == out.data_ptr())
    arguments = features, flow, occlusion, height, width, channels, out
    shape = SHAPES["warp_features"]
    launcher().launch("warp_features", shape.grid(width * channels // FOUR, height), shape.block, arguments)


def refine_rows(
    kernels: Launcher,
    count: int,
    frames: Any,
    boxes: Any,
    maps: Any,
    out: Any,
    shape: Shape = SHAPES["refine"],
) -> None:
    """``refine`` for frames int32 [rows, H, W]; ``kernels`` are compiled for ``shape``."""
    rows, height, width = frames.shape
    n = maps.shape[2]
    check_tensor("frames", frames, "int32", (rows, height, width))
    check_tensor("boxes", boxes, "int32", (None, 3))
    check_tensor("maps", maps, "float32", (None, 5, n, n))
    check_tensor("out", out, "int32", (rows, height, width))
    check_apart("frames", out is frames)
    arguments = frames, width, height, width, boxes, maps, n, out, width
    kernels.launch("refine", shape.grid(width, height, count), shape.block, arguments)


def warp_image_rows(
    kernels: Launcher,
    count: int,
    frames: Any,
    boxes: Any,
    flow: Any,
    out: Any,
    shape: Shape = SHAPES["warp_image"],
) -> None:
    """``warp_image`` for frames int32 [rows, H, W]; ``kernels`` are compiled for ``shape``."""
    rows, height, width = frames.shape
    n, flow_n = out.shape[2], flow.shape[2]
    check_tensor("frames", frames, "int32", (rows, height, width))
    check_tensor("boxes", boxes, "int32", (None, 3))
    check_tensor("flow", flow, "float32", (None, 2, flow_n, flow_n))
    check_tensor("out", out, "float32", (None, 3, n, n))
    arguments = frames, width, height, width, boxes, flow, flow_n, n, out
    kernels.launch("warp_image", shape.grid(n, n, count), shape.block, arguments)


def warp_features_rows(
    kernels: Launcher,
    count: int,
    features: Any,
    flow: Any,
    occlusion: Any,
    out: Any,
    shape: Shape = SHAPES["warp_features"],
) -> None:
    """``warp_features`` for features [rows, H, W, C]; ``kernels`` are compiled for ``shape``."""
    _, height, width, channels = features.shape
    check_tensor("features", features, "float32", (None, None, None, None))
    check_tensor("flow", flow, "float32", (None, 2, height, width))
    check_tensor("occlusion", occlusion, "float32", (None, height, width))
    check_tensor("out", out, "float32", (None, height, width, channels))
    check_apart("features", out is features)
    arguments = features, flow, occlusion, height, width, channels, out
    kernels.launch(
        "warp_features", shape.grid(width * channels // FOUR, height, count), shape.block, arguments
    )


def _there(box: Box, beside: Any) -> Any:
    """The box of one image on its device."""
    import torch

    return torch.tensor([box], dtype=torch.int32, device=beside.device)
