"""The geometric quality level on a GPU: many faces as one batch, from motions to I420 in pinned memory."""

from collections.abc import Sequence

from engine.errors import SettingError, UnavailableError
from engine.motion.values import Motion
from engine.render.badge import badge_parts
from engine.render.cuda_batch import CudaBatch, Pending, Room
from engine.render.cuda_face import controls, prepare, room_for
from engine.render.geometric import GeometricRenderer
from kernels.cuda import CudaUnavailableError, Launcher, launcher


class CudaRenderer:
    """Draws faces as batches: ``render`` of B motions draws the first B faces.

    Convention: I420 as ``GeometricRenderer`` and ``rgbx_to_i420`` make it. With the same driven positions every bit is
    equal; driving sums in another order, which moves vertices by less than a thousandth of a pixel.
    Not for use from two threads at once.

    Args:
        faces: what is drawn, one for each row; ``set_face`` changes a row.
        badge: draw the "AI-generated" badge.
        room: what later faces may need; by default what the given ones need.
        kernels, device: for tests; by default the kernels on torch's current CUDA device.

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
        self.size = sizes.pop()
        self._room = room or room_for(faces)
        self._faces = list(faces)
        prepared = [prepare(face, self._room) for face in faces]
        sign = badge_parts(self.size) if badge else None
        self.batch = CudaBatch(prepared, self._room, chosen, sign, device)

    @property
    def rows(self) -> int:
        """How many faces there are."""
        return len(self._faces)

    def set_face(self, row: int, face: GeometricRenderer) -> None:
        """Draw another face in a row from the next frame on.

        Raises:
            UnavailableError: it needs more room than the batch was made with. SettingError: another frame size.
        """
        if face.size != self.size:
            raise SettingError(f"expected a face for frames of {self.size} px, got {face.size}")
        self.batch.set_face(row, prepare(face, self._room))
        self._faces[row] = face

    def render(self, motions: Sequence[Motion], supersample: bool = True) -> Pending:
        """Begin to draw one frame of the first ``len(motions)`` faces.

        Raises:
            SettingError: no motions, or more than there are faces.
        """
        told = self.batch.next_controls(len(motions))
        for face, motion, row in zip(self._faces, motions, told, strict=False):
            controls(face, motion, supersample, row)
        return self.batch.render(len(motions))
