"""What other renderers get of every frame: blendshapes, head pose, the picture, the sound."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.conventions import FRAME_SAMPLES
from streaming.callbacks import Handle
from streaming.decimator import OUTPUT_PER_ANALYSIS
from streaming.pictures import Picture
from streaming.session import AvatarSession
from streaming.websocket.outbox import Outbox
from streaming.websocket.protocol import MOTION_NAMES, REPEATED, SPEAKING, Kind, Subscribe, pack

JPEG_QUALITY: Final = 85


class FrameStream:
    """Sends what a client has subscribed to, until it is closed. JPEG is made on a thread of its own.

    A frame that comes while the one before it is still being encoded waits for it; a third one takes its place.
    """

    def __init__(self, session: AvatarSession, wanted: Subscribe, outbox: Outbox) -> None:
        self._wanted = wanted
        self._outbox = outbox
        self._motion: NDArray[np.float32] | None = None
        self._latest: Picture | None = None
        self._there = asyncio.Event()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="jpeg") if wanted.frames == "jpeg" else None
        self._encoding = asyncio.create_task(self._encode_forever(self._encoder)) if self._encoder else None
        self._handles: list[Handle] = []
        if wanted.frames or wanted.blendshapes:
            self._handles.append(session.watch(self._on_picture))
        if wanted.audio:
            self._handles.append(session.listen(self._on_sound))
        outbox.event(
            "subscribed",
            frames=wanted.frames,
            blendshapes=list(MOTION_NAMES) if wanted.blendshapes else None,
            audio=wanted.audio,
        )

    async def close(self) -> None:
        """Send nothing more."""
        for handle in self._handles:
            handle.close()
        if self._encoding is not None and self._encoder is not None:
            self._encoding.cancel()
            await asyncio.gather(self._encoding, return_exceptions=True)
            self._encoder.shutdown(wait=False)

    def _on_sound(self, first: int, samples: NDArray[np.int16]) -> None:
        self._outbox.sound(pack(Kind.SOUND, 0, 0, 0, first, samples.astype("<i2").tobytes()))

    def _on_picture(self, picture: Picture) -> None:
        if self._wanted.frames != "jpeg":
            self._send(picture, None)
            return
        self._outbox.lost["frame"] += self._latest is not None
        self._latest = picture
        self._there.set()

    async def _encode_forever(self, encoder: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._there.wait()
            self._there.clear()
            picture, self._latest = self._latest, None
            if picture is not None:
                self._send(picture, await loop.run_in_executor(encoder, encode_jpeg, picture.i420))

    def _send(self, picture: Picture, jpeg: bytes | None) -> None:
        flags = SPEAKING * picture.speaking | REPEATED * picture.repeated
        first = picture.number * FRAME_SAMPLES * OUTPUT_PER_ANALYSIS
        size = picture.i420.shape[1]
        messages = []
        if picture.motion is not None:
            self._motion = picture.motion
        if self._wanted.blendshapes and self._motion is not None:
            body = self._motion.astype("<f4").tobytes()
            messages.append(pack(Kind.MOTION, flags, size, picture.number, first, body))
        if jpeg is not None:
            messages.append(pack(Kind.JPEG, flags, size, picture.number, first, jpeg))
        elif self._wanted.frames == "i420":
            messages.append(pack(Kind.I420, flags, size, picture.number, first, picture.i420.tobytes()))
        if messages:
            self._outbox.frame(messages)


def encode_jpeg(i420: NDArray[np.uint8]) -> bytes:
    """JPEG of a picture, uint8 [size * 3 // 2, size], I420 by BT.601 in limited range."""
    bgr = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done
    return data.tobytes()
