"""Warping on a CUDA device: one image as everywhere, or a batch of them with a launch for all.

A batch's tensors have its rows as their first dimension, boxes are int32 [rows, 3]; the first ``count`` rows are done.
Nothing is allocated, copied or waited for then.
"""

from typing import Any, Final

from kernels.check import check_apart
from kernels.cuda import ACROSS, Launcher, blocks, check_rows, check_tensor, launcher
from kernels.warp.reference import Box

DOWN: Final = 8
"""Pixels of a column that a thread works on."""
FOUR: Final = 4
"""Channels of an element that a thread works on: one access of 16 bytes."""


def refine(frame: Any, box: Box, maps: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    pitch = check_rows("frame", frame, (height, width))
    out_pitch = check_rows("out", out, (height, width))
    check_tensor("maps", maps, "float32", (5, None, None))
    check_apart("frame", frame.data_ptr() == out.data_ptr())
    launcher().launch(
        "refine",
        blocks([width, -(-height // DOWN)], ACROSS),
        ACROSS,
        (frame, pitch, height, width, _there(box, frame), maps, maps.shape[1], out, out_pitch),
    )


def warp_image(frame: Any, box: Box, flow: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    n, flow_n = out.shape[1], flow.shape[1]
    pitch = check_rows("frame", frame, (height, width))
    check_tensor("flow", flow, "float32", (2, None, None))
    check_tensor("out", out, "float32", (3, None, None))
    launcher().launch(
        "warp_image",
        blocks([n, -(-n // DOWN)], ACROSS),
        ACROSS,
        (frame, pitch, height, width, _there(box, frame), flow, flow_n, n, out),
    )


def warp_features(features: Any, flow: Any, occlusion: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device."""
    height, width, channels = features.shape
    check_tensor("features", features, "float32", (None, None, None))
    check_tensor("flow", flow, "float32", (2, height, width))
    check_tensor("occlusion", occlusion, "float32", (height, width))
    check_tensor("out", out, "float32", (height, width, channels))
    check_apart("features", features.data_ptr() == out.data_ptr())
    launcher().launch(
        "warp_features",
        blocks([width * channels // FOUR, height], ACROSS),
        ACROSS,
        (features, flow, occlusion, height, width, channels, out),
    )


def refine_rows(kernels: Launcher, count: int, frames: Any, boxes: Any, maps: Any, out: Any) -> None:
    """``refine`` for frames int32 [rows, H, W]."""
    rows, height, width = frames.shape
    n = maps.shape[2]
    check_tensor("frames", frames, "int32", (rows, height, width))
    check_tensor("boxes", boxes, "int32", (None, 3))
    check_tensor("maps", maps, "float32", (None, 5, n, n))
    check_tensor("out", out, "int32", (rows, height, width))
    check_apart("frames", out is frames)
    arguments = frames, width, height, width, boxes, maps, n, out, width
    kernels.launch("refine", blocks([width, -(-height // DOWN), count], ACROSS), ACROSS, arguments)


def warp_image_rows(kernels: Launcher, count: int, frames: Any, boxes: Any, flow: Any, out: Any) -> None:
    """``warp_image`` for frames int32 [rows, H, W]."""
    rows, height, width = frames.shape
    n, flow_n = out.shape[2], flow.shape[2]
    check_tensor("frames", frames, "int32", (rows, height, width))
    check_tensor("boxes", boxes, "int32", (None, 3))
    check_tensor("flow", flow, "float32", (None, 2, flow_n, flow_n))
    check_tensor("out", out, "float32", (None, 3, n, n))
    arguments = frames, width, height, width, boxes, flow, flow_n, n, out
    kernels.launch("warp_image", blocks([n, -(-n // DOWN), count], ACROSS), ACROSS, arguments)


def warp_features_rows(
    kernels: Launcher, count: int, features: Any, flow: Any, occlusion: Any, out: Any
) -> None:
    """``warp_features`` for features [rows, H, W, C]."""
    _, height, width, channels = features.shape
    check_tensor("features", features, "float32", (None, None, None, None))
    check_tensor("flow", flow, "float32", (None, 2, height, width))
    check_tensor("occlusion", occlusion, "float32", (None, height, width))
    check_tensor("out", out, "float32", (None, height, width, channels))
    check_apart("features", out is features)
    arguments = features, flow, occlusion, height, width, channels, out
    kernels.launch(
        "warp_features", blocks([width * channels // FOUR, height, count], ACROSS), ACROSS, arguments
    )


def _there(box: Box, beside: Any) -> Any:
    """The box of one image on its device."""
    import torch

    return torch.tensor([box], dtype=torch.int32, device=beside.device)
