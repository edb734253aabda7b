"""Each touch of aiortc's private parts still does what it is for."""

import struct
from typing import Any

import pytest
from aiortc import RTCPeerConnection, rtp
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters

from streaming import aiortc_private as private


@pytest.fixture
async def connection() -> Any:
    connection = RTCPeerConnection()
    yield connection
    await connection.close()


def packet(sequence: int, timestamp: int) -> rtp.RtpPacket:
    made = rtp.RtpPacket(sequence_number=sequence, timestamp=timestamp)
    made._data = b"%d" % sequence
    return made


def test_playout_delay_is_registered_once_under_its_own_number() -> None:
    private.register_playout_delay()
    private.register_playout_delay()
    uris = [extension.uri for extension in HEADER_EXTENSIONS["video"]]
    assert uris.count(private.PLAYOUT_DELAY_URI) == 1
    numbers = [e.id for kind in ("audio", "video") for e in HEADER_EXTENSIONS[kind]]
    assert numbers.count(HEADER_EXTENSIONS["video"][-1].id) == 1


async def test_every_packet_carries_the_playout_delay(connection: RTCPeerConnection) -> None:
    sender: Any = connection.addTransceiver("video").sender
    private.play_at_once(sender, low=2, high=5)
    mapping = sender._RTCRtpSender__rtp_header_extensions_map
    mapping.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(9, private.PLAYOUT_DELAY_URI),
                RTCRtpHeaderExtensionParameters(4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
            ]
        )
    )
    made = rtp.RtpPacket()
    made.extensions.mid = "0"
    data = made.serialize(mapping)
    profile, words = struct.unpack("!HH", data[12:16])
    assert dict(rtp.unpack_header_extensions(profile, data[16 : 16 + 4 * words])) == {
        9: bytes([0x00, 0x20, 0x05]),
        4: b"0",
    }


async def test_without_negotiation_packets_stay_as_they_were(connection: RTCPeerConnection) -> None:
    sender: Any = connection.addTransceiver("video").sender
    private.play_at_once(sender)
    plain = rtp.RtpPacket()
    assert plain.serialize(sender._RTCRtpSender__rtp_header_extensions_map) == plain.serialize()


async def test_picture_loss_reaches_the_callback(connection: RTCPeerConnection) -> None:
    sender: Any = connection.addTransceiver("video").sender
    asked: list[bool] = []
    private.on_keyframe_request(sender, lambda: asked.append(True))
    await sender._handle_rtcp_packet(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_PLI, 1, sender._ssrc))
    assert asked == [True]


async def test_bandwidth_and_loss_reach_their_callbacks(connection: RTCPeerConnection) -> None:
    sender: Any = connection.addTransceiver("video").sender
    bandwidth: list[int] = []
    loss: list[float] = []
    keyframes: list[bool] = []
    private.on_keyframe_request(sender, lambda: keyframes.append(True))
    private.on_network(sender, bandwidth.append, loss.append)
    for source in (sender._ssrc, sender._ssrc ^ 1):
        estimate = rtp.pack_remb_fci(500_000, [source])
        await sender._handle_rtcp_packet(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_APP, 1, 0, estimate))
        report = rtp.RtcpReceiverInfo(source, 64, 3, 10, 0, 0, 0)
        await sender._handle_rtcp_packet(rtp.RtcpRrPacket(1, [report]))
    await sender._handle_rtcp_packet(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_APP, 1, 0, b"nonsense"))
    await sender._handle_rtcp_packet(rtp.RtcpPsfbPacket(rtp.RTCP_PSFB_PLI, 1, sender._ssrc))
    assert (bandwidth, loss, keyframes) == ([500_000], [0.25], [True])


async def test_sender_reports_tell_media_time(connection: RTCPeerConnection) -> None:
    sender: Any = connection.addTransceiver("video").sender
    sent: list[Any] = []

    class Transport:
        async def _send_rtp(self, data: bytes) -> None:
            sent.extend(rtp.RtcpPacket.parse(data))

    sender.setTransport(Transport())
    begin = 1000 << 32
    reports = private.MediaTimeReports(sender, 90_000, begin)

    async def report(rtp_timestamp: int) -> None:
        info = rtp.RtcpSenderInfo(ntp_timestamp=7, rtp_timestamp=rtp_timestamp, packet_count=1, octet_count=1)
        await sender._send_rtcp([rtp.RtcpSrPacket(ssrc=1, sender_info=info)])

    await report(123)
    assert sent == []  # nothing is known yet
    origin = (1 << 32) - 5000  # wraps soon
    sender._RTCRtpSender__rtp_timestamp = (origin + 3600) % (1 << 32)
    reports.packet_sent(3600)
    await report((origin + 90_000 * 3) % (1 << 32))
    assert sent[0].sender_info.ntp_timestamp == begin + (3 << 32)
    assert sender._RTCRtpSender__lsr == ((begin + (3 << 32)) >> 16) & 0xFFFFFFFF


def test_both_media_share_one_clock() -> None:
    class Sender:
        _RTCRtpSender__rtp_timestamp = 0
        _RTCRtpSender__ntp_timestamp = 0
        _RTCRtpSender__lsr = None
        _RTCRtpSender__lsr_time = None

        async def _send_rtcp(self, packets: list[Any]) -> None: ...

    audio = private.MediaTimeReports(Sender(), 48_000, 5 << 32)
    video = private.MediaTimeReports(Sender(), 90_000, 5 << 32)
    audio.packet_sent(0)
    video.packet_sent(0)
    assert audio.media_ntp(48_000 * 7) == video.media_ntp(90_000 * 7) == 12 << 32


async def test_a_receiver_passes_packets_on_at_once_and_once(connection: RTCPeerConnection) -> None:
    receiver: Any = connection.addTransceiver("audio").receiver
    private.hear_at_once(receiver)
    buffer = receiver._RTCRtpReceiver__jitter_buffer
    given = [buffer.add(packet(n, n * 960)) for n in (10, 12, 11, 12, 13)]
    assert [frame.data if frame else None for _, frame in given] == [b"10", b"12", b"11", None, b"13"]
    assert not any(asked for asked, _ in given)


async def test_time_stamps_are_unwrapped_both_ways(connection: RTCPeerConnection) -> None:
    receiver: Any = connection.addTransceiver("audio").receiver
    private.hear_at_once(receiver)
    mapper = receiver._RTCRtpReceiver__timestamp_mapper
    top = (1 << 32) - 960
    assert [mapper.map(t) for t in (top, 960, 0, 1920)] == [top, top + 1920, top + 960, top + 2880]
