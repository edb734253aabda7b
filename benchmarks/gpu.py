"""How long a batch of frames takes on a GPU: the device's stages, and from the host's numbers to pinned I420.

Needs torch, CuPy and NumPy alone: the face, the numbers of each motion, networks for the neural quality, and the frames
that the CPU makes of all this come in a pack (``benchmarks.gpu_pack``). Frames are held against those before anything is
timed.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.candidate import WrongAnswerError
from benchmarks.gpu_networks import PackedMotion, PackedNetworks
from benchmarks.machine import FRAME_MS, commit, machine, times_ms
from engine.errors import InputError, SettingError
from engine.files import replaced
from engine.render.cuda_batch import RING, Badge, CudaBatch, Pending, PreparedFace, Room
from engine.render.cuda_neural import NEURAL_ARRAYS, on_device
from kernels.cuda import Launcher, launcher
from kernels.frame import Layer

BATCHES: Final = (1, 4, 16, 64, 256)
WARM_UP: Final = 10
Quality = Literal["geometric", "neural"]
MOST_LEVELS_OFF: Final[dict[Quality, int]] = {"geometric": 1, "neural": 2}
SAME_SHARE: Final = 0.9995
"""Of the values of a frame: see tests/engine/render/test_cuda.py and test_cuda_neural.py."""

WHOLE: Final = "frame, to pinned I420"
FRAME_BAR_MS: Final = 3.0
"""``--check``: one frame of one session on a GPU."""
SESSIONS_BAR: Final = 64
"""And so many sessions at 25 frames a second."""


@dataclass(frozen=True, eq=False)
class Pack:
    """A face, what the host says of K motions, float32 [K, CONTROL_COUNT], and the CPU's I420 of the first ones, [N, ...].

    networks: what refines a neural face's frames; None for a geometric one. motion: the network that speech drives.
    """

    room: Room
    face: PreparedFace
    badge: Badge
    told: NDArray[np.float32]
    frames: NDArray[np.uint8]
    networks: PackedNetworks | None = None
    motion: PackedMotion | None = None

    def save(self, path: Path) -> None:
        """Write one file of arrays."""
        arrays = {f"face.{name}": array for name, array in self.face.arrays.items()}
        unique = {id(layer.atlas): layer.atlas for layer in self.face.layers}
        numbers = list(unique)
        for number, atlas in enumerate(unique.values()):
            arrays[f"atlas.{number}"] = atlas
        layers = []
        for number, layer in enumerate(self.face.layers):
            arrays[f"triangles.{number}"] = layer.triangles
            atlas_number = numbers.index(id(layer.atlas))
            layers.append([atlas_number, layer.box, layer.attributes, layer.first, layer.fades])
        about = {
            "room": astuple(self.room),
            "size": self.face.size,
            "scale": self.face.scale,
            "layers": layers,
            "margin": self.badge[2],
        }
        held: dict[str, Any] = dict(
            about=np.frombuffer(json.dumps(about).encode(), np.uint8),
            background=self.face.background,
            plate=self.badge[0],
            text=self.badge[1],
            told=self.told,
            frames=self.frames,
            **arrays,
            **(self.networks.arrays() if self.networks is not None else {}),
            **(self.motion.arrays() if self.motion is not None else {}),
        )
        with replaced(path) as part, part.open("wb") as file:
            np.savez_compressed(file, **held)

    @classmethod
    def load(cls, path: Path) -> "Pack":
        """Read what ``save`` wrote.

        Raises:
            InputError: it is none.
        """
        try:
            with np.load(path) as file:
                held = {name: file[name] for name in file.files}
            about = json.loads(held["about"].tobytes())
        except (OSError, ValueError, KeyError, AttributeError, EOFError, BadZipFile) as error:
            raise InputError(f"expected a pack of python -m benchmarks.gpu_pack at {path}") from error
        atlases = {name: array for name, array in held.items() if name.startswith("atlas.")}
        layers = tuple(
            Layer(
                held[f"triangles.{n}"], atlases[f"atlas.{atlas}"], box, attributes, bool(first), bool(fades)
            )
            for n, (atlas, box, attributes, first, fades) in enumerate(about["layers"])
        )
        arrays = {name.removeprefix("face."): a for name, a in held.items() if name.startswith("face.")}
        face = PreparedFace(about["size"], about["scale"], held["background"], layers, arrays)
        badge = held["plate"], held["text"], about["margin"]
        networks, motion = PackedNetworks.of(held), PackedMotion.of(held)
        return cls(Room(*about["room"]), face, badge, held["told"], held["frames"], networks, motion)

    def batch(self, quality: Quality, rows: int, kernels: Launcher, device: str = "cuda") -> CudaBatch:
        """A batch of the face, with the badge; a geometric one has nothing of what networks need.

        Raises:
            SettingError: the pack has no networks for the neural quality.
        """
        if quality == "neural":
            if self.networks is None:
                raise SettingError("expected a pack with networks: make it with --quality neural")
            net = on_device(self.networks.net(), device)
            return CudaBatch([self.face] * rows, self.room, kernels, self.badge, device, net)
        arrays = {n: a for n, a in self.face.arrays.items() if not n.startswith(NEURAL_ARRAYS)}
        face, room = replace(self.face, arrays=arrays), replace(self.room, skin=0, canvas=0)
        return CudaBatch([face] * rows, room, kernels, self.badge, device)


def measure(
    pack: Pack,
    *,
    quality: Quality = "geometric",
    frames: int = 200,
    batches: Sequence[int] = BATCHES,
    progress: Callable[[float], None] = lambda share: None,
    kernels: Launcher | None = None,
    device: str = "cuda",
) -> dict[str, Any]:
    """Time batches of the pack's face with different motions; JSON values. ``kernels`` and ``device`` are for tests.

    Raises:
        CudaUnavailableError: no device. WrongAnswerError: its frames are not the CPU's. SettingError: the pack has no
            networks for the neural quality.
    """
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    batch = pack.batch(quality, max(batches), kernels or launcher(), device)
    difference = hold_against_the_cpu(batch, pack, quality)
    rows = []
    for done, count in enumerate(batches):
        rows += _times(batch, pack.told, count, frames)
        progress((done + 1) / len(batches))
    whole = {row["batch"]: row for row in rows if row["name"] == WHOLE}
    return {
        "benchmark": "gpu",
        "machine": {**machine(), **device_facts()},
        "commit": commit(),
        "versions": gpu_versions(),
        "settings": {
            "size": pack.face.size,
            "frames": frames,
            "quality": quality,
            **(_of_networks(pack.networks, device) if pack.networks and quality == "neural" else {}),
            "badge": True,
            "checked": f"{len(pack.frames)} frames against the CPU's, {difference}",
        },
        "bytes_per_session": batch.bytes_per_session,
        "bytes_taken_by_torch": torch.cuda.max_memory_reserved() if device == "cuda" else None,
        "sessions_at_25_fps": max((b for b, row in whole.items() if row["p99_ms"] < FRAME_MS), default=0),
        "gpu": rows,
    }


def _of_networks(networks: PackedNetworks, device: str) -> dict[str, str]:
    precision = "bf16" if device == "cuda" else "fp32"
    return {"networks": networks.name, "precision": precision}


def missed_bars(result: dict[str, Any]) -> list[str]:
    """What of the bars a result misses, in words."""
    missed = [
        f"expected one frame within {FRAME_BAR_MS} ms, got {row['median_ms']} ms"
        for row in result["gpu"]
        if row["batch"] == 1 and row["name"] == WHOLE and row["median_ms"] > FRAME_BAR_MS
    ]
    if result["sessions_at_25_fps"] < SESSIONS_BAR:
        missed.append(
            f"expected {SESSIONS_BAR} sessions at 25 frames a second, got {result['sessions_at_25_fps']}"
        )
    return missed


def hold_against_the_cpu(batch: CudaBatch, pack: Pack, quality: Quality) -> str:
    """Draw the pack's frames and compare.

    Returns:
        How far they are apart, in words.

    Raises:
        WrongAnswerError: further than ``MOST_LEVELS_OFF`` in more values than may be.
    """
    shares, worst, most = [], 0, MOST_LEVELS_OFF[quality]
    frames = pack.networks.frames if pack.networks and quality == "neural" else pack.frames
    for number, want in enumerate(frames):
        batch.next_controls(1)[:] = pack.told[number]
        off = np.abs(batch.render(1).i420[0].astype(int) - want)
        shares.append(float((off > 0).mean()))
        worst = max(worst, int(off.max()))
        if (off <= most).mean() < SAME_SHARE:
            raise WrongAnswerError(
                f"the GPU's {quality} frame {number} differs from the CPU's in {(off > most).mean():.3%} of its "
                f"values by more than {most}, at most by {off.max()}"
            )
    return f"{max(shares):.4%} of a frame's values off, at most by {worst}"


def _times(batch: CudaBatch, told: NDArray[np.float32], count: int, frames: int) -> list[dict[str, Any]]:
    """One batch at a time, waited for; then as many as the ring holds under way, for the throughput."""
    stages: dict[str, list[float]] = {}
    rows_of_motions = [np.roll(told, -5 * row, axis=0) for row in range(count)]
    frame_of = [np.stack([row[n] for row in rows_of_motions]) for n in range(len(told))]
    for number in range(WARM_UP + frames):
        began = time.perf_counter()
        batch.next_controls(count)[:] = frame_of[number % len(told)]
        _ = batch.render(count).i420
        ended = time.perf_counter()
        taken = batch.stage_ms() or {}
        if number >= WARM_UP:
            for name, ms in taken.items():
                stages.setdefault(f"device: {name}", []).append(ms)
            stages.setdefault("device: all", []).append(sum(taken.values()))
            stages.setdefault(WHOLE, []).append((ended - began) * 1e3)
    began = time.perf_counter()
    under_way: list[Pending] = []
    for number in range(frames):
        batch.next_controls(count)[:] = frame_of[number % len(told)]
        under_way = [*under_way, batch.render(count)][-RING:]
    for pending in under_way:
        _ = pending.i420
    streamed = (time.perf_counter() - began) * 1e3 / frames
    rows = [{"batch": count, "name": name, **_summary(values, count)} for name, values in stages.items()]
    return [*rows, {"batch": count, "name": "frame, three under way", **_summary([streamed], count)}]


def _summary(values: list[float], batch: int) -> dict[str, float]:
    return {**times_ms(values, 4), "ms_a_session": round(float(np.median(values)) / batch, 4)}


def device_facts() -> dict[str, Any]:
    """Name and memory of the GPU."""
    if not torch.cuda.is_available():
        return {}
    about = torch.cuda.get_device_properties(0)
    return {"gpu": about.name, "gpu_gb": round(about.total_memory / 2**30, 1)}


def gpu_versions() -> dict[str, str]:
    """What is installed of what runs on the GPU."""
    found = {"torch": str(torch.__version__), "cuda": str(torch.version.cuda), "numpy": np.__version__}
    try:
        import cupy
    except ImportError:
        return found
    return found | {"cupy": str(cupy.__version__)}
