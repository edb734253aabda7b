from fractions import Fraction

import av
import numpy as np

from streaming.encoder import AudioEncoder, VideoEncoder
from tests.streaming.fake_engine import draw, read_number

SIZE = 256


def nal_types(data: bytes) -> list[int]:
    return [part[0] & 0x1F for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]


def decode(packets: list[bytes], codec: str = "h264") -> list[np.ndarray]:
    decoder = av.CodecContext.create(codec, "r")
    frames = [frame for data in packets for frame in decoder.decode(av.Packet(data))]
    frames += decoder.decode(None)
    return [frame.to_ndarray()[:SIZE] for frame in frames]


def test_every_picture_is_one_packet_that_decodes_to_it() -> None:
    encoder = VideoEncoder(SIZE)
    packets = [encoder.encode(draw(SIZE, number, 0.5, 128), number) for number in range(30)]
    assert [packet.pts for packet in packets] == [3600 * number for number in range(30)]
    assert all(packet.time_base == Fraction(1, 90_000) for packet in packets)
    assert [read_number(luma) for luma in decode([bytes(p) for p in packets])] == list(range(30))


def test_keyframes_come_first_and_on_request_with_their_parameters() -> None:
    encoder = VideoEncoder(SIZE)
    packets = [
        encoder.encode(draw(SIZE, number, 0.5, 128), number, keyframe=number == 12) for number in range(20)
    ]
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 12]
    for number in (0, 12):
        types = [kind for kind in nal_types(bytes(packets[number])) if kind != 6]  # 6: x264's own remarks
        assert types == [7, 8, 5]
    assert all(nal_types(bytes(p)) == [1] for p in packets if not p.is_keyframe)
    assert read_number(decode([bytes(p) for p in packets[12:]])[0]) == 12


def test_the_profile_is_one_that_browsers_negotiate() -> None:
    packet = bytes(VideoEncoder(512).encode(draw(512, 0, 0.0, 128), 0))
    profile, constraints, level = packet[packet.index(b"\x67") + 1 :][:3]
    assert (profile, level) == (0x42, 0x1F)
    assert constraints & 0x40  # constrained baseline, which both 42001f and 42e01f decode


def test_a_repetition_is_the_same_picture_and_small() -> None:
    encoder = VideoEncoder(SIZE)
    packets = [bytes(encoder.encode(draw(SIZE, 77, 0.5, 128), 0))]
    packets += [bytes(encoder.encode(draw(SIZE, 77, 0.5, 128), number)) for number in range(1, 6)]
    assert [read_number(luma) for luma in decode(packets)] == [77] * 6
    assert len(packets[-1]) < 400


def test_the_bitrate_follows_the_network_without_a_keyframe() -> None:
    rng = np.random.default_rng(0)
    encoder = VideoEncoder(SIZE)

    def size_of_50(first: int) -> int:
        total = 0
        for number in range(first, first + 50):
            picture = rng.integers(0, 255, (SIZE * 3 // 2, SIZE)).astype(np.uint8)
            packet = encoder.encode(picture, number)
            assert not packet.is_keyframe or number == 0
            total += packet.size
        return total

    size_of_50(0)
    rich = size_of_50(50)
    encoder.set_bitrate(320_000)
    size_of_50(100)
    poor = size_of_50(150)
    assert poor < 0.7 * rich


def test_sound_goes_in_and_comes_out_by_number() -> None:
    encoder, decoder = AudioEncoder(), av.CodecContext.create("libopus", "r")
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)
    heard = []
    for block in range(50):
        packet = encoder.encode(tone[block * 960 :][:960], 4800 + block * 960)
        assert packet.pts == 4800 + block * 960
        assert packet.time_base == Fraction(1, 48_000)
        for frame in decoder.decode(av.Packet(bytes(packet))):
            heard.append(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])
    sound = np.concatenate(heard).astype(np.float64)
    scale = 1.0 if np.abs(sound).max() <= 1.0 else 32768.0
    spectrum = np.abs(np.fft.rfft(sound[4800:43_200]))
    assert abs(np.argmax(spectrum) * 48_000 / 38_400 - 440) < 3
    assert 0.2 < np.abs(sound[4800:43_200]).max() / scale < 0.35


def test_vp8_for_those_without_h264() -> None:
    encoder = VideoEncoder(SIZE, "vp8")
    packets = [
        encoder.encode(draw(SIZE, number, 0.5, 128), number, keyframe=number == 12) for number in range(20)
    ]
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 12]
    assert [read_number(luma) for luma in decode([bytes(p) for p in packets], "vp8")] == list(range(20))
    encoder.set_bitrate(300_000)
    assert encoder.encode(draw(SIZE, 20, 0.5, 128), 20).is_keyframe  # a new encoder
