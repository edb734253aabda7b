"""``python -m benchmarks.warp_shapes --pack PACK [--json PATH]``: in which shape each warp is launched fastest on a GPU.

Threads of a block, pixels of a column that a thread works on, and how many blocks a multiprocessor is to hold, which bounds
the registers: a few of each, compiled as ``kernels.warp.cuda.Shape`` says and held against the definition before they are
timed, on the smallest batch and on a large one, of which ``share_of_copy`` speaks. Takes seconds, needs a pack with networks;
the defaults stay as they are.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.candidate import WrongAnswerError
from benchmarks.command import result_path, run_main
from benchmarks.gpu import Pack, device_facts, gpu_versions
from benchmarks.gpu_kernels import BATCHES, copy_gb_per_s, device_ms, warp_bytes, warp_runs
from benchmarks.machine import commit, machine
from engine.errors import SettingError
from engine.files import replaced
from kernels.cuda import CudaLauncher, Launcher, Size, launcher
from kernels.warp import cases, reference
from kernels.warp.cuda import SHAPES, Shape, refine_rows, warp_features_rows, warp_image_rows

BLOCKS: Final[tuple[Size, ...]] = ((64, 2, 1), (32, 4, 1), (128, 1, 1))
CANDIDATES: Final = {
    "refine": [
        Shape(block, down, resident) for down in (4, 8) for resident in (8, 9, 10) for block in BLOCKS
    ],
    "warp_image": [
        Shape(block, down, resident) for down in (4, 8) for resident in (6, 8, 10, 12) for block in BLOCKS
    ],
    "warp_features": [Shape(block) for block in (*BLOCKS, (64, 4, 1), (256, 1, 1))],
}
"""Each kernel's default among them."""

ROWS: Final[dict[str, tuple[Callable[..., None], tuple[int, ...]]]] = {
    "refine": (refine_rows, (0, 4, 5, 7)),
    "warp_image": (warp_image_rows, (0, 4, 5, 8)),
    "warp_features": (warp_features_rows, (0, 1, 2, 6)),
}
"""What launches each for a batch, and which of the kernel's arguments are its tensors; the last is written."""

DEFINED: Final = 2
"""Rows of a batch whose result is worked out by the definition; every shape's are held against the default's."""


def sweep(
    pack: Pack,
    *,
    compiled: Callable[[Sequence[str]], Launcher] | None = None,
    device: str = "cuda",
    batches: Sequence[int] = BATCHES,
    repeats: int = 20,
) -> dict[str, Any]:
    """Time every candidate that is right; JSON values. compiled: the warps with such definitions.

    Raises:
        WrongAnswerError: a default is wrong.
        SettingError: the pack has no networks.
    """
    if pack.networks is None:
        raise SettingError("expected a pack with networks")
    made = cache(compiled or partial(CudaLauncher, ("warp",)))
    default = launcher() if device == "cuda" else made(())
    bandwidth = copy_gb_per_s() if device == "cuda" else 0.0
    rows: list[dict[str, Any]] = []
    arguments = {count: _arguments(pack, count, default, device) for count in batches}
    for sets in arguments.values():
        for entry, (tensors, *_) in sets.items():
            check_defined(entry, tensors)
    for entry, shapes in CANDIDATES.items():
        for shape in shapes:
            row = _described(entry, shape)
            try:
                kernels = made(shape.definitions(entry))
                check_cases(entry, shape, kernels, device)
                for count, sets in arguments.items():
                    check_batch(entry, shape, kernels, count, sets[entry][0])
                    runs = [_run(entry, shape, kernels, count, tensors) for tensors in sets[entry]]
                    row[f"us_{count}"] = round(_ms(runs, repeats, device) * 1e3, 2)
                if bandwidth:
                    most = batches[-1]
                    rate = most * warp_bytes(pack)[entry] / row[f"us_{most}"] / 1e3
                    row["share_of_copy"] = round(rate / bandwidth, 3)
            except Exception as error:  # one that is wrong must not keep the others from running
                if shape == SHAPES[entry]:
                    raise
                row["answer"] = f"{type(error).__name__}: {error}"
            rows.append(row)
    return {
        "benchmark": "warp_shapes",
        "machine": {**machine(), **(device_facts() if device == "cuda" else {})},
        "commit": commit(),
        "versions": gpu_versions(),
        "settings": {"size": pack.face.size, "repeats": repeats, "device": device},
        "copy_gb_per_s": round(bandwidth, 1),
        "warp_shapes": rows,
        "fastest": {f"us_{count}": _fastest(rows, f"us_{count}") for count in batches},
    }


def check_cases(entry: str, shape: Shape, kernels: Launcher, device: str) -> None:
    """Every case of the kernel's tests bit for bit, launched in this shape.

    Raises:
        WrongAnswerError: one is not.
    """
    for name, given, want in _cases(entry):
        tensors = [there(array[None], device) for array in given]
        out = torch.full_like(there(want[None], device), -1)
        _run(entry, shape, kernels, 1, [*tensors, out])()
        _equal(f"{entry} in shape {shape}, {name}", out[0].cpu().numpy(), want)


