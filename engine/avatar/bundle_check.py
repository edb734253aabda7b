"""What the members of an avatar must be, checked once when one is loaded: kernels trust them without a look."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

FORMS: Final[Mapping[str, tuple[type, tuple[int | str, ...]]]] = {
    "positions": (np.float32, ("V", 3)),
    "delta_start": (np.int32, (53,)),
    "delta_vertex": (np.int32, ("N",)),
    "delta_value": (np.float32, ("N", 3)),
    "triangles": (np.int32, ("T", 3)),
    "triangle_part": (np.uint8, ("T",)),
    "uv": (np.float32, ("V", 2)),
    "shade": (np.float32, ("V",)),
    "rigid": (np.float32, ("V",)),
    "breath": (np.float32, ("V",)),
    "atlas": (np.uint32, ("H", "W")),
    "background": (np.uint32, ("side", "side")),
    "pivot": (np.float32, (3,)),
    "landmarks": (np.float32, (478, 3)),
    "style": (np.float32, ("S",)),
    "landmark_vertex": (np.int32, (478, 3)),
    "landmark_weight": (np.float32, (478, 3)),
    "lip_upper": (np.int32, ("upper",)),
    "lip_lower": (np.int32, ("lower",)),
    "lip_vertex": (np.int32, ("M",)),
    "lip_follow": (np.float32, ("M", 3)),
    "photo_blendshapes": (np.float32, (52,)),
    "photo_offset": (np.float32, ("V", 3)),
    "photo_mouth": (np.uint32, ("h", "w")),
    "photo_mouth_corner": (np.float32, (2,)),
    "photo_mouth_triangles": (np.int32, ("t", 3)),
    "before_clothing": (np.uint8, ("side", "side")),
    "inside_collar": (np.uint8, ("side", "side")),
}
"""Type and shape of the arrays of ``Avatar`` and of its extras; a letter is the same number wherever it stands."""

NOT_EMPTY: Final = ("triangles", "photo_mouth", "photo_mouth_triangles")
"""Where there are such arrays, something is in them."""

TOGETHER: Final = (
    ("landmark_vertex", "landmark_weight"),
    ("lip_follow", "lip_vertex", "lip_upper", "lip_lower", "landmark_vertex"),
    ("photo_mouth", "photo_mouth_corner", "photo_mouth_triangles", "photo_blendshapes", "photo_offset"),
    ("clothing", "before_clothing", "inside_collar"),
    ("mouth_shadow", "mouth_cavity"),
)
"""Where the first is, an extra or a part, so are the others."""

LARGEST: Final = 1e6
"""No coordinate in pixels is beyond this; the kernels count in whole numbers."""


def fault_of(values: Mapping[str, Any], extras: Mapping[str, Any]) -> str | None:
    """What is wrong first with an avatar's members, in words; None where nothing is."""
    side = values["side"]
    if type(side) is not int or side < 1:
        return f"expected a whole number as side, got {side!r}"
    arrays = {name: value for name, value in values.items() if name in FORMS} | dict(extras)
    sizes = {"side": side}
    for name, array in arrays.items():
        if name in FORMS and (fault := _form_fault(name, array, sizes)):
            return fault
        if array.dtype.kind == "f" and not (np.abs(array).max(initial=0.0) <= LARGEST):
            return f"expected finite numbers up to {LARGEST:g} in {name}"
    if min(arrays["atlas"].shape) < side:  # the skin's texture lies in its corner
        return f"expected an atlas of at least {side} x {side}, got {list(arrays['atlas'].shape)}"
    for name in NOT_EMPTY:
        if name in arrays and not arrays[name].size:
            return f"expected something in {name}, got {list(arrays[name].shape)}"
    there = [*extras, *values["part_names"]]
    for first, *others in TOGETHER:
        if first in there and (missing := [name for name in others if name not in there]):
            return f"expected {missing[0]} beside {first}"
    return (
        _value_fault(values)
        or _index_fault(arrays, sizes, len(values["part_names"]))
        or _outline_fault(values)
    )


def _form_fault(name: str, array: Any, sizes: dict[str, int]) -> str | None:
    dtype, shape = FORMS[name]
    if not isinstance(array, np.ndarray):
        return f"expected an array as {name}, got {type(array).__name__}"
    wanted = f"expected {np.dtype(dtype)} [{', '.join(map(str, shape))}] as {name}"
    if array.dtype != dtype or array.ndim != len(shape):
        return f"{wanted}, got {array.dtype} {list(array.shape)}"
    for size, length in zip(shape, array.shape, strict=True):
        expected = size if isinstance(size, int) else sizes.setdefault(size, length)
        if length != expected:
            return f"{wanted} with {size} = {expected}, got {list(array.shape)}"
    return None


def _value_fault(values: Mapping[str, Any]) -> str | None:
    for name in ("head_width", "inter_ocular"):
        value = values[name]
        if not isinstance(value, (int, float)) or not 0 < value <= LARGEST:
            return f"expected a number above 0, up to {LARGEST:g}, as {name}, got {value!r}"
    if not all(isinstance(name, str) for name in values["part_names"]):
        return "expected words as part_names"
    return None if isinstance(values["report"], dict) else "expected a table as report"


def _outline_fault(values: Mapping[str, Any]) -> str | None:
    """Parts whose vertices bound a box or an opening, and that have too few for it; all others may be empty."""
    from engine.render.layers import CLOTHING, EYE_SIDES, LID_POINTS, LIP_POINTS  # it imports avatars

    names = values["part_names"]
    least = {CLOTHING: 3, "mouth_cavity": 2 * LIP_POINTS}
    least |= {f"{side}_lashes": 2 * LID_POINTS for side in EYE_SIDES}
    for name, count in least.items():
        if name in names:
            mine = values["triangle_part"] == names.index(name)
            if (found := len(np.unique(values["triangles"][mine]))) < count:
                return f"expected at least {count} vertices in the part {name}, got {found}"
    return None


def _index_fault(arrays: Mapping[str, Any], sizes: Mapping[str, int], parts: int) -> str | None:
    """Numbers of vertices and parts that there are not."""
    start = arrays["delta_start"]
    if start[0] != 0 or start[-1] != sizes["N"] or (np.diff(start) < 0).any():
        return f"expected delta_start to rise from 0 to {sizes['N']}"
    limits = {
        "triangle_part": (0, parts),
        "landmark_vertex": (-1, sizes["V"]),
        **dict.fromkeys(
            ("delta_vertex", "triangles", "photo_mouth_triangles", "lip_upper", "lip_lower", "lip_vertex"),
            (0, sizes["V"]),
        ),
    }
    for name, (low, end) in limits.items():
        array = arrays.get(name)
        if array is not None and array.size and not (low <= array.min() and array.max() < end):
            return f"expected numbers from {low} to {end - 1} in {name}, got {array.min()} to {array.max()}"
    if "lip_follow" in arrays:
        following = arrays["lip_vertex"]
        if (np.diff(following) <= 0).any():
            return "expected rising numbers in lip_vertex"
        for name in ("lip_upper", "lip_lower"):
            if len(arrays[name]) < 2 or not np.isin(arrays[name], following).all():
                return f"expected two and more of lip_vertex in {name}"
    return None
