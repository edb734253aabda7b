"""The learned renderer's warps on a real frame, beside the reading alone in OpenCV and in torch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.candidate import Group, Way
from kernels.build import Backend
from kernels.warp import reference, refine, warp_features, warp_image
from kernels.warp.cases import PORTABLE_LEVELS_OFF, PORTABLE_SHARE_OFF
from kernels.warp.reference import Box

CHANNELS: Final = 64
"""Of the features."""


def warps(frame: NDArray[np.uint32], backends: Sequence[Backend]) -> list[Group]:
    """What there is to time of each warp: a box of 3/4 of the frame's side, networks at half of its side."""
    size = len(frame)
    box = size // 8, size // 8, size * 3 // 4
    return [
        _refine(frame, box, size // 2, backends),
        _warp_image(frame, box, size // 2, backends),
        _warp_features(size // 4, backends),
    ]


def _refine(frame: NDArray[np.uint32], box: Box, n: int, backends: Sequence[Backend]) -> Group:
    maps = np.concatenate([_swirl(n), 9 * _swirl(n), _swirl(n)])[:5].copy()
    out, want = np.zeros_like(frame), np.zeros_like(frame)
    reference.refine(frame, box, maps, want)
    found = _own(partial(refine, frame, box, maps, out), out, backends, PORTABLE_LEVELS_OFF)
    found += _frame_readers(frame, _positions(maps[:2], box, box[2]))
    return Group("refine", (want,), found, maps.nbytes + frame.nbytes + out.nbytes)


def _warp_image(frame: NDArray[np.uint32], box: Box, n: int, backends: Sequence[Backend]) -> Group:
    flow = _swirl(n)
    out, want = np.zeros((3, n, n), np.float32), np.zeros((3, n, n), np.float32)
    reference.warp_image(frame, box, flow, want)
    found = _own(partial(warp_image, frame, box, flow, out), out, backends, PORTABLE_LEVELS_OFF / 255)
    samples = -(-box[2] // n)
    found += _frame_readers(frame, _positions(flow, box, n * samples))
    return Group("warp_image", (want,), found, flow.nbytes + box[2] ** 2 * 4 + out.nbytes)


def _warp_features(n: int, backends: Sequence[Backend]) -> Group:
    features = np.random.default_rng(0).normal(size=(n, n, CHANNELS)).astype(np.float32)
    flow, occlusion = _swirl(n), np.linspace(0, 1, n * n, dtype=np.float32).reshape(n, n)
    out, want = np.zeros_like(features), np.zeros_like(features)
    reference.warp_features(features, flow, occlusion, want)
    off = PORTABLE_SHARE_OFF * float(np.ptp(features))
    found = _own(partial(warp_features, features, flow, occlusion, out), out, backends, off)
    positions = np.stack(np.meshgrid(np.arange(n), np.arange(n))).astype(np.float32) + flow
    moved = features.nbytes + flow.nbytes + occlusion.nbytes + out.nbytes
    return Group("warp_features", (want,), found + _readers(features, positions), moved)


def _own(
    run: Callable[[Backend], None], out: NDArray[Any], backends: Sequence[Backend], portable_off: float
) -> list[Way]:
    """The project's own paths."""
    return [
        Way(name, partial(run, name), (out,), portable_off if name == "portable" else 0) for name in backends
    ]


def _frame_readers(frame: NDArray[np.uint32], positions: NDArray[np.float32]) -> list[Way]:
    return _readers(frame.view(np.uint8).reshape(*frame.shape, 4), positions)


def _readers(image: NDArray[Any], positions: NDArray[np.float32]) -> list[Way]:
    """The lookup alone, at positions that are there already: OpenCV in the image's type, torch in float32."""
    height, width = image.shape[:2]
    x, y = positions
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].contiguous()
    grid = torch.from_numpy(np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1))[None]
    if image.dtype == np.uint8:
        planes = planes[:, :3].contiguous()

    def remap() -> Any:
        return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def sample() -> torch.Tensor:
        with torch.inference_mode():
            return torch.nn.functional.grid_sample(
                planes, grid, mode="bilinear", padding_mode="border", align_corners=False
            )

    return [
        Way("lookup by OpenCV", remap, off=None),
        Way("lookup by torch", sample, off=None),
    ]


def _swirl(n: int) -> NDArray[np.float32]:
    """A smooth flow of up to 2 elements: float32 [2, n, n]."""
    y, x = np.mgrid[:n, :n] * (6 / n)
    return np.stack([2 * np.sin(x) * np.cos(y), 2 * np.cos(x + y)]).astype(np.float32)


def _positions(flow: NDArray[np.float32], box: Box, n: int) -> NDArray[np.float32]:
    """Where n x n elements of ``box`` are read: float32 [2, n, n], in pixels from the first one's centre."""
    left, top, side = box
    centres = (np.arange(n) + 0.5) * side / n - 0.5
    by = [cv2.resize(plane, (n, n)) * (side / flow.shape[1]) for plane in flow]
    return np.stack([by[0] + left + centres, by[1] + top + centres[:, None]]).astype(np.float32)
