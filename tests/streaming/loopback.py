"""A caller without a browser: aiortc at the other end."""

import asyncio
import json
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from streaming import aiortc_private


class Caller:
    """Offers a call as the page does; keeps what it gets."""

    def __init__(
        self,
        microphone: Any = None,
        codec: str | None = None,
        kinds: tuple[str, ...] = ("audio", "video", "application"),
        camera: Any = None,
    ) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.messages: list[dict[str, Any]] = []
        self.pictures: list[tuple[int, NDArray[np.uint8]]] = []  # pts at 90 kHz, luma
        self.sound: list[tuple[int, NDArray[np.int16]]] = []  # pts at 48 kHz, mono
        self.changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        aiortc_private.register_playout_delay()
        if "audio" in kinds:
            self.connection.addTransceiver(microphone or "audio", "sendrecv")
        if "video" in kinds:
            video = self.connection.addTransceiver(camera or "video", "sendrecv" if camera else "recvonly")
            if codec is not None:
                known = RTCRtpSender.getCapabilities("video").codecs
                video.setCodecPreferences([c for c in known if c.mimeType == codec])
        if "application" in kinds:
            self.control = self.connection.createDataChannel("control")
            self.control.on("message", self._on_message)
        self.connection.on("track", self._on_track)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer: str = self.connection.localDescription.sdp
        return offer

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def until(self, holds: Any) -> None:
        """Wait until something holds; tests give up long after it should."""
        async with asyncio.timeout(30):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def send(self, message: dict[str, Any]) -> None:
        self.control.send(json.dumps(message))

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_message(self, text: str) -> None:
        self.messages.append(json.loads(text))
        self.changed.set()

    def _on_track(self, track: Any) -> None:
        self._tasks.append(asyncio.create_task(self._receive(track)))

    async def _receive(self, track: Any) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if track.kind == "video":
                self.pictures.append((frame.pts, frame.to_ndarray(format="gray")))
            else:
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
                self.sound.append((frame.pts, samples[:, 0]))
            self.changed.set()
