"""Rasterising on a CUDA device."""

from typing import Any

from kernels.cuda import ACROSS, ALONG, blocks, check_tensor, launcher
from kernels.rasterise.reference import EMPTY


def rasterise(
    positions: Any,
    triangles: Any,
    attributes: Any,
    out_attributes: Any,
    out_triangle: Any,
    keys: Any,
    origin: tuple[float, float],
    scale: float,
) -> None:
    """See ``kernels.rasterise``; torch tensors on the device, as wide as the arrays there."""
    import torch

    check_tensor("positions", positions, "float32", (None, 3))
    check_tensor("triangles", triangles, "int32", (None, 3))
    check_tensor("attributes", attributes, "float32", (len(positions), None))
    height, width = out_triangle.shape
    channels = attributes.shape[1]
    check_tensor("out_triangle", out_triangle, "int32", (height, width))
    check_tensor("out_attributes", out_attributes, "float32", (channels, height, width))
    check_tensor("keys", keys, "int64", (height, width))
    run = launcher()
    snapped = torch.empty((len(positions), 2), dtype=torch.int32, device=keys.device)
    setup = torch.empty((len(triangles), 2 + 3 * channels), dtype=torch.float32, device=keys.device)
    keys.fill_(EMPTY)
    run.launch(
        "rasterise_snap",
        blocks([len(positions)], ALONG),
        ALONG,
        (len(positions), positions, *origin, scale, snapped),
    )
    run.launch(
        "rasterise_depth",
        blocks([len(triangles)], ALONG),
        ALONG,
        (
            len(triangles),
            snapped,
            positions,
            triangles,
            attributes,
            channels,
            height,
            width,
            setup,
            keys,
        ),
    )
    run.launch(
        "rasterise_resolve",
        blocks([width, height], ACROSS),
        ACROSS,
        (keys, setup, channels, height, width, out_attributes, out_triangle),
    )
