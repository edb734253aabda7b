"""A batch of prepared faces on a GPU: from the host's numbers of each motion to I420 in pinned memory.

Needs torch, NumPy and a launcher of the kernels alone. A frame of a batch: the numbers (``cuda_drive.CONTROLS``) are copied to
the device; torch drives the meshes; two kernels a layer draw them; one makes I420; the batch is copied to pinned memory,
and an event says when it is there. From the third frame of a batch size on all but the two copies is one CUDA graph.
Nothing inside waits for the device or copies from it. torch takes memory for what it computes on the way (``drive``): from
its cache in the first two frames, and once, while a graph is recorded, from a pool that the graphs of all sizes share; a
replay allocates nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import SettingError
from engine.render.cuda_drive import CONTROL_COUNT, drive, face_tensors, new_driven
from engine.render.cuda_marks import DeviceMarks
from engine.timing import gpu_ranges, shown
from kernels.cuda import Launcher
from kernels.frame import Layer
from kernels.frame.cuda import CudaPainter, Limits

Arrays = dict[str, NDArray[Any]]
Badge = tuple[NDArray[Any], NDArray[Any], int]
"""What is left of the picture under the badge, of 256, the light to add, and the margin: ``engine.render.badge``."""

STAGES: Final = ("drive", "skin", "detail", "colour")
"""What the device does for a batch; "skin" is what is rasterise and composite on a CPU."""

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
    painter, driven: what draws, and what it draws.
    """

    def __init__(
        self,
        faces: Sequence[PreparedFace],
        room: Room,
        launcher: Launcher,
        badge: Badge | None = None,
        device: str = "cuda",
    ) -> None:
        self.rows, self.size, self._room = len(faces), faces[0].size, room
        self._device, self._on_gpu = device, torch.device(device).type == "cuda"
        limits = Limits(room.vertices, room.triangles, room.layers, 1 + room.outlines, room.sets)
        self.painter = CudaPainter(self.rows, self.size, limits, launcher, device)
        self.driven = new_driven(self.rows, room.sets, room.vertices, room.outlines, self.size, device)
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
        self._drawn: dict[int, int] = {}
        self._graphs: dict[int, Any] = {}
        # Graphs may share it, as they run one after the other and leave nothing in it.
        self._pool: Any = torch.cuda.graph_pool_handle() if self._on_gpu else None
        self._marks: dict[int, DeviceMarks] = {}
        self._ranges = gpu_ranges() if self._on_gpu else None
        self._last: tuple[int, Any] | None = None

    @property
    def bytes_per_session(self) -> int:
        """Device memory of one row: its face and its buffers, without what torch and CUDA need for themselves.

        Nor what torch takes on the way: ``vividlive bench floor`` counts that.
        """
        tensors = (*self._tensors.values(), *vars(self.driven).values(), self._control)
        shared = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return int(shared) // self.rows + self.painter.bytes_per_row

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

    def render(self, count: int) -> Pending:
        """Begin to draw the first ``count`` faces by what ``next_controls`` was filled with."""
        self._turn = (self._turn + 1) % RING
        done = self._events[self._turn]
        self._control[:count].copy_(self._told[self._turn, :count], non_blocking=True)
        with shown(self._ranges, f"batch of {count}"):
            self._step(count)
        pictures = self._pictures[self._turn, :count]
        pictures.copy_(self.painter.i420[:count], non_blocking=True)
        if done is not None:
            done.record()
        self._last = count, done
        return Pending(pictures, done)

    def stage_ms(self) -> dict[str, float] | None:
        """Milliseconds of the device's ``STAGES`` for the last batch; None while it is under way. Does not wait."""
        if self._last is None:
            return None
        count, done = self._last
        return self._marks[count].stage_ms() if done is None or done.query() else None

    def _step(self, count: int) -> None:
        """Everything on the device for one batch, as a graph once its size has been drawn a few times."""
        if count not in self._marks:
            self._marks[count] = DeviceMarks(STAGES, self._on_gpu, self._ranges)
        if self._on_gpu and count not in self._graphs and self._drawn.get(count, 0) >= WARM_UP:
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                self._draw(count)
            self._graphs[count] = graph
        if count in self._graphs:
            self._graphs[count].replay()
        else:
            self._draw(count)
            self._drawn[count] = self._drawn.get(count, 0) + 1

    def _draw(self, count: int) -> None:
        driven, stage = self.driven, self._marks[count].stage
        scene = driven.positions, driven.attributes, driven.boxes, driven.opacity
        with stage(0):
            drive(self._tensors, self._control[:count], self.size, driven)
        with stage(1):
            self.painter.draw(count, *scene, layers=slice(0, 1))
        with stage(2):
            self.painter.draw(count, *scene, layers=slice(1, None))
        with stage(3):
            if self._badge is not None:
                _add_badge(self.painter.frames[:count], *self._badge)
            self.painter.to_i420(count)


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
