"""Rasterising on a CUDA device: one mesh as everywhere, or one for each row of a batch."""

from typing import Any

from kernels.cuda import ACROSS, ALONG, Launcher, blocks, check_tensor, launcher
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
    setup = new_setup(1, len(triangles), attributes.shape[1], str(keys.device))
    keys.fill_(EMPTY)
    views = torch.tensor([[*origin, scale]], dtype=torch.float32, device=keys.device)
    mesh = positions[None], triangles[None], attributes[None]
    rasterise_rows(launcher(), 1, *mesh, views, out_attributes[None], out_triangle[None], keys[None], setup)


def new_setup(rows: int, triangles: int, channels: int, device: str) -> Any:
    """Scratch for meshes of so many triangles and attributes."""
    import torch

    return torch.zeros((rows, triangles, 2 + 3 * channels), dtype=torch.float32, device=device)


def rasterise_rows(
    kernels: Launcher,
    count: int,
    positions: Any,
    triangles: Any,
    attributes: Any,
    views: Any,
    out_attributes: Any,
    out_triangle: Any,
    keys: Any,
    setup: Any,
) -> None:
    """``rasterise`` for the first ``count`` rows of a batch, with two launches; nothing is allocated.

    Convention: rows are the first dimension of every tensor. views: float32 [rows, 3], origin (x, y) and scale of each.
    keys: must be ``EMPTY`` and are left so. setup: ``new_setup``.
    """
    rows, vertices, channels = attributes.shape
    most, (height, width) = triangles.shape[1], out_triangle.shape[1:]
    check_tensor("positions", positions, "float32", (None, vertices, 3))
    check_tensor("triangles", triangles, "int32", (None, most, 3))
    check_tensor("attributes", attributes, "float32", (rows, vertices, channels))
    check_tensor("views", views, "float32", (None, 3))
    check_tensor("out_attributes", out_attributes, "float32", (None, channels, height, width))
    check_tensor("out_triangle", out_triangle, "int32", (None, height, width))
    check_tensor("keys", keys, "int64", (None, height, width))
    check_tensor("setup", setup, "float32", (None, most, 2 + 3 * channels))
    mesh = vertices, positions, most, triangles, channels, attributes, views
    kernels.launch(
        "rasterise_depth", blocks([most, count], ALONG), ALONG, (*mesh, height, width, setup, keys)
    )
    kernels.launch(
        "rasterise_resolve",
        blocks([width, height, count], ACROSS),
        ACROSS,
        (keys, setup, most, channels, height, width, out_attributes, out_triangle),
    )
