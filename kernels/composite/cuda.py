"""Compositing on a CUDA device."""

from typing import Any

from kernels.cuda import ACROSS, blocks, check_rows, check_tensor, launcher


def composite(
    planes: Any, triangle: Any, atlas: Any, background: Any, out: Any, factor: int, opacity: int
) -> None:
    """See ``kernels.composite``; torch tensors on the device, int32 where pixels are packed."""
    height, width = out.shape
    out_pitch = check_rows("out", out, (height, width))
    pitch = check_rows("background", background, (height, width))
    check_tensor("planes", planes, "float32", (3, height * factor, width * factor))
    check_tensor("triangle", triangle, "int32", (height * factor, width * factor))
    check_tensor("atlas", atlas, "int32", (None, None))
    launcher().launch(
        "composite",
        blocks([width, height], ACROSS),
        ACROSS,
        (
            planes,
            triangle,
            atlas,
            *atlas.shape,
            background,
            pitch,
            height,
            width,
            factor,
            opacity,
            out,
            out_pitch,
        ),
    )
