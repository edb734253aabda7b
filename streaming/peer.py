"""One WebRTC peer: negotiation, tracks, control messages."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError

from engine.errors import InputError
from streaming import aiortc_private
from streaming.call import Call
from streaming.control import ControlError, parse_control
from streaming.encoder import AUDIO_CLOCK, VIDEO_CLOCK
from streaming.offers import OfferError, checked_offer
from streaming.tracks import PacketTrack

STATS_S = 1.0

logger = logging.getLogger(__name__)


class Peer:
    """The browser at the other end of a call."""

    def __init__(
        self,
        call: Call,
        ice_servers: tuple[dict[str, Any], ...],
        set_avatar: Callable[[str], None],
        on_gone: Callable[[], Awaitable[None]],
    ) -> None:
        """``set_avatar(id)`` raises ``InputError`` for an unknown avatar; ``on_gone()`` is called once when the
        browser has left."""
        self._call = call
        self._set_avatar = set_avatar
        self._on_gone = on_gone
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[RTCIceServer(**server) for server in ice_servers])
        )
        self._channel: Any = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._gone = False

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return bool(self._connection.connectionState == "connected")

    async def answer(self, offer: str) -> str:
        """Answer an offer.

        Raises:
            OfferError: it cannot be answered.
        """
        offer = checked_offer(offer)
        connection, call = self._connection, self._call
        aiortc_private.register_playout_delay()
        begin_ntp = aiortc_private.ntp_now()
        reports: dict[str, aiortc_private.MediaTimeReports] = {}
        # The transceivers come before the offer: preferences that are set after it are ignored.
        for kind, next_packet, clock_rate in (
            ("audio", call.next_audio, AUDIO_CLOCK),
            ("video", call.next_video, VIDEO_CLOCK),
        ):
            if f"m={kind}" not in offer:
                continue
            track = PacketTrack(kind, next_packet, lambda pts, kind=kind: reports[kind].packet_sent(pts))  # type: ignore[misc]
            transceiver = connection.addTransceiver(track, "sendrecv" if kind == "audio" else "sendonly")
            reports[kind] = aiortc_private.MediaTimeReports(transceiver.sender, clock_rate, begin_ntp)
            if kind == "audio":
                aiortc_private.hear_at_once(transceiver.receiver)
                transceiver.setCodecPreferences(
                    [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType == "audio/opus"]
                )
            else:
                aiortc_private.play_at_once(transceiver.sender)
                aiortc_private.on_keyframe_request(transceiver.sender, call.want_keyframe)
                aiortc_private.on_network(transceiver.sender, call.bandwidth, call.loss)
                codecs = RTCRtpSender.getCapabilities("video").codecs
                transceiver.setCodecPreferences(
                    [c for c in codecs if c.mimeType in ("video/H264", "video/rtx")]
                )
        connection.on("track", self._on_track)
        connection.on("datachannel", self._on_channel)
        connection.on("connectionstatechange", self._on_connection_state)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except (ValueError, OperationError, InvalidStateError, InvalidAccessError) as error:
            raise OfferError(f"expected an offer that can be answered: {error}") from error
        answer: str = connection.localDescription.sdp
        return answer

    async def close(self) -> None:
        """Hang up."""
        self._gone = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.close()

    def tell(self, message: dict[str, Any]) -> None:
        """Send a control message, if the page listens."""
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(message))

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        task.set_name(f"{name}-{self._call.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_track(self, track: Any) -> None:
        if track.kind == "audio":
            self._spawn(self._listen(track), "microphone")

    async def _listen(self, track: Any) -> None:
        """Hand the microphone's packets to the call."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            channels = len(frame.layout.channels)
            samples = frame.to_ndarray().reshape(-1, channels)  # packed int16
            mono = (
                samples[:, 0]
                if channels == 1
                else (samples.astype(np.int32).sum(1) // channels).astype(np.int16)
            )
            self._call.hear(frame.pts, mono)

    def _on_channel(self, channel: Any) -> None:
        if channel.label != "control":
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._call.on_state = lambda speaking: self.tell({"type": "state", "speaking": speaking})
        self._spawn(self._report(), "stats")

    def _on_message(self, text: Any) -> None:
        call = self._call
        try:
            message = parse_control(text)
            match message["type"]:
                case "style":
                    call.set_style(message["expressiveness"], message["head_motion"])
                case "avatar":
                    self._set_avatar(message["id"])
                case "clear":
                    call.clear()
                case "playout":
                    call.playout(message["audio_ms"], message["video_ms"])
        except (ControlError, InputError) as error:
            self.tell({"type": "error", "error": str(error)})

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            self.tell({"type": "stats", **asdict(self._call.stats())})

    async def _on_connection_state(self) -> None:
        state = self._connection.connectionState
        logger.info("call %s: peer %s", self._call.name, state)
        if state in ("failed", "closed") and not self._gone:
            self._gone = True
            await self._on_gone()
