"""Faces that come and go, drawn together on a GPU: the rows of a ``CudaRenderer``, kept without gaps."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import DeviceLostError, UnavailableError
from engine.motion.values import Motion
from engine.render.cuda import CudaRenderer
from engine.render.cuda_batch import Room
from engine.render.cuda_face import Face, room_for
from engine.render.neural.renderer import NeuralRenderer
from kernels.cuda import CudaUnavailableError, Launcher, launcher

Wanted = tuple[Hashable, Face, Motion, float]
"""A picture for a holder, who has had a row since the first one: of this face in this motion, and how far networks
change it, if the face has any."""


@dataclass(frozen=True, eq=False)
class _Row:
    holder: Hashable
    face: Face
    motion: Motion
    strength: float


class CudaRows:
    """Draws frames of one size; not for use from two threads.

    A batch draws every row, also those whose holders want nothing now: their pictures go to nobody. So the device's
    work goes by the holders, not by what is wanted, and its graphs are as few as the numbers of holders.

    Args:
        badge: draw the "AI-generated" badge.
        kernels, device: for tests; by default the kernels on torch's current CUDA device.

    Raises:
        UnavailableError: no CUDA device, or no CuPy.
    """

    most: Final = 64
    """Pictures that are worth asking for at once."""

    def __init__(self, badge: bool = False, kernels: Launcher | None = None, device: str = "cuda") -> None:
        try:
            self._kernels = kernels or launcher()
        except CudaUnavailableError as error:
            raise UnavailableError(str(error)) from error
        self._badge, self._device = badge, device
        self._rows: list[_Row] = []
        self._row_of: dict[Hashable, int] = {}
        self._renderer: CudaRenderer | None = None
        self._room: Room | None = None

    def draw(
        self, wanted: Sequence[Wanted], supersample: bool = True
    ) -> tuple[list[NDArray[np.uint8]], dict[str, float]]:
        """The pictures that are wanted, at most one for each holder, and what the device took for them all together.

        Returns:
            I420, uint8 [size * 3 // 2, size] each, and milliseconds of each of the device's stages.

        Raises:
            DeviceLostError: the device failed, or its memory is full; this object draws nothing more.
        """
        if not wanted:
            return [], {}
        try:
            renderer = self._place(wanted)
            pictures = renderer.render(
                [row.motion for row in self._rows], supersample, self._strengths()
            ).i420
            stage_ms = renderer.batch.stage_ms() or {}
        except RuntimeError as error:
            self._renderer = None  # nothing is to be asked of it again
            raise DeviceLostError(f"the GPU failed: {error}") from error
        return [pictures[self._row_of[holder]].copy() for holder, *_ in wanted], stage_ms

    def free(self, holder: Hashable) -> None:
        """Give back a holder's row, if there is one; the last row takes its place."""
        row = self._row_of.pop(holder, None)
        if row is None:
            return
        last = self._rows.pop()
        if row < len(self._rows):
            self._rows[row] = last
            self._row_of[last.holder] = row

    def _strengths(self) -> list[float] | None:
        return (
            [row.strength for row in self._rows] if isinstance(self._rows[0].face, NeuralRenderer) else None
        )

    def _place(self, wanted: Sequence[Wanted]) -> CudaRenderer:
        """Give each its row; the renderer whose rows show the right faces."""
        for holder, face, motion, strength in wanted:
            number = self._row_of.setdefault(holder, len(self._rows))
            self._rows[number : number + 1] = [_Row(holder, face, motion, strength)]
        faces = [row.face for row in self._rows]
        shown = self._renderer.faces if self._renderer is not None else []
        others = [k for k, face in enumerate(faces) if k >= len(shown) or shown[k] is not face]
        room = _widest(self._room, [faces[k] for k in others])
        if self._renderer is None or room != self._room or len(faces) > len(shown):
            self._renderer = None  # its memory is free before more is asked for
            self._room = room
            spare = (1 << (len(faces) - 1).bit_length()) - len(faces)
            self._renderer = CudaRenderer(
                [*faces, *faces[:1] * spare],
                badge=self._badge,
                room=room,
                kernels=self._kernels,
                device=self._device,
            )
        else:
            for k in others:
                self._renderer.set_face(k, faces[k])
        return self._renderer


def _widest(room: Room | None, faces: Sequence[Face]) -> Room:
    """Room for these faces beside what there is room for already."""
    rooms = [*([room] if room is not None else []), *([room_for(faces)] if faces else [])]
    return Room(**{name: max(getattr(one, name) for one in rooms) for name in vars(rooms[0])})
