"""A stand-in for the face tracker: the lighter the picture, the wider the mouth; in the dark there is nobody."""

import os
from typing import Any

import av
import numpy as np

from engine.avatar.video import Picture
from engine.motion.face_drive import FaceMotion
from tests.streaming.fake_engine import JAW

DARK = 30.0


class FakeTracker:
    refusal = "it is dark"

    def __init__(self) -> None:
        self._rest = 0.0
        self._level = 0.0

    def track(self, picture: Picture) -> FaceMotion:
        self._level = float(picture.image.mean())
        if 250 < self._level:
            os._exit(3)  # too bright to live
        shapes = np.zeros(52, np.float32)
        shapes[JAW] = max(0.0, self._level - self._rest) / 255
        return FaceMotion(picture.time_s, shapes, np.zeros(6, np.float32), self._level > DARK)

    def take_rest(self) -> bool:
        self._rest = self._level
        return True


def fake_tracker() -> FakeTracker:
    return FakeTracker()


def encoded(codec: str, levels: list[int]) -> list[bytes]:
    """Grey pictures of 64 x 48 as a browser would send them, one packet each."""
    name = {"h264": "libx264", "vp8": "libvpx"}[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.framerate = 64, 48, "yuv420p", 25
    context.options = (
        {"tune": "zerolatency"} if codec == "h264" else {"lag-in-frames": "0", "deadline": "realtime"}
    )
    packets = []
    for number, level in enumerate(levels):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
        frame.pts = number
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    return packets
