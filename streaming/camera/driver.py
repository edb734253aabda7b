"""A camera of the system by pyvirtualcam: v4l2loopback, OBS or UnityCapture."""

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_RATE
from engine.errors import UnavailableError
from streaming.camera.port import CameraLostError

ADVICE: Final = {
    "linux": "load v4l2loopback (apt install v4l2loopback-dkms && modprobe v4l2loopback exclusive_caps=1)",
    "darwin": "install OBS Studio 30 or newer and start its virtual camera once",
    "win32": "install OBS Studio",
}
"""What to do where no virtual camera driver is found, by platform."""


class DriverCamera:
    """A virtual camera whose driver every program takes for a real one."""

    def __init__(self, width: int, height: int, device: str | None = None) -> None:
        """``device`` as pyvirtualcam names it, such as /dev/video2 or "OBS Virtual Camera"; None takes the first.

        Raises:
            UnavailableError: pyvirtualcam or a driver is missing, or the device is in use.
        """
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UnavailableError(
                "expected pyvirtualcam for a camera driver: pip install 'vividlive[camera]'"
            ) from error
        try:
            self._camera: Any = pyvirtualcam.Camera(
                width, height, FRAME_RATE, fmt=pyvirtualcam.PixelFormat.I420, device=device
            )
        except (RuntimeError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            advice = ADVICE.get(sys.platform, "install a virtual camera driver that pyvirtualcam knows")
            raise UnavailableError(
                f"expected a camera driver that can be opened, got: {reason}; {advice}"
            ) from error
        self.name = str(self._camera.device)
        self._asked = width, height, device

    def send(self, picture: NDArray[np.uint8]) -> None:
        try:
            self._camera.send(picture.reshape(-1))
        except (RuntimeError, OSError) as error:
            raise CameraLostError(f"the camera {self.name} is gone: {error}") from error

    def close(self) -> None:
        self._camera.close()

    def reopened(self) -> "DriverCamera":
        return DriverCamera(*self._asked)
