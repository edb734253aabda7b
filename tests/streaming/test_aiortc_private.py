"""Each touch of aiortc's private parts still does what it is for."""

import struct
from typing import Any

import pytest
from aiortc import RTCPeerConnection, rtp
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpParameters,
)

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


async def test_a_receiver_hands_packets_over_at_once_and_once(connection: RTCPeerConnection) -> None:
    receiver: Any = connection.addTransceiver("audio").receiver
    heard: list[tuple[int, bytes]] = []
    private.hear_at_once(receiver, lambda timestamp, payload: heard.append((timestamp, payload)))
    buffer = receiver._RTCRtpReceiver__jitter_buffer
    given = [buffer.add(packet(n, n * 960)) for n in (10, 12, 11, 12, 13)]
    assert heard == [(n * 960, b"%d" % n) for n in (10, 12, 11, 13)]
    assert given == [(False, None)] * 5  # no keyframe is asked for, and nothing goes to aiortc's decoder


async def test_what_comes_over_the_transport_is_handed_over(connection: RTCPeerConnection) -> None:
    receiver: Any = connection.addTransceiver("audio").receiver
    heard: list[tuple[int, bytes]] = []
    private.hear_at_once(receiver, lambda timestamp, payload: heard.append((timestamp, payload)))
    opus = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48_000, channels=2, payloadType=111)
    receiver._RTCRtpReceiver__codecs[111] = opus
    arrived = rtp.RtpPacket(payload_type=111, sequence_number=5, timestamp=4800, payload=b"opus")
    await receiver._handle_rtp_packet(arrived, arrival_time_ms=0)
    assert heard == [(4800, b"opus")]


async def test_time_stamps_are_unwrapped_both_ways(connection: RTCPeerConnection) -> None:
    receiver: Any = connection.addTransceiver("audio").receiver
    heard: list[int] = []
    private.hear_at_once(receiver, lambda timestamp, payload: heard.append(timestamp))
    top = (1 << 32) - 960
    for number, timestamp in enumerate((top, 960, 0, 1920)):
        receiver._RTCRtpReceiver__jitter_buffer.add(packet(number, timestamp))
    assert heard == [top, top + 1920, top + 960, top + 2880]


async def test_answers_ask_for_copies_of_lost_packets(connection: RTCPeerConnection) -> None:
    private.ask_for_copies()
    offerer = RTCPeerConnection()
    try:
        offerer.addTransceiver("audio", "sendonly")
        await offerer.setLocalDescription(await offerer.createOffer())
        await connection.setRemoteDescription(offerer.localDescription)
        await connection.setLocalDescription(await connection.createAnswer())
        assert "useinbandfec=1" in connection.localDescription.sdp
    finally:
        await offerer.close()


async def test_pictures_are_handed_over_whole_with_the_time_of_their_first_packet(
    connection: RTCPeerConnection,
) -> None:
    receiver: Any = connection.addTransceiver("video").receiver
    seen: list[tuple[str, float, bytes]] = []
    now_s = [0.0]
    buffer = private.see_pictures(receiver, lambda *picture: seen.append(picture), lambda: now_s[0])
    vp8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96)
    receiver._RTCRtpReceiver__codecs[96] = vp8
    asked: list[int] = []

    async def send_pli(ssrc: int) -> None:
        asked.append(ssrc)

    receiver._send_rtcp_pli = send_pli

    async def arrives(number: int, timestamp: int, data: bytes) -> None:
        arrived = rtp.RtpPacket(payload_type=96, sequence_number=number, timestamp=timestamp, ssrc=7)
        arrived.payload = b"\x10" + data  # a VP8 payload descriptor without extensions
        now_s[0] += 0.01
        await receiver._handle_rtp_packet(arrived, arrival_time_ms=0)

    for number, timestamp in ((1, 0), (3, 0), (2, 0), (4, 3600)):  # in disorder
        await arrives(number, timestamp, b"%d" % number)
    assert seen == [("video/VP8", 0.01, b"123")]
    buffer.want_keyframe = True
    await arrives(5, 7200, b"5")
    assert seen[1:] == [("video/VP8", 0.04, b"4")]
    await arrives(6, 7200, b"6")
    assert asked == [7]  # once
    assert receiver._RTCRtpReceiver__decoder_queue.empty()
