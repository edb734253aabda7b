"""Compiles the kernel sources for a CUDA device and launches them on torch's current stream.

torch owns devices, streams and memory; CuPy compiles (NVRTC) and launches. Arrays are torch tensors on the device,
with int32 for packed RGBX pixels. Both packages are imported when a launcher is made, never before.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from kernels.build import SOURCE_ROOT, KernelBuildError

OPTIONS: Final = ("--std=c++17", "--fmad=false")

ENTRIES: Final = {
    "rasterise": {
        "rasterise_depth": "ipipippiipp",
        "rasterise_resolve": "ppiiiipp",
    },
    "composite": {"composite": "pppiipiiiiipi"},
    "colour": {"rgbx_to_i420": "piiip"},
    "frame": {
        "frame_depth": "iipipppipipipip",
        "frame_paint": "iipippipipp",
        "frame_i420": "ipp",
    },
    "warp": {"refine": "piiippipi", "warp_image": "piiippiip", "warp_features": "pppiiip"},
}
"""Each source's CUDA entry points and their arguments: i whole number, f float, p address."""

ALONG: Final = (128, 1, 1)
"""Threads of a block whose elements lie in a row: vertices, triangles."""
ACROSS: Final = (64, 2, 1)
"""Threads of a block whose elements are pixels: rows of a warp, so that neighbours read neighbours."""

Size = tuple[int, int, int]


class CudaUnavailableError(KernelBuildError):
    """This machine has no CUDA device that torch can use, or no CuPy."""


class Launcher(Protocol):
    """Runs kernels by name on arrays of one device."""

    def launch(self, entry: str, grid: Size, block: Size, arguments: Sequence[Any]) -> None:
        """Run ``entry`` on ``grid`` blocks of ``block`` threads; tensors are passed by address."""


class CudaLauncher:
    """The kernels on the current CUDA device; nothing is allocated, synchronised or copied by a launch.

    sources: which of ``ENTRIES``. definitions: options that they are compiled with besides ``OPTIONS``.

    Raises:
        CudaUnavailableError: no device, or no CuPy.
    """

    def __init__(self, sources: Iterable[str] = tuple(ENTRIES), definitions: Sequence[str] = ()) -> None:
        import torch

        if not torch.cuda.is_available():
            raise CudaUnavailableError(
                "expected a CUDA device that torch can use, got none: use the CPU backend, or install a driver and "
                "a CUDA build of torch"
            )
        try:
            import cupy
        except ImportError as error:
            raise CudaUnavailableError(
                f"expected CuPy for the GPU's kernels: pip install cupy-cuda13x or cupy-cuda12x ({error})"
            ) from error
        self._cupy, self._torch = cupy, torch
        self._entries: dict[str, tuple[Any, str]] = {}
        with cupy.cuda.Device(torch.cuda.current_device()):
            for source in sources:
                options = (*OPTIONS, *definitions)
                module = cupy.RawModule(code=source_text(source), options=options, backend="nvrtc")
                self._entries |= {
                    name: (module.get_function(name), kinds) for name, kinds in ENTRIES[source].items()
                }

    def launch(self, entry: str, grid: Size, block: Size, arguments: Sequence[Any]) -> None:
        """See ``Launcher``."""
        kernel, kinds = self._entries[entry]
        for tensor in arguments:
            if hasattr(tensor, "data_ptr") and not tensor.is_cuda:
                raise ValueError(
                    f"expected arrays on the CUDA device for {entry}, got one on {tensor.device}"
                )
        stream = _TorchStream(self._torch.cuda.current_stream().cuda_stream)
        with self._cupy.cuda.Stream.from_external(stream):
            kernel(grid, block, tuple(_packed(entry, kinds, arguments)))


class _TorchStream:
    """torch's stream in the protocol that CuPy reads; torch has that itself only in newer versions."""

    def __init__(self, address: int) -> None:
        self._address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._address


@functools.cache
def launcher() -> Launcher:
    """This process's launcher, made at the first call.

    Raises:
        CudaUnavailableError: no device, or no CuPy.
    """
    return CudaLauncher()


def source_text(name: str) -> str:
    """A kernel source with the project's headers in place of their includes, so that its text is all it depends on."""
    seen: set[Path] = set()

    def text(path: Path) -> str:
        if path in seen:
            return ""
        seen.add(path)
        return re.sub(
            r'^#include "(.+)"$',
            lambda found: text(SOURCE_ROOT / found[1]),
            path.read_text(encoding="utf-8").replace("#pragma once\n", ""),
            flags=re.MULTILINE,
        )

    return text(SOURCE_ROOT / name / f"{name}.cu")


def blocks(elements: Iterable[int], block: Size) -> Size:
    """How many blocks cover ``elements`` along each axis, at least one."""
    counts = [max(1, -(-count // size)) for count, size in zip(elements, block, strict=False)]
    x, y, z = (*counts, 1, 1)[:3]
    return x, y, z


def check_tensor(name: str, tensor: Any, dtype: str, shape: tuple[int | None, ...]) -> None:
    """Raise unless ``tensor`` is contiguous, of ``dtype`` (torch's name) and of ``shape`` (None: any length).

    Raises:
        ValueError: naming what was expected and what came.
    """
    have = tuple(tensor.shape)
    fits = len(have) == len(shape) and all(want in (None, got) for got, want in zip(have, shape, strict=True))
    if not fits or str(tensor.dtype) != f"torch.{dtype}" or not tensor.is_contiguous():
        wanted = f"contiguous {dtype} {list(shape)}".replace("None", "any")
        raise ValueError(f"expected {name} {wanted} on the device, got {tensor.dtype} {list(have)}")


def check_rows(name: str, tensor: Any, shape: tuple[int, int]) -> int:
    """Like ``check_tensor`` for int32 images whose rows may lie apart; returns the row pitch in pixels."""
    height, width = shape
    apart = tensor.stride(0) if tensor.ndim == 2 and height > 1 else width
    beside = tensor.stride(1) if tensor.ndim == 2 and width > 1 else 1
    if tuple(tensor.shape) != shape or str(tensor.dtype) != "torch.int32" or beside != 1 or apart < width:
        raise ValueError(
            f"expected {name} int32 {list(shape)} with contiguous rows on the device, "
            f"got {tensor.dtype} {list(tensor.shape)}"
        )
    return int(apart)


def _packed(entry: str, kinds: str, arguments: Sequence[Any]) -> Iterable[Any]:
    """Arguments in the width that the kernel reads."""
    if len(kinds) != len(arguments):
        raise ValueError(f"expected {len(kinds)} arguments for {entry}, got {len(arguments)}")
    for kind, value in zip(kinds, arguments, strict=True):
        if kind == "p":
            yield np.uint64(value.data_ptr() if hasattr(value, "data_ptr") else value)
        else:
            yield np.int32(value) if kind == "i" else np.float32(value)
