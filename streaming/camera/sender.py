"""Draws the canvas and hands it to the camera, in a thread: the newest picture, or none."""

import logging
import threading
import time
from collections import deque
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import UnavailableError
from streaming.camera.canvas import Canvas
from streaming.camera.port import Camera, CameraLostError

RETRY_S: Final = 2.0
"""A camera that went away is tried again so often."""

STOP_S: Final = 2.0
"""So long a picture that is being sent is waited for in the end."""

logger = logging.getLogger(__name__)


class Sender:
    """Owns the camera from now on. A picture that the camera is too slow for is replaced by the next one."""

    def __init__(self, canvas: Canvas, camera: Camera) -> None:
        self._canvas = canvas
        self._camera = camera
        self._lost = False
        self._picture: NDArray[np.uint8] | None = None
        self._changed = threading.Condition()
        self._over = False
        self._took_ms: deque[float] = deque(maxlen=250)
        self.sent = 0
        self.skipped = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def show(self, i420: NDArray[np.uint8]) -> None:
        """Show a picture of the avatar, uint8 [size * 3 // 2, size], as soon as possible."""
        with self._changed:
            self.skipped += self._picture is not None
            self._picture = i420
            self._changed.notify()

    @property
    def frame_ms(self) -> float:
        """What drawing and sending took lately, the median."""
        return median(self._took_ms) if self._took_ms else 0.0

    def close(self) -> None:
        """Give the camera back."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(STOP_S)
        if self._thread.is_alive():  # in a driver that hangs, until the process ends
            logger.warning("the camera %s does not let go", self._camera.name)
        elif not self._lost:
            self._camera.close()

    def _run(self) -> None:
        while (picture := self._next()) is not None:
            if self._lost:
                self._try_again()
                continue
            began = time.perf_counter()
            try:
                self._camera.send(self._canvas.compose(picture))
            except CameraLostError as error:
                logger.warning("%s: trying again every %.0f s", error, RETRY_S)
                self._camera.close()
                self._lost = True
                continue
            self._took_ms.append((time.perf_counter() - began) * 1e3)
            self.sent += 1

    def _next(self) -> NDArray[np.uint8] | None:
        """Wait for the next picture; None when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._picture is not None)
            picture, self._picture = self._picture, None
            return None if self._over else picture

    def _try_again(self) -> None:
        try:
            self._camera = self._camera.reopened()
        except UnavailableError:
            with self._changed:
                self._changed.wait_for(lambda: self._over, RETRY_S)
        else:
            self._lost = False
            logger.warning("the camera %s is back", self._camera.name)
