"""I420 on a CUDA device."""

from typing import Any

from kernels.cuda import ACROSS, blocks, check_rows, check_tensor, launcher


def rgbx_to_i420(image: Any, out: Any) -> None:
    """See ``kernels.colour``; torch tensors on the device, int32 pixels."""
    height, width = image.shape
    pitch = check_rows("image", image, (height, width))
    check_tensor("out", out, "uint8", (height * 3 // 2, width))
    launcher().launch(
        "rgbx_to_i420",
        blocks([width // 2, height // 2], ACROSS),
        ACROSS,
        (image, pitch, height, width, out),
    )
