"""The head that every photo is fitted with: shape, identity modes, ARKit units and landmark places."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from engine.avatar.parts import Float, Int
from engine.conventions import ARKIT_NAMES

HEAD_ASSET: Final = Path(__file__).parent.parent / "assets" / "head.safetensors"


@dataclass(frozen=True, eq=False)
class HeadModel:
    """An average adult's head and neck, teeth, tongue, eyes and lashes included.

    Convention: decimetres; x to the viewer's right, y down, z away from the viewer; the origin is the joint that
    the head turns about.

    vertices: float32 [V, 3]. triangles: int32 [T, 3]. mirror: int32 [V], the same vertex of the other side.
    identity: float32 [S, V, 3], added with coefficients of about [-1, 1]; identity_names: their S names.
    units: float32 [52, V, 3], ``ARKIT_NAMES`` order. groups: as in ``FittedHead``, and "left_socket",
    "right_socket" behind the lids.
    landmark_triangle: int32 [478, 3] vertices, and landmark_weight: float32 [478, 3] barycentric weights: where
    each face landmark lies; both empty while the asset is being baked.
    """

    vertices: Float
    triangles: Int
    mirror: Int
    identity: Float
    identity_names: tuple[str, ...]
    units: Float
    groups: Mapping[str, Int]
    landmark_triangle: Int
    landmark_weight: Float

    def landmarks(self, vertices: NDArray[Any]) -> NDArray[Any]:
        """Where the 478 landmarks lie on a posed head; vertices: [..., V, 3]; returns [..., 478, 3]."""
        corners = vertices[..., self.landmark_triangle, :]
        return np.asarray(np.einsum("...lkc,lk->...lc", corners, self.landmark_weight))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> "HeadModel":
        """Unpack the arrays of the asset (sparse modes become dense)."""
        count = len(arrays["vertices"])
        names = tuple(json.loads(metadata["identity_names"]))
        groups = {
            k.removeprefix("groups."): v.astype(np.int32)
            for k, v in arrays.items()
            if k.startswith("groups.")
        }
        return cls(
            vertices=arrays["vertices"],
            triangles=arrays["triangles"].astype(np.int32),
            mirror=arrays["mirror"].astype(np.int32),
            identity=_dense(arrays, "identity", len(names), count),
            identity_names=names,
            units=_dense(arrays, "units", len(ARKIT_NAMES), count),
            groups=groups,
            landmark_triangle=arrays.get("landmark_triangle", np.zeros((0, 3))).astype(np.int32),
            landmark_weight=arrays.get("landmark_weight", np.zeros((0, 3))).astype(np.float32),
        )


@cache
def load_head_model() -> HeadModel:
    """The head model that ships with the package."""
    with safe_open(HEAD_ASSET, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        return HeadModel.from_arrays(arrays, file.metadata())


def _dense(arrays: Mapping[str, NDArray[Any]], name: str, modes: int, vertices: int) -> Float:
    start = arrays[f"{name}_start"]
    mode = np.repeat(np.arange(modes), np.diff(start))
    dense = np.zeros((modes, vertices, 3), np.float32)
    dense[mode, arrays[f"{name}_vertex"]] = arrays[f"{name}_value"]
    return dense
