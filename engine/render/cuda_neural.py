"""The neural quality level on a GPU: a batch's geometric frames, told of, given to the networks and refined.

What ``NeuralRenderer`` does for one frame in NumPy, for every row at once, without a step that waits for a value: frames
that are to stay as they are go through the networks too, with a gate of 0. The guide and what is drawn are said in
``engine.render.neural.guide``, once for both. Needs torch, NumPy and a launcher of the kernels alone.
"""

import copy
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.render.cuda_marks import DeviceMarks
from engine.render.neural.guide import FREE, Guide, Portrait, grid_centres, grid_window, refining, tell
from engine.render.neural.network import RendererNet
from engine.render.neural.runtime import Precision
from engine.render.neural.sizes import CODE_CHANNELS, GRID, IMAGE
from kernels.cuda import Launcher
from kernels.rasterise.cuda import new_setup, rasterise_rows
from kernels.rasterise.reference import EMPTY
from kernels.warp.cuda import refine_rows, warp_features_rows, warp_image_rows

NEURAL_STAGES: Final = ("guide", "motion_vae", "warp", "generator", "refine")
"""In the order and by the names of ``NeuralRenderer``."""

NEURAL_ARRAYS: Final = ("guide_", "portrait_")
"""What the names of a face's arrays begin with that are read here alone."""

PLANES: Final = 2 + CODE_CHANNELS - 1
"""What is rasterised on the grid: (u, v), and the code without coverage."""


def on_device(net: RendererNet, device: str, precision: Precision = "auto") -> RendererNet:
    """A copy of the networks as ``CudaRefiner`` runs them; auto is bf16 on a GPU and fp32 elsewhere."""
    if precision == "auto":
        precision = "bf16" if torch.device(device).type == "cuda" else "fp32"
    moved = copy.deepcopy(net).to(device, torch.bfloat16 if precision == "bf16" else torch.float32)
    last: RendererNet = moved.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return last.eval().requires_grad_(False)


class CudaRefiner:
    """Refines up to ``rows`` frames of ``size`` pixels; ``frames`` int32 [rows, size, size] are the last ones.

    Its own buffers are made here. What the networks compute on the way torch takes from its cache, or from the pool of
    the graph that is recorded.

    net: of ``on_device``. skin, canvas: see ``Room``.
    """

    def __init__(
        self, rows: int, size: int, skin: int, canvas: int, net: RendererNet, kernels: Launcher, device: str
    ) -> None:
        self._net, self._kernels, self._canvas, self._rows = net, kernels, canvas, rows
        self._dtype = next(net.parameters()).dtype

        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros((rows, *shape), dtype=dtype, device=device)

        self.frames = zeros(size, size, dtype=torch.int32)
        self._planes, self._triangle = zeros(PLANES, GRID, GRID), zeros(GRID, GRID, dtype=torch.int32)
        self._keys = torch.full((rows, GRID, GRID), EMPTY, dtype=torch.int64, device=device)
        self._setup = new_setup(rows, skin, PLANES, device)
        self._picture, self._maps = zeros(3, IMAGE, IMAGE), zeros(5, IMAGE, IMAGE)
        self._carried = zeros(GRID, GRID, net.config.photo)
        self._centres = torch.from_numpy(grid_centres()).to(device)
        self._window = torch.from_numpy(grid_window()).to(device)

    @property
    def bytes_per_row(self) -> int:
        """Device memory of one row's buffers."""
        tensors = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return int(sum(tensor.numel() * tensor.element_size() for tensor in tensors)) // self._rows

    def draw(
        self,
        count: int,
        face: dict[str, Tensor],
        positions: Tensor,
        frames: Tensor,
        strength: Tensor,
        marks: DeviceMarks,
    ) -> None:
        """Refine the first ``count`` of the geometric ``frames`` into ``self.frames``.

        face: the rows' arrays of ``cuda_face``. positions float32 [rows, V, 3]. strength [count, 1] in [0, 1].
        marks: gets ``NEURAL_STAGES``.
        """
        boxes, kernels = face["guide_box"], self._kernels
        with marks.stage("guide"):
            guide = self._guide(count, face, positions)
        with marks.stage("motion_vae"):
            told = face["guide_reference"][:count], guide.code, guide.shift, guide.opening, guide.lips
            moved = self._net.motion(*(tensor.to(self._dtype) for tensor in told))
        with marks.stage("warp"):
            free = torch.amax(guide.gate, dim=(1, 2, 3), keepdim=True) > FREE
            gate = guide.gate * (strength[..., None, None] * free)
            flow = (moved.flow.float() * gate).contiguous()
            occlusion = moved.occlusion.float()[:, 0].contiguous()
            warp_image_rows(kernels, count, frames, boxes, flow, self._picture)
            carried = (guide.shift + flow).contiguous()
            warp_features_rows(kernels, count, face["guide_photo"], carried, occlusion, self._carried)
        with marks.stage("generator"):
            pictures = self._picture[:count].to(self._dtype)
            photo = self._carried[:count].to(self._dtype).permute(0, 3, 1, 2)
            residual = self._net.generator(pictures, photo, moved.features)
        with marks.stage("refine"):
            refining(flow, residual.float(), gate, _enlarged, self._maps[:count], torch)
            refine_rows(kernels, count, frames, boxes, self._maps, self.frames)

    def _guide(self, count: int, face: dict[str, Tensor], positions: Tensor) -> Guide:
        mesh = positions, face["guide_skin"], face["guide_attributes"], face["guide_view"]
        grid = self._planes, self._triangle, self._keys, self._setup
        rasterise_rows(self._kernels, count, *mesh, *grid)
        known = {
            name.removeprefix("portrait_"): tensor[:count]
            for name, tensor in face.items()
            if name.startswith("portrait_")
        }
        portrait = Portrait(**known, canvas_side=self._canvas, centres=self._centres, window=self._window)
        return tell(portrait, self._planes[:count], self._triangle[:count], positions[:count], torch)


def _enlarged(cells: Tensor) -> Tensor:
    """Maps of cells [B, C, GRID, GRID] as ones of pixels of the view."""
    return interpolate(cells, size=(IMAGE, IMAGE), mode="bilinear", align_corners=False)
