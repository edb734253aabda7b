"""Frames on a GPU, geometric or neural: many faces as one batch, from motions to I420 in pinned memory."""

from collections.abc import Sequence
from pathlib import Path

from engine.errors import SettingError, UnavailableError
from engine.motion.values import Motion
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch, Pending, Room
from engine.render.cuda_face import Face, controls, geometric, prepare, room_for
from engine.render.cuda_neural import on_device
from engine.render.neural.network import RendererNet
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import Precision
from engine.render.neural.weights import load_net
from kernels.cuda import CudaUnavailableError, Launcher, launcher


class CudaRenderer:
    """Draws faces as batches: ``render`` of B motions draws the first B faces.

    Convention: I420 as ``GeometricRenderer`` and ``rgbx_to_i420`` make it. With the same driven positions every bit is
    equal; driving sums in another order, which moves vertices by less than a thousandth of a pixel. Neural frames are
    those of ``NeuralRenderer`` within 2 of 255, with the networks on the device instead of its runtime.
    Not for use from two threads at once.

    Args:
        faces: what is drawn, one for each row, all geometric, or all neural with the same weights; ``set_face`` changes
            a row.
        badge: draw the "AI-generated" badge.
        room: what later faces may need; by default what the given ones need.
        kernels, device: for tests; by default the kernels on torch's current CUDA device.
        precision: of the networks; auto is bf16 on a GPU.

    Raises:
        UnavailableError: no CUDA device, or no CuPy. SettingError: no faces, or of different sizes, kinds or weights.
    """

    def __init__(
        self,
        faces: Sequence[Face],
        *,
        badge: bool = False,
        room: Room | None = None,
        kernels: Launcher | None = None,
        device: str = "cuda",
        precision: Precision = "auto",
    ) -> None:
        sizes = {face.size for face in faces}
        if len(sizes) != 1:
            raise SettingError(f"expected faces of one frame size, got {sorted(sizes) or 'none'}")
        self._weights = _weights(faces)
        try:
            chosen = kernels or launcher()
        except CudaUnavailableError as error:
            raise UnavailableError(str(error)) from error
        self.size = sizes.pop()
        self._room = room or room_for(faces)
        self.faces = list(faces)
        """What each row draws."""
        prepared = [prepare(face, self._room) for face in faces]
        sign = badge_parts(self.size) if badge else None
        networks: RendererNet | None = None
        if self._weights is not None:
            networks = on_device(load_net(self._weights), device, precision)
        self.batch = CudaBatch(prepared, self._room, chosen, sign, device, networks)

    @property
    def rows(self) -> int:
        """How many faces there are."""
        return len(self.faces)

    def set_face(self, row: int, face: Face) -> None:
        """Draw another face in a row from the next frame on.

        Raises:
            UnavailableError: it needs more room than the batch was made with. SettingError: another frame size, or
                another kind or other weights than the batch's.
        """
        if face.size != self.size:
            raise SettingError(f"expected a face for frames of {self.size} px, got {face.size}")
        _weights([self.faces[row], face])
        self.batch.set_face(row, prepare(face, self._room))
        self.faces[row] = face

    def render(
        self,
        motions: Sequence[Motion],
        supersample: bool = True,
        strengths: Sequence[float] | None = None,
    ) -> Pending:
        """Begin to draw one frame of the first ``len(motions)`` faces.

        strengths: for neural faces, how far the networks change each frame, in [0, 1], as ``NeuralRenderer.render`` has
        it; 1 by default. Where all are 0 they do not run.

        Raises:
            SettingError: no motions, or more than there are faces; or strengths for geometric faces, or another number
                of them.
        """
        if strengths is not None and (self._weights is None or len(strengths) != len(motions)):
            kind = (
                "no strengths for geometric faces" if self._weights is None else f"{len(motions)} strengths"
            )
            raise SettingError(f"expected {kind}, got {len(strengths)}")
        how_far = [1.0] * len(motions) if strengths is None else list(strengths)
        told = self.batch.next_controls(len(motions))
        for face, motion, row, strength in zip(self.faces, motions, told, how_far, strict=False):
            controls(geometric(face), motion, supersample, row, strength)
        return self.batch.render(len(motions), refine=max(how_far) > 0)


def _weights(faces: Sequence[Face]) -> Path | None:
    """Whose weights these faces share; None for geometric ones.

    Raises:
        SettingError: they are of both kinds, or have different weights.
    """
    found = {face.runtime.weights if isinstance(face, NeuralRenderer) else None for face in faces}
    if len(found) == 1:
        return found.pop()
    named = ", ".join(sorted("none (geometric)" if path is None else str(path) for path in found))
    raise SettingError(f"expected faces that are all geometric or share one network's weights, got {named}")
