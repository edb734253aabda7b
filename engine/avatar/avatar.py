"""The avatar: everything that drawing one person needs, immutable, in one file on disk."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from engine.avatar.bundle_check import fault_of
from engine.avatar.parts import Image
from engine.errors import BundleError
from engine.files import replaced

Rights = Literal["self", "permission", "public-domain", "fictional", "unstated"]
"""On what ground the person's picture is used."""

RIGHTS: Final = get_args(Rights)

BUNDLE_FORMAT: Final = "vividlive-avatar"
BUNDLE_VERSION: Final = 4


@dataclass(frozen=True, eq=False)
class Avatar:
    """One person, ready to be drawn.

    Positions, texture coordinates and packed images follow the convention in ``engine.avatar.parts``.

    Convention:
        side: side of the canvas in pixels.
        positions: float32 [V, 3], the neutral mesh of all parts.
        delta_start, delta_vertex, delta_value: blendshape k moves vertices
            ``delta_vertex[delta_start[k]:delta_start[k + 1]]`` (int32) by
            ``delta_value[...]`` (float32 [N, 3]); delta_start is int32 [53].
        triangles: int32 [T, 3]; triangle_part: uint8 [T], index into ``part_names``.
        uv: float32 [V, 2]; shade, rigid, breath: float32 [V], as in ``MeshPart``.
        atlas: uint32 [H, W], RGBX with coverage; background: uint32 [side, side], opaque.
        pivot: float32 [3]; head_width, inter_ocular: canvas pixels.
        landmarks: float32 [478, 3], the photo's landmarks on the canvas.
        style: float32 [S], identity coefficients.
        extras: further arrays by name. "landmark_vertex" int32 [478, 3] and "landmark_weight" float32 [478, 3]:
            between which vertices each landmark lies (-1 where the mesh lacks it) and with what weights; those of
            ``engine.avatar.photo_shape`` where the neutral face is not the photo's, of ``engine.avatar.garment`` where
            clothing was found, and of ``engine.avatar.lip_follow``; avatars of before have none of these last two:
            their clothing bends with the neck, and their lips have no offsets.
        report: the quality report, JSON values.
    """

    side: int
    positions: NDArray[np.float32]
    delta_start: NDArray[np.int32]
    delta_vertex: NDArray[np.int32]
    delta_value: NDArray[np.float32]
    triangles: NDArray[np.int32]
    triangle_part: NDArray[np.uint8]
    part_names: tuple[str, ...]
    uv: NDArray[np.float32]
    shade: NDArray[np.float32]
    rigid: NDArray[np.float32]
    breath: NDArray[np.float32]
    atlas: NDArray[np.uint32]
    background: NDArray[np.uint32]
    pivot: NDArray[np.float32]
    head_width: float
    inter_ocular: float
    landmarks: NDArray[np.float32]
    style: NDArray[np.float32]
    rights: Rights = "unstated"
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for item in (*vars(self).values(), *self.extras.values()):
            if isinstance(item, np.ndarray):
                item.setflags(write=False)

    @classmethod
    def from_photo(
        cls,
        source: str | Path | bytes | Image,
        rights: Rights = "unstated",
        face: int | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> "Avatar":
        """Make an avatar from one photo: see ``engine.avatar.create.create_avatar``."""
        from engine.avatar.create import (
            create_avatar,
        )  # its networks are not needed to load and draw an avatar

        return create_avatar(source, rights, face, progress)

    def save(self, path: str | Path) -> None:
        """Write the avatar as one zip of ``avatar.json`` and ``arrays.safetensors``.

        Raises:
            InputError: the file cannot be written; an existing one stays.
        """
        arrays = {f.name: np.ascontiguousarray(v) for f, v in self._members() if isinstance(v, np.ndarray)}
        arrays |= {f"extras.{name}": np.ascontiguousarray(value) for name, value in self.extras.items()}
        values = {
            f.name: v for f, v in self._members() if not isinstance(v, np.ndarray) and f.name != "extras"
        }
        header = {"format": BUNDLE_FORMAT, "version": BUNDLE_VERSION, "values": values}
        with replaced(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
            bundle.writestr("avatar.json", json.dumps(header))
            bundle.writestr("arrays.safetensors", save_tensors(arrays), zipfile.ZIP_DEFLATED, compresslevel=1)

    @classmethod
    def load(cls, path: str | Path) -> "Avatar":
        """Read what ``save`` wrote.

        Raises:
            BundleError: the file is missing, is no avatar bundle, is damaged, or is from another version.
        """
        try:
            data = Path(path).read_bytes()
            with zipfile.ZipFile(io.BytesIO(data)) as bundle:
                header = json.loads(bundle.read("avatar.json"))
                arrays = load_tensors(bundle.read("arrays.safetensors"))
        except Exception as error:  # zipfile raises errors of every kind on damaged files
            reason = " ".join(str(error).split()) or type(error).__name__
            raise BundleError(
                f"expected an avatar bundle at {path}, which cannot be read: {reason}"
            ) from error
        if not isinstance(header, dict) or header.get("format") != BUNDLE_FORMAT:
            raise BundleError(f"expected an avatar bundle at {path}, got another kind of zip file")
        if header.get("version") != BUNDLE_VERSION:
            raise BundleError(
                f"expected avatar bundle version {BUNDLE_VERSION} at {path}, got {header.get('version')}: "
                "make the avatar again from its photo"
            )
        extras = {k.removeprefix("extras."): v for k, v in arrays.items() if k.startswith("extras.")}
        members: dict[str, Any] = {k: v for k, v in arrays.items() if not k.startswith("extras.")}
        try:
            values = header["values"] | {"part_names": tuple(header["values"]["part_names"])}
            avatar = cls(**members, **values, extras=extras)
        except (KeyError, TypeError) as error:
            raise BundleError(f"the avatar bundle at {path} is incomplete: {error}") from error
        if not isinstance(avatar.rights, str) or avatar.rights not in RIGHTS:
            raise BundleError(
                f"the avatar bundle at {path} is damaged: expected rights of {', '.join(RIGHTS)}, got {avatar.rights!r}"
            )
        if fault := fault_of(vars(avatar), extras):
            raise BundleError(f"the avatar bundle at {path} is damaged: {fault}")
        return avatar

    def _members(self) -> list[tuple[Any, Any]]:
        return [(f, getattr(self, f.name)) for f in fields(self)]
