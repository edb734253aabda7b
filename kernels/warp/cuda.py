"""Warping on a CUDA device."""

from typing import Any

from kernels.check import check_apart
from kernels.cuda import ACROSS, blocks, check_rows, check_tensor, launcher
from kernels.warp.reference import Box


def refine(frame: Any, box: Box, maps: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    pitch = check_rows("frame", frame, (height, width))
    out_pitch = check_rows("out", out, (height, width))
    check_tensor("maps", maps, "float32", (5, None, None))
    check_apart("frame", frame.data_ptr() == out.data_ptr())
    launcher().launch(
        "refine",
        blocks([width, height], ACROSS),
        ACROSS,
        (frame, pitch, height, width, *box, maps, maps.shape[1], out, out_pitch),
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
        blocks([n, n], ACROSS),
        ACROSS,
        (frame, pitch, height, width, *box, flow, flow_n, n, out),
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
        blocks([width * channels, height], ACROSS),
        ACROSS,
        (features, flow, occlusion, height, width, channels, out),
    )
