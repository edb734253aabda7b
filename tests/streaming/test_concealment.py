import numpy as np

from streaming.concealment import JOIN, Continuation, PcmDecoder, best_match, crossfade
from tests.streaming.voices import PACKET, likeness, packets_of, voice


def test_a_voice_goes_on_as_it_was() -> None:
    sound = voice(1.0)
    continuation = Continuation()
    continuation.heard(sound[:24_000])
    made = continuation.ahead(960)
    assert likeness(made.astype(np.int16), sound[24_000:24_960]) > 0.8


def test_what_follows_begins_without_a_step() -> None:
    rng = np.random.default_rng(3)
    for sound in (voice(0.5), rng.normal(0, 2000, 24_000).astype(np.int16)):
        steps = np.abs(np.diff(sound.astype(int))).max()
        continuation = Continuation()
        continuation.heard(sound)
        joined = np.concatenate([sound[-10:].astype(float), continuation.ahead(2000)])
        assert np.abs(np.diff(joined)).max() < 1.5 * steps


def test_pieces_of_what_follows_are_the_whole() -> None:
    continuation = Continuation()
    continuation.heard(voice(0.3))
    whole = continuation.ahead(1000)
    np.testing.assert_array_equal(
        np.concatenate([continuation.ahead(300), continuation.ahead(700, 300)]), whole
    )


def test_after_silence_follows_silence() -> None:
    continuation = Continuation()
    assert not continuation.ahead(500).any()
    continuation.heard(voice(0.1))
    continuation.silence()
    assert not continuation.ahead(500).any()


def test_the_best_match_is_found_whatever_its_level() -> None:
    sound = voice(0.2).astype(np.float32)
    within = sound[1000:4000].copy()
    within[2000:] *= 4.0  # loud, but not alike
    assert best_match(sound[1700:1940], within) == 700


def test_a_crossfade_begins_old_and_ends_new() -> None:
    mixed = crossfade(np.full(JOIN, 1000.0, np.float32), np.full(PACKET, -500, np.int16))
    assert abs(int(mixed[0]) - 1000) < 10
    assert (mixed[JOIN:] == -500).all()
    assert (np.diff(mixed.astype(int)) <= 0).all()
    assert len(crossfade(np.ones(JOIN, np.float32), np.ones(50, np.int16))) == 50


def test_plain_samples_come_out_as_they_went_in() -> None:
    decoder = PcmDecoder()
    for packet in packets_of(voice(0.2)):
        assert decoder.samples(packet.tobytes()) == PACKET
        np.testing.assert_array_equal(decoder.decode(packet.tobytes()), packet)


def test_a_lost_packet_of_plain_samples_is_hardly_heard() -> None:
    sound = voice(0.4)
    packets = list(packets_of(sound))
    decoder = PcmDecoder()
    heard = np.concatenate(
        [decoder.conceal(PACKET) if n == 10 else decoder.decode(p.tobytes()) for n, p in enumerate(packets)]
    )
    steps = np.abs(np.diff(sound.astype(int))).max()
    assert np.abs(np.diff(heard.astype(int))).max() < 1.3 * steps
    assert likeness(heard[10 * PACKET : 11 * PACKET], packets[10]) > 0.7
    np.testing.assert_array_equal(heard[11 * PACKET + JOIN :], sound[11 * PACKET + JOIN : len(heard)])
