"""The geometric quality level on a GPU: many faces as one batch, from motions to I420 in pinned memory.

A frame of a batch is: the host's numbers of each motion (``cuda_drive.controls``) copied to the device; torch drives the
meshes; two kernels a layer draw them; one makes I420; the batch is copied to pinned memory, and an event says when it is
there. From the second frame of a batch size on all but the two copies is one CUDA graph. Nothing inside waits for the
device or allocates on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import SettingError, UnavailableError
from engine.motion.values import Motion
from engine.render.badge import badge_parts
from engine.render.cuda_drive import CONTROL_COUNT, controls, drive, face_tensors, new_driven
from engine.render.cuda_face import Room, face_arrays
from engine.render.geometric import GeometricRenderer
from kernels.cuda import CudaUnavailableError, Launcher, launcher
from kernels.frame.cuda import CudaPainter, Limits

RING: Final = 3
"""Frames that may be under way: so many pinned buffers are there."""
WARM_UP: Final = 2
"""Frames of a batch size that run as they are, before its graph is recorded: libraries set themselves up meanwhile."""


@dataclass(frozen=True, eq=False)
class Pending:
    """A batch that is being drawn; ``i420`` uint8 [B, size * 3 // 2, size] is overwritten ``RING`` batches later."""

    pinned: torch.Tensor
    done: Any

    @property
    def is_ready(self) -> bool:
        """Whether ``i420`` would not wait."""
        return self.done is None or bool(self.done.query())

    @property
    def i420(self) -> NDArray[np.uint8]:
        """The pictures, once the device has made them."""
        if self.done is not None:
            self.done.synchronize()
        return self.pinned.numpy()


class CudaRenderer:
    """Draws faces as batches: ``render`` of B motions draws the first B faces.

    Convention: I420 as ``GeometricRenderer`` and ``rgbx_to_i420`` make it. With the same driven positions every bit is
    equal; driving sums in another order, which moves vertices by less than a thousandth of a pixel.
    Not for use from two threads at once.

    Args:
        faces: what is drawn, one for each row; ``set_face`` changes a row.
        badge: draw the "AI-generated" badge.
        room: what later faces may need; by default what the given ones need.
        launcher, device: for tests; by default the kernels on torch's current CUDA device.

    Raises:
        UnavailableError: no CUDA device, or no CuPy. SettingError: no faces, or of different sizes.
    """

    def __init__(
        self,
        faces: Sequence[GeometricRenderer],
        *,
        badge: bool = False,
        room: Room | None = None,
        kernels: Launcher | None = None,
        device: str = "cuda",
    ) -> None:
        sizes = {face.size for face in faces}
        if len(sizes) != 1:
            raise SettingError(f"expected faces of one frame size, got {sorted(sizes) or 'none'}")
        try:
            chosen = kernels or launcher()
        except CudaUnavailableError as error:
            raise UnavailableError(str(error)) from error
        rows, self.size = len(faces), sizes.pop()
        self._room, self._device = room or Room.of(list(faces)), device
        room = self._room
        limits = Limits(room.vertices, room.triangles, room.layers, 1 + room.outlines, room.sets)
        self._painter = CudaPainter(rows, self.size, limits, chosen, device)
        self._driven = new_driven(rows, room.sets, room.vertices, room.outlines, self.size, device)
        self._control = torch.zeros((rows, CONTROL_COUNT), device=device)
        self._badge = _badge_tensors(self.size, device) if badge else None
        self._faces = list(faces)
        self._tensors = face_tensors([face_arrays(face, room) for face in faces], device)
        for row, face in enumerate(faces):
            self._painter.set_face(row, face.layers, face.background, face.scale)
        pinned = self._on_gpu
        shape = RING, rows, self.size * 3 // 2, self.size
        self._told = torch.zeros((RING, rows, CONTROL_COUNT), pin_memory=pinned)
        self._pictures = torch.zeros(shape, dtype=torch.uint8, pin_memory=pinned)
        self._events: list[Any] = [_event() if self._on_gpu else None for _ in range(RING)]
        self._turn = 0
        self._drawn: dict[int, int] = {}
        self._graphs: dict[int, Any] = {}

    @property
    def rows(self) -> int:
        """How many faces there are."""
        return len(self._faces)

    @property
    def bytes_per_session(self) -> int:
        """Device memory of one row: its face and its buffers, without what torch and CUDA need for themselves."""
        tensors = (*self._tensors.values(), *vars(self._driven).values(), self._control)
        shared = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return int(shared) // self.rows + self._painter.bytes_per_row

    def set_face(self, row: int, face: GeometricRenderer) -> None:
        """Draw another face in a row from the next frame on.

        Raises:
            UnavailableError: it needs more room than the batch was made with. SettingError: another frame size.
        """
        if face.size != self.size:
            raise SettingError(f"expected a face for frames of {self.size} px, got {face.size}")
        for name, array in face_arrays(face, self._room).items():
            self._tensors[name][row].copy_(torch.from_numpy(array))
        self._painter.set_face(row, face.layers, face.background, face.scale)
        self._faces[row] = face

    def render(self, motions: Sequence[Motion], supersample: bool = True) -> Pending:
        """Begin to draw one frame of the first ``len(motions)`` faces.

        Raises:
            SettingError: no motions, or more than there are faces.
        """
        count = len(motions)
        if not 0 < count <= self.rows:
            raise SettingError(f"expected 1 to {self.rows} motions, got {count}")
        self._turn = (self._turn + 1) % RING
        told, done = self._told[self._turn], self._events[self._turn]
        if done is not None:
            done.synchronize()  # three batches ago; it ends at once unless the device is that far behind
        for row, motion in enumerate(motions):
            controls(self._faces[row], motion, supersample, told[row].numpy())
        self._control[:count].copy_(told[:count], non_blocking=True)
        self._step(count)
        pictures = self._pictures[self._turn, :count]
        pictures.copy_(self._painter.i420[:count], non_blocking=True)
        if done is not None:
            done.record()
        return Pending(pictures, done)

    @property
    def _on_gpu(self) -> bool:
        return self._device != "cpu"

    def _step(self, count: int) -> None:
        """Everything on the device for one batch, as a graph once its size has been drawn a few times."""
        if not self._on_gpu:
            self._draw(count)
            return
        if count not in self._graphs and self._drawn.get(count, 0) >= WARM_UP:
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._draw(count)
            self._graphs[count] = graph
        if count in self._graphs:
            self._graphs[count].replay()
        else:
            self._draw(count)
            self._drawn[count] = self._drawn.get(count, 0) + 1

    def _draw(self, count: int) -> None:
        driven = self._driven
        drive(self._tensors, self._control[:count], self.size, driven)
        self._painter.draw(count, driven.positions, driven.attributes, driven.boxes, driven.opacity)
        if self._badge is not None:
            _add_badge(self._painter.frames[:count], *self._badge)
        self._painter.to_i420(count)


def _event() -> Any:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


def _badge_tensors(size: int, device: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    plate, text, margin = badge_parts(size)
    plates = torch.from_numpy(plate.astype(np.int32)).to(device)
    return plates, torch.from_numpy(text.astype(np.int32)).to(device), margin


def _add_badge(frames: torch.Tensor, plate: torch.Tensor, text: torch.Tensor, margin: int) -> None:
    """``add_badge`` for int32 frames [B, size, size]."""
    height, width = plate.shape
    channels = frames.view(torch.uint8).view(*frames.shape, 4)
    corner = channels[:, -margin - height : -margin, -margin - width : -margin, :3]
    corner.copy_((corner.to(torch.int32) * plate[..., None] >> 8) + text[..., None])
