"""What a virtual camera does, whatever makes it one."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import VividliveError


class CameraLostError(VividliveError):
    """A virtual camera is gone; it may be opened again."""


class Camera(Protocol):
    """A camera that other programs see."""

    @property
    def name(self) -> str:
        """What other programs call it."""
        ...

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Show a picture, I420, uint8 [H * 3 // 2, W]; it is not needed afterwards.

        Raises:
            CameraLostError: the camera is gone.
        """
        ...

    def close(self) -> None:
        """Give the camera back; closing twice is no error."""
        ...

    def reopened(self) -> "Camera":
        """The same camera after it was lost and closed: what other programs look for.

        Raises:
            UnavailableError: it is not back yet.
        """
        ...
