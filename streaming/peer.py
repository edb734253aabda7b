"""One WebRTC peer of a session: negotiation, tracks, control messages."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError

from engine.errors import InputError
from streaming import aiortc_private
from streaming.control import ControlError, parse_control
from streaming.encoder import AUDIO_CLOCK, VIDEO_CLOCK, Codec
from streaming.face_process import FaceProcess
from streaming.face_trackers import FaceTrackers
from streaming.face_tracking import EncodedPicture, FaceState
from streaming.feeds import Outlet
from streaming.offers import OfferError, checked_offer
from streaming.opus import open_decoder
from streaming.session import AvatarSession, BusyError
from streaming.tracks import PacketTrack
from streaming.trickle import Fragment

STATS_S: Final = 1.0

MAX_CANDIDATES: Final = 64
"""So many remote candidates are looked at; each costs checks."""

CODECS: Final[dict[str, Codec]] = {"video/H264": "h264", "video/VP8": "vp8"}
"""What video is offered as, the preferred one first: H.264 costs half as much to encode."""

logger = logging.getLogger(__name__)


class IceRestartError(InputError):
    """A peer wants new ICE credentials, which aiortc cannot take: HTTP 422."""


class Peer:
    """Somebody at the other end of a WebRTC connection who speaks to a session, views it, or both."""

    def __init__(
        self,
        session: AvatarSession,
        ice_servers: tuple[dict[str, Any], ...],
        set_avatar: Callable[[str], None],
        on_gone: Callable[[], Awaitable[None]],
        faces: FaceTrackers,
        *,
        publish: bool = True,
        view: bool = True,
    ) -> None:
        """``set_avatar(id)`` raises ``InputError`` for an unknown avatar; ``on_gone()`` is called once when the
        other end has left; ``faces`` follow the user's where the page asks for it. Who may not ``publish`` is neither
        heard nor seen nor obeyed; without ``view`` nothing is sent."""
        self.session = session
        self.publishes = publish
        self.views = view
        self.answered_s = math.inf  # monotonic time from which the other end can connect
        self._set_avatar = set_avatar
        self._on_gone = on_gone
        self._faces = faces
        self._face: FaceProcess | None = None
        self._camera: aiortc_private.PictureBuffer | None = None
        self._connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[RTCIceServer(**server) for server in ice_servers])
        )
        aiortc_private.connect_quietly(self._connection)
        self._offer = ""
        self._tracks: list[PacketTrack] = []
        self._decoder = open_decoder()
        self._channel: Any = None
        self._events = session.on_event(self.tell)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refused_told = False
        self._negotiating = False
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
        self._offer = offer = checked_offer(offer, view=self.views)
        aiortc_private.register_playout_delay()
        aiortc_private.ask_for_copies()
        # The transceivers come before the offer: preferences that are set after it are ignored.
        begin_ntp = self._begin_ntp()
        if "\r\nm=audio " in offer:
            self._add_audio(begin_ntp)
        connection = self._connection
        if "\r\nm=video " in offer:
            if self.views:
                self._add_video(begin_ntp)
            else:
                connection.addTransceiver("video", "inactive")  # nobody looks at the speaker's own picture
        connection.on("datachannel", self._on_channel)
        connection.on("connectionstatechange", self._on_connection_state)
        self._negotiating = True
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await connection.setLocalDescription(await connection.createAnswer())
        except (ValueError, OperationError, InvalidStateError, InvalidAccessError) as error:
            raise OfferError(f"expected an offer that can be answered: {error}") from error
        finally:
            self._negotiating = False
            if self._gone:
                await connection.close()
        self.answered_s = time.monotonic()
        answer: str = connection.localDescription.sdp
        return answer

    @property
    def ice_user(self) -> str:
        """Our ICE username fragment, which tells this ICE session from others; known once an answer was made."""
        return str(self._ice_transport.iceGatherer.getLocalParameters().usernameFragment)

    async def trickle(self, fragment: Fragment) -> None:
        """Take candidates that the other end found after its offer.

        Raises:
            IceRestartError: they are for another ICE session than the offer's.
        """
        if fragment.user is not None and f"a=ice-ufrag:{fragment.user}\r\n" not in self._offer:
            raise IceRestartError(
                "expected candidates for the ICE session of the offer, got an ICE restart: make a new call"
            )
        known = len(self._ice_transport.getRemoteCandidates())
        for candidate in fragment.candidates[: max(0, MAX_CANDIDATES - known)]:
            await self._ice_transport.addRemoteCandidate(candidate)

    async def close(self) -> None:
        """Hang up."""
        self._gone = True
        self._drive_by("voice")
        self._events.close()
        for track in self._tracks:
            track.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._negotiating:  # ``answer`` does the rest then: what it opens afterwards would stay open
            return
        await self._connection.close()
        # Again: one that connected meanwhile was started after it had been stopped.
        for transceiver in self._connection.getTransceivers():
            await transceiver.stop()

    def tell(self, message: dict[str, Any]) -> bool:
        """Send a control message; False when the page does not listen (yet)."""
        if self._channel is None or self._channel.readyState != "open":
            return False
        self._channel.send(json.dumps(message))
        return True

    @property
    def _ice_transport(self) -> Any:
        """All media share one (``streaming.offers``)."""
        return self._connection.getTransceivers()[0].receiver.transport.transport

    def _begin_ntp(self) -> int:
        """NTP time of the session's media time zero."""
        age_s = time.monotonic() - self.session.clock.origin_s
        return aiortc_private.ntp_now() - int(age_s * (1 << 32))

    def _add_audio(self, begin_ntp: int) -> None:
        if self.views:
            transceiver = self._send("audio", lambda: self.session.packets("audio"), AUDIO_CLOCK, begin_ntp)
            transceiver.direction = "sendrecv" if self.publishes else "sendonly"
        else:
            transceiver = self._connection.addTransceiver("audio", "recvonly")
        aiortc_private.hear_at_once(transceiver.receiver, self._hear)
        transceiver.setCodecPreferences(
            [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType == "audio/opus"]
        )

    def _add_video(self, begin_ntp: int) -> None:
        def codec() -> Codec:
            return CODECS[aiortc_private.negotiated_codec(transceiver)]

        def outlet() -> Outlet | None:
            return track.outlet

        transceiver = self._send("video", lambda: self.session.packets(codec()), VIDEO_CLOCK, begin_ntp)
        if self.publishes:  # a camera may come: it is looked at only while a face is to drive the avatar
            transceiver.direction = "sendrecv"
            self._camera = aiortc_private.see_pictures(transceiver.receiver, self._see)
        track = self._tracks[-1]
        pictures = self.session.pictures
        aiortc_private.play_at_once(transceiver.sender)
        aiortc_private.on_keyframe_request(transceiver.sender, lambda: pictures.feed(codec()).want_keyframe())
        aiortc_private.on_network(
            transceiver.sender,
            lambda bandwidth: (
                pictures.feed(codec()).bandwidth(there, bandwidth) if (there := outlet()) else None
            ),
            lambda loss: pictures.feed(codec()).loss(there, loss) if (there := outlet()) else None,
        )
        known = RTCRtpSender.getCapabilities("video").codecs
        preferred = [c for name in CODECS for c in known if c.mimeType == name]
        transceiver.setCodecPreferences(preferred + [c for c in known if c.mimeType == "video/rtx"])

    def _send(self, kind: str, open_outlet: Callable[[], Outlet], clock_rate: int, begin_ntp: int) -> Any:
        """Add a transceiver whose track sends an outlet's packets, with sender reports in media time."""
        track = PacketTrack(kind, open_outlet, lambda pts: reports.packet_sent(pts))
        transceiver = self._connection.addTransceiver(track, "sendonly")
        reports = aiortc_private.MediaTimeReports(transceiver.sender, clock_rate, begin_ntp)
        self._tracks.append(track)
        return transceiver

    def _spawn(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        task.set_name(f"{name}-{self.session.label}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hear(self, timestamp: int, payload: bytes) -> None:
        """Hand a packet of the microphone to the session, unless somebody else is speaking."""
        if not self.publishes or self._gone:
            return
        try:
            self.session.claim_microphone(self)
        except BusyError as error:
            if not self._refused_told:
                self._refused_told = self.tell({"type": "error", "error": str(error)})
            return
        self._refused_told = False
        self.session.hear_packet(timestamp, payload, self._decoder)

    def _see(self, mime_type: str, time_s: float, data: bytes) -> None:
        """Hand a picture of the user's camera to the face tracker; without one it is thrown away."""
        if self._face is not None and mime_type in CODECS:
            self._face.see(EncodedPicture(CODECS[mime_type], time_s, data))

    def _drive_by(self, by: str) -> None:
        """Let the user's face drive the avatar while it is seen, or their voice alone."""
        if by == "face" and self._face is None and self._camera is not None:
            try:
                self._face = self._faces.begin(self.session, self, self._tell_face, self._want_keyframe)
            except BusyError as error:
                self.tell({"type": "drive", "by": "voice", "error": str(error)})
                return
            self._want_keyframe()
        elif by == "voice" and self._face is not None:
            self.session.release_face(self)
            self._faces.end(self._face)
            self._face = None

    def _tell_face(self, state: FaceState) -> None:
        if self._face is not None:
            self.tell({"type": "face", "seen": state.seen, "words": state.words})

    def _want_keyframe(self) -> None:
        assert self._camera is not None
        self._camera.want_keyframe = True

    def _on_channel(self, channel: Any) -> None:
        if channel.label != "control" or self._gone:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._spawn(self._report(), "stats")

    def _on_message(self, text: Any) -> None:
        if self._gone:  # what is begun now would never be ended
            return
        session = self.session
        try:
            message = parse_control(text)
            if message["type"] == "playout":
                session.playout(self, message["audio_ms"], message["video_ms"])
                return
            if not self.publishes:
                raise ControlError(f"expected nothing but playout from a viewer, got {message['type']}")
            match message["type"]:
                case "style":
                    session.set_style(
                        *(message.get(name) for name in ("expressiveness", "head_motion", "mood"))
                    )
                case "avatar":
                    self._set_avatar(message["id"])
                case "clear":
                    session.clear()
                case "barge_in":
                    session.barge_in = message["on"]
                case "drive":
                    self._drive_by(message["by"])
                case "face_rest":
                    if self._face is not None:
                        self._face.take_rest()
        except (ControlError, InputError) as error:
            self.tell({"type": "error", "error": str(error)})

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_S)
            self.tell({"type": "stats", **asdict(self.session.pictures.stats())})

    async def _on_connection_state(self) -> None:
        state = self._connection.connectionState
        logger.info("peer %s", state, extra={"session": self.session.label})
        if state in ("failed", "closed") and not self._gone:
            self._gone = True
            await self._on_gone()
