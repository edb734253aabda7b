"""Argument checks and pointers for calls into compiled kernels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_array(name: str, array: NDArray[Any], dtype: type, shape: tuple[int | None, ...]) -> None:
    """Raise unless ``array`` is C-contiguous, of ``dtype`` and of ``shape`` (None: any length).

    Raises:
        ValueError: naming what was expected and what came.
    """
    have = array.shape
    fits = len(have) == len(shape)
    for got, want in zip(have, shape, strict=False):
        fits = fits and (want is None or got == want)
    if not fits or array.dtype != dtype or not array.flags.c_contiguous:
        wanted = f"contiguous {np.dtype(dtype).name} {list(shape)}".replace("None", "any")
        raise ValueError(f"expected {name} {wanted}, got {array.dtype.name} {list(array.shape)}")


def check_image(name: str, array: NDArray[Any], shape: tuple[int | None, int | None]) -> int:
    """Like ``check_array`` for uint32 images whose rows may lie apart; returns the row pitch in pixels."""
    height, width = array.shape if array.ndim == 2 else (-1, -1)
    if (
        array.dtype != np.uint32
        or array.ndim != 2
        or (shape[0] is not None and height != shape[0])
        or (shape[1] is not None and width != shape[1])
        or (array.size and width > 1 and array.strides[1] != 4)
        or (array.size and height > 1 and (array.strides[0] % 4 or array.strides[0] < 4 * width))
    ):
        wanted = f"uint32 {list(shape)}".replace("None", "any")
        raise ValueError(
            f"expected {name} {wanted} with contiguous rows, got {array.dtype.name} {list(array.shape)}"
        )
    return array.strides[0] // 4 if height > 1 else width


def check_apart(source: str, shared: bool) -> None:
    """Raise if ``out`` and ``source`` share memory.

    Raises:
        ValueError: they do.
    """
    if shared:
        raise ValueError(f"expected out in other memory than {source}, of which neighbours are read too")


def pointer(array: NDArray[Any]) -> int:
    """The address of the first element, for a call that ends before the array does."""
    address: int = array.__array_interface__["data"][0]
    return address
