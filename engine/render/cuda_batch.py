"""A batch of prepared faces on a GPU: from the host's numbers of each motion to I420 in pinned memory.

Needs torch, NumPy and a launcher of the kernels alone. A frame of a batch: the numbers (``cuda_drive.CONTROLS``) are copied to
the device; torch drives the meshes; two kernels a layer draw them; networks, if there are any, refine the frames
(``engine.render.cuda_neural``); one kernel makes I420; the batch is copied to pinned memory, and an event says when it is there. From the third frame of a batch size on all but the two copies is one CUDA graph.
Nothing inside waits for the device or copies from it. torch takes memory for what it computes on the way (``drive``, the
networks): from its cache in the first two frames, and once, while a graph is recorded, from a pool that the graphs of all sizes share; a
replay allocates nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import SettingError
from engine.render.cuda_drive import CONTROL_COUNT, drive, face_tensors, new_driven, told_by
from engine.render.cuda_marks import DeviceMarks
from engine.render.cuda_neural import NEURAL_STAGES, CudaRefiner
from engine.render.neural.network import RendererNet
from engine.timing import gpu_ranges, shown
from kernels.cuda import Launcher
from kernels.frame import Layer
from kernels.frame.cuda import CudaPainter, Limits

Arrays = dict[str, NDArray[Any]]
Kind = tuple[int, bool]
"""What one graph draws: how many rows, and whether networks refine them."""
Badge = tuple[NDArray[Any], NDArray[Any], int]
"""What is left of the picture under the badge, of 256, the light to add, and the margin: ``engine.render.badge``."""

STAGES: Final = ("drive", "skin", "detail", "colour")
"""What the device does for a batch; "skin" is what is rasterise and composite on a CPU."""
REFINED_STAGES: Final = (*STAGES[:-1], *NEURAL_STAGES, STAGES[-1])
"""The same where networks refine the frames."""

RING: Final = 3
"""Frames that may be under way: so many pinned buffers are there."""
WARM_UP: Final = 2
"""Frames of a batch size that run as they are, before its graph is recorded: libraries set themselves up meanwhile."""


@dataclass(frozen=True)
class Room:
    """How much of everything a row has room for; see ``engine.render.cuda_face``."""

    vertices: int
    lights: int
    edge: int
    lit: int
    lips: int
    followers: int
    teeth: int
    top: int
    outlines: int
    outline: int
    sets: int
    layers: int
    triangles: int
    skin: int = 0
    canvas: int = 0


@dataclass(frozen=True, eq=False)
class PreparedFace:
    """One face as a batch takes it: what ``CudaPainter`` draws, and the arrays that ``cuda_drive`` reads."""

    size: int
    scale: float
    background: NDArray[np.uint32]
    layers: tuple[Layer, ...]
    arrays: Arrays


@dataclass(frozen=True, eq=False)
class Pending:
    """A batch that is being drawn; ``i420`` uint8 [B, size * 3 // 2, size] is overwritten ``RING`` batches later."""

    pinned: torch.Tensor
    done: Any

    @property
    def i420(self) -> NDArray[np.uint8]:
        """The pictures, once the device has made them."""
        if self.done is not None:
            self.done.synchronize()
        return self.pinned.numpy()


class CudaBatch:
    """Draws the first B of its faces at once; not for use from two threads.

    device: "cpu" is for tests, with a launcher that runs there, and "meta" for counting, with one that does nothing.
    networks: of ``cuda_neural.on_device``, for faces that are neural. painter, driven: what draws, and what it draws.
    refiner: what refines that, where there are networks.
    """

    def __init__(
        self,
        faces: Sequence[PreparedFace],
        room: Room,
        launcher: Launcher,
        badge: Badge | None = None,
        device: str = "cuda",
        networks: RendererNet | None = None,
    ) -> None:
        self.rows, self.size, self._room = len(faces), faces[0].size, room
        self._device, self._on_gpu = device, torch.device(device).type == "cuda"
        limits = Limits(room.vertices, room.triangles, room.layers, 1 + room.outlines, room.sets)
        self.painter = CudaPainter(self.rows, self.size, limits, launcher, device)
        self.driven = new_driven(self.rows, room.sets, room.vertices, room.outlines, self.size, device)
        self.refiner = None
        if networks is not None:
            self.refiner = CudaRefiner(
                self.rows, self.size, room.skin, room.canvas, networks, launcher, device
            )
        self._control = torch.zeros((self.rows, CONTROL_COUNT), device=device)
        self._badge = _badge_tensors(badge, device) if badge is not None else None
        self._tensors = face_tensors([face.arrays for face in faces], device)
        for row, face in enumerate(faces):
            self.painter.set_face(row, face.layers, face.background, face.scale)
        shape = RING, self.rows, self.size * 3 // 2, self.size
        self._told = torch.zeros((RING, self.rows, CONTROL_COUNT), pin_memory=self._on_gpu)
        host = "meta" if device == "meta" else "cpu"
        self._pictures = torch.zeros(shape, dtype=torch.uint8, device=host, pin_memory=self._on_gpu)
        self._events: list[Any] = [_event() if self._on_gpu else None for _ in range(RING)]
        self._turn = 0
        self._drawn: dict[Kind, int] = {}
        self._graphs: dict[Kind, Any] = {}
        # Graphs may share it, as they run one after the other and leave nothing in it.
        self._pool: Any = torch.cuda.graph_pool_handle() if self._on_gpu else None
        self._marks: dict[Kind, DeviceMarks] = {}
        self._ranges = gpu_ranges() if self._on_gpu else None
        self._last: tuple[Kind, Any] | None = None

    @property
    def bytes_per_session(self) -> int:
        """Device memory of one row: its face and its buffers, without what torch and CUDA need for themselves.

        Nor what torch takes on the way: ``vividlive bench floor`` counts that.
        """
        tensors = (*self._tensors.values(), *vars(self.driven).values(), self._control)
        shared = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        refiner = 0 if self.refiner is None else self.refiner.bytes_per_row
        return int(shared) // self.rows + self.painter.bytes_per_row + refiner

    def set_face(self, row: int, face: PreparedFace) -> None:
        """Draw another face, prepared for the same room, in a row from the next frame on."""
        for name, array in face.arrays.items():
            self._tensors[name][row].copy_(torch.from_numpy(array))
        self.painter.set_face(row, face.layers, face.background, face.scale)

    def next_controls(self, count: int) -> NDArray[np.float32]:
        """Where the host writes the numbers of the next frame's first ``count`` rows, [count, CONTROL_COUNT].

        Raises:
            SettingError: no rows, or more than there are faces.
        """
        if not 0 < count <= self.rows:
            raise SettingError(f"expected 1 to {self.rows} motions, got {count}")
        turn = (self._turn + 1) % RING
        if self._events[turn] is not None:
            self._events[
                turn
            ].synchronize()  # of three batches ago: it ends at once unless the device is that late
        return self._told[turn, :count].numpy()

    def render(self, count: int, refine: bool = True) -> Pending:
        """Begin to draw the first ``count`` faces by what ``next_controls`` was filled with.

        refine: neural faces' frames, which takes as long whatever the rows' strengths; without it they are geometric.
        """
        self._turn = (self._turn + 1) % RING
        done = self._events[self._turn]
        self._control[:count].copy_(self._told[self._turn, :count], non_blocking=True)
        kind = count, refine and self.refiner is not None
        with shown(self._ranges, f"batch of {count}"):
            self._step(kind)
        pictures = self._pictures[self._turn, :count]
        pictures.copy_(self.painter.i420[:count], non_blocking=True)
        if done is not None:
            done.record()
        self._last = kind, done
        return Pending(pictures, done)

    def stage_ms(self) -> dict[str, float] | None:
        """Milliseconds of the device's ``STAGES`` or ``REFINED_STAGES`` for the last batch; None while it is under way.

        Does not wait.
        """
        if self._last is None:
            return None
        kind, done = self._last
        return self._marks[kind].stage_ms() if done is None or done.query() else None

    def _step(self, kind: Kind) -> None:
        """Everything on the device for one batch, as a graph once its kind has been drawn a few times."""
        if kind not in self._marks:
            self._marks[kind] = DeviceMarks(REFINED_STAGES if kind[1] else STAGES, self._on_gpu, self._ranges)
        if self._on_gpu and kind not in self._graphs and self._drawn.get(kind, 0) >= WARM_UP:
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._draw(kind)
            self._graphs[kind] = graph
        if kind in self._graphs:
            self._graphs[kind].replay()
        else:
            self._draw(kind)
            self._drawn[kind] = self._drawn.get(kind, 0) + 1

    def _draw(self, kind: Kind) -> None:
        (count, refined), driven, marks = kind, self.driven, self._marks[kind]
        scene = driven.positions, driven.attributes, driven.boxes, driven.opacity
        control, frames = self._control[:count], self.painter.frames
        with marks.stage("drive"):
            drive(self._tensors, control, self.size, driven)
        with marks.stage("skin"):
            self.painter.draw(count, *scene, layers=slice(0, 1))
        with marks.stage("detail"):
            self.painter.draw(count, *scene, layers=slice(1, None))
        if refined and self.refiner is not None:
            strength = told_by(control)["strength"]
            self.refiner.draw(count, self._tensors, driven.positions, frames, strength, marks)
            frames = self.refiner.frames
        with marks.stage("colour"):
            if self._badge is not None:
                _add_badge(frames[:count], *self._badge)
            self.painter.to_i420(count, frames)


def _event() -> Any:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


def _badge_tensors(badge: Badge, device: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    plate, text, margin = badge
    plates = torch.from_numpy(plate.astype(np.int32)).to(device)
    return plates, torch.from_numpy(text.astype(np.int32)).to(device), margin


def _add_badge(frames: torch.Tensor, plate: torch.Tensor, text: torch.Tensor, margin: int) -> None:
    """``engine.render.badge.add_badge`` for int32 frames [B, size, size]."""
    height, width = plate.shape
    channels = frames.view(torch.uint8).view(*frames.shape, 4)
    corner = channels[:, -margin - height : -margin, -margin - width : -margin, :3]
    corner.copy_((corner.to(torch.int32) * plate[..., None] >> 8) + text[..., None])
