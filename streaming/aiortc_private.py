"""Every place where aiortc's private parts are touched; each has a test that fails when aiortc changes.

Verified with aiortc 1.16.0, which pyproject.toml pins. What is changed, and why, is in docs/design/media-path.md.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aiortc import rtp
from aiortc.clock import current_ntp_time
from aiortc.codecs import CODECS, HEADER_EXTENSIONS
from aiortc.exceptions import InvalidStateError
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters

PLAYOUT_DELAY_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_PLAYOUT_DELAY_ID: Final = 7
"""Offered by us only when we make the offer; as answerer we take the browser's number."""

_Private = Any
"""An ``RTCPeerConnection``, ``RTCRtpSender``, ``RTCRtpReceiver`` or ``RtpPacket`` whose private attributes are used."""

_TIMESTAMPS: Final = 1 << 32

PICTURE_PACKETS: Final = 128
"""Packets of video that wait for one that is missing, a second of them; then a keyframe is asked for."""


def register_playout_delay() -> None:
    """Let video negotiate the playout-delay header extension; safe to call again."""
    extensions = HEADER_EXTENSIONS["video"]
    if all(extension.uri != PLAYOUT_DELAY_URI for extension in extensions):
        extensions.append(RTCRtpHeaderExtensionParameters(id=_PLAYOUT_DELAY_ID, uri=PLAYOUT_DELAY_URI))


def ask_for_copies() -> None:
    """Let our answers say that Opus may carry a copy of the packet before; safe to call again.

    A browser sends copies to those who ask for them, when their receiver reports speak of losses.
    """
    for codec in CODECS["audio"]:
        if codec.mimeType == "audio/opus":
            codec.parameters.update(minptime=10, useinbandfec=1)


def connect_quietly(connection: _Private) -> None:
    """Let a connection that is closed while it connects say nothing of that: nobody takes the exception of its task."""
    connect = connection._RTCPeerConnection__connect

    async def quietly() -> None:
        with suppress(InvalidStateError):
            await connect()

    connection._RTCPeerConnection__connect = quietly


