"""Each decoder against what was encoded; the libopus that PyAV brings must stay reachable."""

import numpy as np
import pytest

from streaming.concealment import SpeechDecoder
from streaming.opus import LibopusDecoder, PyavDecoder, load_libopus, open_decoder, packet_samples
from tests.streaming.voices import PACKET, OpusSender, bundled_speech, likeness, packets_of

LAG = 312
"""Samples by which Opus is late: the encoder's look-ahead, 6.5 ms."""


def libopus() -> SpeechDecoder:
    library = load_libopus()
    assert library is not None
    return LibopusDecoder(library)


DECODERS = pytest.mark.parametrize("new", [libopus, PyavDecoder])


def sent(*, loss_percent: int = 10) -> tuple[np.ndarray, list[bytes]]:
    sound = packets_of(bundled_speech()[48_000 : 48_000 * 4])
    sender = OpusSender(loss_percent=loss_percent)
    return sound, [sender.encode(packet) for packet in sound]


def test_the_wheel_brings_a_libopus_that_can_be_used() -> None:
    assert isinstance(open_decoder(), LibopusDecoder)


@DECODERS
def test_speech_comes_out_in_its_length(new: type) -> None:
    sound, payloads = sent()
    decoder: SpeechDecoder = new()
    heard = [decoder.decode(payload) for payload in payloads]
    assert {len(piece) for piece in heard} == {PACKET}
    assert [decoder.samples(payload) for payload in payloads] == [PACKET] * len(payloads)
    assert likeness(np.concatenate(heard)[LAG:], sound.ravel()[:-LAG]) > 0.8


@DECODERS
def test_a_lost_packet_is_made_up_and_speech_goes_on(new: type) -> None:
    _, payloads = sent()
    whole, lossy = new(), new()
    clean = np.concatenate([whole.decode(payload) for payload in payloads])
    heard = np.concatenate(
        [lossy.conceal(PACKET) if n % 20 == 7 else lossy.decode(p) for n, p in enumerate(payloads)]
    )
    assert len(heard) == len(clean)
    assert likeness(heard, clean) > 0.85
    assert np.abs(np.diff(heard.astype(int))).max() < 1.3 * np.abs(np.diff(clean.astype(int))).max()


def test_a_copy_in_the_next_packet_is_nearer_than_what_is_made_up() -> None:
    _, payloads = sent()
    whole, copied, made_up = libopus(), libopus(), libopus()
    clean, by_copy, by_guess = [], [], []
    for number, payload in enumerate(payloads):
        clean.append(whole.decode(payload))
        if number % 10 == 7 and copied.carries_copy(payloads[number + 1]):
            by_copy.append(copied.recover(payloads[number + 1], PACKET))
            by_guess.append(made_up.conceal(PACKET))
        else:
            by_copy.append(copied.decode(payload))
            by_guess.append(made_up.decode(payload))
    near, guessed = (likeness(np.concatenate(x), np.concatenate(clean)) for x in (by_copy, by_guess))
    assert near > 0.97
    assert near > guessed


def test_packets_say_whether_they_carry_a_copy() -> None:
    decoder = libopus()
    assert sum(map(decoder.carries_copy, sent(loss_percent=10)[1])) > 50
    assert not any(map(decoder.carries_copy, sent(loss_percent=0)[1]))


def test_any_length_can_be_made_up() -> None:
    _, payloads = sent()
    decoder = libopus()
    decoder.decode(payloads[50])
    assert [len(decoder.conceal(count)) for count in (1, 119, 120, 480, 961, 12_000)] == [
        1,
        119,
        120,
        480,
        961,
        12_000,
    ]


@DECODERS
@pytest.mark.parametrize("payload", [b"", b"\x03", b"\x03\x00", b"\xff" * 3, bytes([3, 63]) + b"x" * 40])
def test_damaged_packets_give_nothing_or_sound_and_never_fail(new: type, payload: bytes) -> None:
    decoder: SpeechDecoder = new()
    assert decoder.samples(payload) <= 5_760
    assert len(decoder.decode(payload)) <= 5_760
    assert len(decoder.conceal(PACKET)) == PACKET


def test_lengths_are_read_from_the_first_bytes() -> None:
    # RFC 6716, table 2: configurations 1 (SILK 20 ms), 3 (60 ms), 15 (hybrid 20 ms), 16 (CELT 2.5 ms), 31 (20 ms).
    lengths = {1: 960, 3: 2880, 15: 960, 16: 120, 31: 960}
    for config, samples in lengths.items():
        assert packet_samples(bytes([config << 3])) == samples
        assert packet_samples(bytes([config << 3 | 1])) == 2 * samples
    assert packet_samples(bytes([31 << 3 | 3, 3])) == 3 * 960
    assert packet_samples(bytes([31 << 3 | 3, 7])) == 0  # more than 120 ms
