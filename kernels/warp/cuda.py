"""Warping on a CUDA device."""

from typing import TYPE_CHECKING, Any

from kernels.cuda import ACROSS, blocks, check_rows, check_tensor, launcher

if TYPE_CHECKING:
    from kernels.warp import Box


def refine(frame: Any, box: "Box", maps: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    n = maps.shape[1]
    pitch = check_rows("frame", frame, (height, width))
    out_pitch = check_rows("out", out, (height, width))
    check_tensor("maps", maps, "float32", (5, n, n))
    if frame.data_ptr() == out.data_ptr():
        raise ValueError("expected out in other memory than frame, which is read around every pixel")
    launcher().launch(
        "refine",
        blocks([width, height], ACROSS),
        ACROSS,
        (frame, pitch, height, width, *box, maps, n, out, out_pitch),
    )


def warp_image(frame: Any, box: "Box", flow: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device, int32 where pixels are packed."""
    height, width = frame.shape
    n, flow_n = out.shape[1], flow.shape[1]
    pitch = check_rows("frame", frame, (height, width))
    check_tensor("flow", flow, "float32", (2, flow_n, flow_n))
    check_tensor("out", out, "float32", (3, n, n))
    launcher().launch(
        "warp_image",
        blocks([n, n], ACROSS),
        ACROSS,
        (frame, pitch, height, width, *box, flow, flow_n, n, out),
    )


def warp_features(features: Any, flow: Any, occlusion: Any, out: Any) -> None:
    """See ``kernels.warp``; torch tensors on the device."""
    height, width, channels = features.shape
    check_tensor("features", features, "float32", (height, width, channels))
    check_tensor("flow", flow, "float32", (2, height, width))
    check_tensor("occlusion", occlusion, "float32", (height, width))
    check_tensor("out", out, "float32", (height, width, channels))
    if features.data_ptr() == out.data_ptr():
        raise ValueError("expected out in other memory than features, which are read around every element")
    launcher().launch(
        "warp_features",
        blocks([width * channels, height], ACROSS),
        ACROSS,
        (features, flow, occlusion, height, width, channels, out),
    )