class _PlayoutDelayMap(rtp.HeaderExtensionsMap):
    """Adds the playout delay to every packet: minimum and maximum, 12 bits each, in units of 10 ms."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self._value = (low << 12 | high).to_bytes(3, "big")
        self._id: int | None = None

    def configure(self, parameters: RTCRtpParameters) -> None:
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == PLAYOUT_DELAY_URI:
                self._id = extension.id

    def set(self, values: rtp.HeaderExtensions) -> tuple[int, bytes]:
        profile, packed = super().set(values)
        if self._id is None:
            return profile, packed
        present = rtp.unpack_header_extensions(profile, packed)
        return rtp.pack_header_extensions([*present, (self._id, self._value)])


def play_at_once(sender: _Private, low: int = 0, high: int = 0) -> None:
    """Ask the browser to show video as it comes: without this it waits about 30 ms for smoothness.

    Call before negotiation ends. ``low`` and ``high`` are in units of 10 ms.
    """
    assert hasattr(sender, "_RTCRtpSender__rtp_header_extensions_map")
    sender._RTCRtpSender__rtp_header_extensions_map = _PlayoutDelayMap(low, high)


def negotiated_codec(transceiver: _Private) -> str:
    """The MIME type of what a transceiver sends, "video/H264" for instance; known once an answer was made."""
    return str(transceiver._codecs[0].mimeType)


def on_keyframe_request(sender: _Private, callback: Callable[[], None]) -> None:
    """Call ``callback`` for each picture-loss or full-intra request from the viewer."""
    assert callable(sender._send_keyframe)
    sender._send_keyframe = callback


def on_network(sender: _Private, bandwidth: Callable[[int], None], loss: Callable[[float], None]) -> None:
    """Hear how the network is: ``bandwidth(bits_per_second)`` for each estimate (REMB) from the viewer, and
    ``loss(share)``, in [0, 1], for each receiver report."""
    handle = sender._handle_rtcp_packet

    async def watch(packet: Any) -> None:
        if isinstance(packet, rtp.RtcpPsfbPacket) and packet.fmt == rtp.RTCP_PSFB_APP:
            try:
                bitrate, sources = rtp.unpack_remb_fci(packet.fci)
            except ValueError:
                return
            if sender._ssrc in sources:
                bandwidth(bitrate)
            return
        if isinstance(packet, rtp.RtcpRrPacket | rtp.RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    loss(report.fraction_lost / 256)
        await handle(packet)

    sender._handle_rtcp_packet = watch


class MediaTimeReports:
    """Sender reports that say when a packet's media happened, not when it was sent.

    aiortc reports the time of sending, so that video which is sent later than its sound on purpose would look
    late to the browser. Here both media report ``begin + pts``, on one common clock.
    """

    def __init__(self, sender: _Private, clock_rate: int, begin_ntp: int) -> None:
        """``begin_ntp`` is the 64-bit NTP time of media time zero."""
        for name in ("rtp_timestamp", "ntp_timestamp", "lsr", "lsr_time"):
            assert hasattr(sender, f"_RTCRtpSender__{name}")
        self._sender = sender
        self._clock_rate = clock_rate
        self._begin_ntp = begin_ntp
        self._origin: int | None = None
        self._send = sender._send_rtcp
        sender._send_rtcp = self._send_reports

    def packet_sent(self, pts: int) -> None:
        """The packet with this time stamp, counted from zero, is the last one that was sent completely."""
        if self._origin is None:
            self._origin = (self._sender._RTCRtpSender__rtp_timestamp - pts) % _TIMESTAMPS

    def media_ntp(self, rtp_timestamp: int) -> int:
        """NTP time of the media with an RTP time stamp."""
        assert self._origin is not None
        pts = (rtp_timestamp - self._origin) % _TIMESTAMPS
        return self._begin_ntp + (pts << 32) // self._clock_rate

    async def _send_reports(self, packets: list[Any]) -> None:
        report = packets[0]
        if isinstance(report, rtp.RtcpSrPacket):
            if self._origin is None:
                return  # nothing is known yet, and a wrong report is worse than none
            report.sender_info.ntp_timestamp = self.media_ntp(report.sender_info.rtp_timestamp)
            # The viewer echoes these bits; the round-trip time is measured with them.
            self._sender._RTCRtpSender__lsr = (report.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
            self._sender._RTCRtpSender__lsr_time = time.time()
        await self._send(packets)


def ntp_now() -> int:
    """Wall-clock time as a 64-bit NTP time stamp."""
    return int(current_ntp_time())


class ImmediateBuffer:
    """In place of aiortc's audio jitter buffer: every packet is handed over as it comes, still encoded.

    The original holds four packets back (80 ms) and adds the length of every loss for good. Order, gaps and
    decoding are the microphone buffer's work. aiortc's own decoder gets nothing. Packets that come twice are dropped.
    """

    def __init__(self, hear: Callable[[int, bytes], None]) -> None:
        """``hear(timestamp, payload)``; the time stamp does not wrap around."""
        self._hear = hear
        self._unwrapper = _Unwrapper()
        self._seen: dict[int, None] = {}

    def add(self, packet: _Private) -> tuple[bool, None]:
        """Hand the packet over; ask for no keyframe and give no frame to decode."""
        if packet.sequence_number in self._seen:
            return False, None
        self._seen[packet.sequence_number] = None
        if len(self._seen) > 256:
            del self._seen[next(iter(self._seen))]
        self._hear(self._unwrapper.map(packet.timestamp), packet._data)
        return False, None


class _Unwrapper:
    """Time stamps without wrap-around; unlike aiortc's mapper it takes a step back for what it is."""

    def __init__(self) -> None:
        self._last: int | None = None

    def map(self, timestamp: int) -> int:
        """The time stamp without wrap-around: near the one before."""
        if self._last is None:
            self._last = timestamp
        step = (timestamp - self._last + _TIMESTAMPS // 2) % _TIMESTAMPS - _TIMESTAMPS // 2
        self._last += step
        return self._last


def hear_at_once(receiver: _Private, hear: Callable[[int, bytes], None]) -> None:
    """Let a receiver of audio call ``hear(timestamp, payload)`` for each packet as it comes; call before media flows."""
    assert hasattr(receiver, "_RTCRtpReceiver__jitter_buffer")
    receiver._RTCRtpReceiver__jitter_buffer = ImmediateBuffer(hear)


class PictureBuffer:
    """In place of aiortc's video jitter buffer: whole pictures are handed over, still encoded; nothing is decoded here.

    Order, repetition and putting together stay aiortc's work. A picture is whole when the next one begins.
    """

    def __init__(
        self,
        mime_type: Callable[[int], str],
        see: Callable[[str, float, bytes], None],
        clock: Callable[[], float],
    ) -> None:
        """``mime_type(payload_type)``; ``see(mime type, when its first packet came on the clock, data)``."""
        self._buffer: Any = JitterBuffer(capacity=PICTURE_PACKETS, is_video=True)
        self._mime_type = mime_type
        self._see = see
        self._clock = clock
        self._came: dict[int, float] = {}
        self.want_keyframe = False

    def add(self, packet: _Private) -> tuple[bool, None]:
        """Take a packet; returns whether a keyframe is to be asked for, and no frame to decode."""
        self._came.setdefault(packet.timestamp, self._clock())
        if len(self._came) > PICTURE_PACKETS:
            del self._came[next(iter(self._came))]
        ask, frame = self._buffer.add(packet)
        if frame is not None and frame.data:
            came_s = self._came.pop(frame.timestamp, self._clock())
            self._see(self._mime_type(packet.payload_type), came_s, frame.data)
        ask, self.want_keyframe = ask or self.want_keyframe, False
        return ask, None


def see_pictures(
    receiver: _Private, see: Callable[[str, float, bytes], None], clock: Callable[[], float] = time.monotonic
) -> PictureBuffer:
    """Let a receiver of video call ``see(mime type, time_s, data)`` for each whole picture; call before media flows.

    ``want_keyframe`` of what is returned asks for one with the next packet.
    """
    assert hasattr(receiver, "_RTCRtpReceiver__jitter_buffer")
    buffer = PictureBuffer(lambda number: str(receiver._RTCRtpReceiver__codecs[number].mimeType), see, clock)
    receiver._RTCRtpReceiver__jitter_buffer = buffer
    return buffer
