"""Chooses what makes the camera: a driver of the system, or a PipeWire node."""

import sys
from collections.abc import Callable
from typing import Literal

from engine.errors import UnavailableError
from streaming.camera.driver import DriverCamera
from streaming.camera.port import Camera

Backend = Literal["auto", "pyvirtualcam", "pipewire"]


def open_camera(backend: Backend, width: int, height: int, device: str | None = None) -> Camera:
    """Open the camera that other programs will see.

    "auto" prefers a driver, which every program finds. ``device`` is the driver's device, or the name that a PipeWire
    node shows; a path is none.

    Raises:
        UnavailableError: there is none; says what to install.
    """
    ways: dict[str, Callable[[], Camera]] = {
        "pyvirtualcam": lambda: DriverCamera(width, height, device),
        "pipewire": lambda: _pipewire_camera(width, height, device),
    }
    if backend == "auto" and device is not None and device.startswith("/dev/"):
        backend = "pyvirtualcam"
    if backend != "auto":
        return ways[backend]()
    reasons = []
    for open_one in ways.values():
        try:
            return open_one()
        except UnavailableError as error:
            reasons.append(str(error))
    raise UnavailableError("no virtual camera: " + " | or ".join(reasons))


def camera_ways() -> list[str]:
    """What each backend would open on this machine, or why it cannot."""
    lines = []
    try:
        camera = DriverCamera(640, 360)
        lines.append(f"pyvirtualcam: {camera.name}")
        camera.close()
    except UnavailableError as error:
        lines.append(f"pyvirtualcam: {error}")
    if sys.platform == "linux":
        from streaming.camera import pipewire

        try:
            pipewire.check_video_node()
            lines.append(f"pipewire: a node called {pipewire.NAME}")
        except UnavailableError as error:
            lines.append(f"pipewire: {error}")
    return lines


def _pipewire_camera(width: int, height: int, name: str | None) -> Camera:
    if sys.platform != "linux":
        raise UnavailableError("expected Linux for a PipeWire camera")
    from streaming.camera.pipewire import VideoNode  # what it uses exists on Linux only

    return VideoNode(width, height, name)