def check_batch(
    entry: str, shape: Shape, kernels: Launcher, count: int, tensors: Sequence[torch.Tensor]
) -> None:
    """A batch as frames have it, against what the default wrote.

    Raises:
        WrongAnswerError: it differs.
    """
    *given, expected = tensors
    out = torch.full_like(expected, -1)
    _run(entry, shape, kernels, count, [*given, out])()
    if not torch.equal(_bits(out[:count]), _bits(expected[:count])):
        raise WrongAnswerError(f"{entry} in shape {shape} differs from the default's")


def check_defined(entry: str, tensors: Sequence[torch.Tensor]) -> None:
    """The first rows of what the default wrote, against the definition.

    Raises:
        WrongAnswerError: one differs.
    """
    for row in range(min(len(tensors[0]), DEFINED)):
        *given, made = (tensor[row].cpu().numpy() for tensor in tensors)
        _equal(f"{entry}, row {row}", made, _defined(entry, given, made))


def main() -> int:
    """Write the table; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True, help="made by python -m benchmarks.gpu_pack")
    parser.add_argument("--json", type=result_path, default="warp_shapes.json")
    given = parser.parse_args()
    found = sweep(Pack.load(given.pack))
    with replaced(given.json) as part:
        part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(*lines(found), sep="\n")
    return int(any("answer" in row for row in found["warp_shapes"]))


def lines(found: dict[str, Any]) -> list[str]:
    """The table and the fastest, for a terminal."""
    return [" ".join(f"{key} {value}" for key, value in row.items()) for row in found["warp_shapes"]] + [
        f"fastest by {key}: {name}" for key, name in found["fastest"].items()
    ]


def _described(entry: str, shape: Shape) -> dict[str, Any]:
    x, y, _ = shape.block
    bound = f", {shape.down} down, {shape.resident} blocks" if shape.resident else ""
    named = {"kernel": entry, "name": f"{x} x {y}{bound}"}
    return {**named, "default": shape == SHAPES[entry]}


def _fastest(rows: Iterable[dict[str, Any]], column: str) -> dict[str, str]:
    timed = [row for row in rows if column in row]
    return {
        entry: min((row for row in timed if row["kernel"] == entry), key=lambda row: row[column])["name"]
        for entry in CANDIDATES
    }


def _arguments(pack: Pack, count: int, default: Launcher, device: str) -> dict[str, list[list[torch.Tensor]]]:
    """Sets of each kernel's tensors, with what the default wrote."""
    sets: dict[str, list[list[torch.Tensor]]] = {}
    for entry, runs in warp_runs(pack, count, default, device).items():
        for run in runs:
            run()
        sets[entry] = [[run.args[3][place] for place in ROWS[entry][1]] for run in runs]
    return sets


def _run(
    entry: str, shape: Shape, kernels: Launcher, count: int, tensors: Sequence[torch.Tensor]
) -> Callable[[], None]:
    return partial(ROWS[entry][0], kernels, count, *tensors, shape=shape)


def _ms(runs: Sequence[Callable[[], Any]], repeats: int, device: str) -> float:
    """Of one run; nothing is timed under emulation."""
    return device_ms(runs, repeats) if device == "cuda" else 0.0


@cache
def _cases(entry: str) -> list[tuple[str, list[NDArray[Any]], NDArray[Any]]]:
    """Each case's name, arguments of one row and answer."""
    found: list[tuple[str, list[NDArray[Any]], NDArray[Any]]] = []
    if entry == "refine":
        for case in cases.refine_cases():
            given = [case.frame, np.array(case.box, np.int32), case.maps]
            found.append((case.name, given, np.zeros_like(case.frame)))
    elif entry == "warp_image":
        for crop in cases.image_cases():
            given = [crop.frame, np.array(crop.box, np.int32), crop.flow]
            found.append((crop.name, given, np.zeros((3, crop.n, crop.n), np.float32)))
    else:
        for moved in cases.features_cases():
            given = [moved.features, moved.flow, moved.occlusion]
            found.append((moved.name, given, np.zeros_like(moved.features)))
    return [(name, given, _defined(entry, given, out)) for name, given, out in found]


def _defined(entry: str, given: Sequence[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    """What the definition makes of one row's arguments, in an array like the kernel's."""
    want = np.zeros_like(like.view(np.uint32) if entry == "refine" else like)
    if entry == "warp_features":
        reference.warp_features(given[0], given[1], given[2], want)
        return want
    x, y, side = given[1].tolist()
    define = reference.refine if entry == "refine" else reference.warp_image
    define(given[0].view(np.uint32), (x, y, side), given[2], want)
    return want


def there(array: NDArray[Any], device: str) -> Any:
    """A copy on the device; pixels as int32."""
    signed = array.view(np.int32) if array.dtype == np.uint32 else array
    return torch.from_numpy(signed.copy()).to(device)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.int32)


def _equal(name: str, made: NDArray[Any], want: NDArray[Any]) -> None:
    same = made.view(np.int32) == want.view(np.int32)
    if want.dtype.kind == "f":
        same |= np.isnan(made) & np.isnan(want)
    if not same.all():
        raise WrongAnswerError(f"{name}: {1 - same.mean():.3%} of the values differ")


if __name__ == "__main__":
    run_main(main)
