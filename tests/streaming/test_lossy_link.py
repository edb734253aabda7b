"""A call over a bad network: nothing is lost in time, speech goes on, and delay goes back to what it was."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.concealment import PcmDecoder, SpeechDecoder
from streaming.opus import PyavDecoder, open_decoder
from tests.streaming.lossy_link import LossyCall, LossyLink
from tests.streaming.voices import PACKET, RATE, OpusSender, bundled_speech, packets_of, voice

SECONDS = 8
START = 0.03
"""Where the first sample lies: it is sent when 20 ms are full, and the link takes 10 ms."""

DECODERS = pytest.mark.parametrize("new_decoder", [open_decoder, PyavDecoder])


@cache
def sent() -> tuple[list[bytes], NDArray[np.int16]]:
    """Packets of speech, and what comes out when all of them arrive."""
    sender, decoder = OpusSender(loss_percent=5), open_decoder()
    payloads = [sender.encode(packet) for packet in packets_of(bundled_speech("long.wav")[: SECONDS * RATE])]
    return payloads, np.concatenate([decoder.decode(payload) for payload in payloads])


def delays(heard: NDArray[np.int16], clean: NDArray[np.int16]) -> list[tuple[float, float, float]]:
    """For each half second of speech: when it was said, how much later it is heard, and how alike it is."""
    window, most, found = RATE // 2, RATE // 4, []
    for begin in range(0, len(clean) - window, window):
        pattern = clean[begin : begin + window].astype(np.float64)
        if np.sqrt(np.mean(pattern**2)) < 300 or begin + window + most > len(heard):
            continue
        field = heard[begin : begin + window + most].astype(np.float64)
        size = 2 * len(field)
        products = np.fft.irfft(np.fft.rfft(field, size) * np.conj(np.fft.rfft(pattern, size)))[:most]
        sums = np.concatenate([[0.0], np.cumsum(field * field)])
        likeness = products / np.sqrt((sums[window:] - sums[:-window])[:most] * (pattern @ pattern) + 1.0)
        best = int(np.argmax(likeness))
        found.append((begin / RATE, best / RATE, float(likeness[best])))
    return found


def largest_step(samples: NDArray[np.int16]) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


def test_a_perfect_link_changes_nothing() -> None:
    payloads, clean = sent()
    call = LossyCall(LossyLink(), open_decoder)
    heard = call.run(iter(payloads))
    begin = int(START * RATE)
    np.testing.assert_array_equal(heard[begin + 240 : begin + len(clean) - PACKET], clean[240:-PACKET])
    assert call.line.microphone.corrections == 0


@DECODERS
def test_one_lost_packet_leaves_no_delay(new_decoder: type) -> None:
    payloads, clean = sent()
    call = LossyCall(LossyLink(lost=frozenset({150})), new_decoder)
    heard = call.run(iter(payloads))
    assert max(abs(delay - START) for _, delay, _ in delays(heard, clean)) < 0.001
    assert call.line.microphone.corrections == 0
    after = int((START + 3.5) * RATE)
    offset = int(START * RATE)
    rest = heard[after : offset + len(clean) - PACKET].astype(float)
    np.testing.assert_allclose(rest, clean[after - offset : -PACKET], atol=1500)  # decoders converge, slowly
    assert max(call.waits[10:]) <= 0.035  # of 20 ms, one packet, and a turn


@pytest.mark.parametrize("jitter_s", [0.0, 0.02, 0.04])
@DECODERS
def test_with_five_percent_lost_and_jitter_speech_goes_on(new_decoder: type, jitter_s: float) -> None:
    payloads, clean = sent()
    link = LossyLink(loss=0.05, jitter_s=jitter_s, repeated=0.02)
    call = LossyCall(link, new_decoder)
    heard = call.run(iter(payloads))
    buffer = call.line.microphone
    assert link.dropped > 10
    # Nothing is lost or gained in time.
    assert abs(len(heard) / RATE - SECONDS - START) < jitter_s + 0.035  # the last packets are under way
    found = delays(heard, clean)
    assert all(START - 0.005 <= delay <= START + jitter_s + 0.005 for _, delay, _ in found)
    # What is made up is what was lost, and little more for packets that came too late.
    made_up = buffer.concealed + buffer.recovered
    assert made_up <= PACKET * (link.dropped + 0.03 * len(payloads)) + START * RATE
    if new_decoder is open_decoder:
        assert buffer.recovered > 0.4 * PACKET * link.dropped
    # It sounds like what was said, and does not click.
    assert np.median([likeness for _, _, likeness in found]) > 0.85
    assert largest_step(heard) < 1.3 * largest_step(clean)
    assert max(call.waits[10:]) < 0.062 + jitter_s


def test_copies_in_later_packets_serve_better_than_the_waveform() -> None:
    payloads, clean = sent()

    def likeness(new: type) -> float:
        return float(
            np.mean([a for _, _, a in delays(LossyCall(LossyLink(loss=0.1), new).run(iter(payloads)), clean)])
        )

    assert likeness(open_decoder) > likeness(PyavDecoder)


def trouble(begin_s: float, end_s: float, most_s: float, *, even: bool) -> LossyLink:
    """A link that is worse for a while: later by ``most_s``, or by anything up to that."""
    random = np.random.default_rng(7)
    return LossyLink(
        extra_s=lambda sent_s: (
            (float(random.uniform(0, most_s)) if even else most_s) if begin_s <= sent_s < end_s else 0.0
        )
    )


@pytest.mark.parametrize(
    "link", [trouble(2, 4, 0.1, even=False), trouble(2, 4, 0.06, even=True), trouble(2, 2.2, 0.2, even=False)]
)
@pytest.mark.parametrize("pauses", [True, False])
def test_added_delay_is_gone_within_two_seconds(link: LossyLink, pauses: bool) -> None:
    payloads, clean = sent()
    if not pauses:  # a voice without a quiet moment to correct in
        clean = voice(SECONDS)
        payloads = [packet.tobytes() for packet in packets_of(clean)]
    decoder: type[SpeechDecoder] = open_decoder if pauses else PcmDecoder  # type: ignore[assignment]
    call = LossyCall(link, decoder)
    heard = call.run(iter(payloads))
    late = [(when_s, lead_ms) for when_s, lead_ms in call.leads if when_s > 6.0]
    assert max(abs(lead_ms) for _, lead_ms in late) <= 10.5
    found = [delay for said_s, delay, likeness in delays(heard, clean) if said_s >= 6.0 and likeness > 0.9]
    assert found
    if pauses:  # a steady voice is like itself a period later, so its delay is only in the leads
        assert max(abs(delay - START) for delay in found) < 0.012
    assert largest_step(heard) < 1.3 * largest_step(clean)


@pytest.mark.parametrize("skew", [2e-3, -2e-3])
def test_a_clock_that_is_off_adds_no_delay(skew: float) -> None:
    """2000 parts in a million, twenty times what a bad sound card has, so that a minute is enough."""
    quiet = np.concatenate([voice(1.5), voice(0.5, peak=40.0)])
    payloads = [packet.tobytes() for packet in packets_of(np.tile(quiet, 30))]
    call = LossyCall(LossyLink(jitter_s=0.004), PcmDecoder, skew=skew)
    heard = call.run(iter(payloads))
    assert abs(len(heard) / RATE - len(payloads) * 0.02 / (1 + skew) - START) < 0.05
    settled = [lead_ms for when_s, lead_ms in call.leads if when_s > 3.0]
    assert -12.0 < min(settled) and max(settled) < 15.0
    drift_ms = len(payloads) * 20 * abs(skew)
    assert drift_ms / 15 <= call.line.microphone.corrections <= drift_ms / 2.5
    assert call.line.microphone.placements == 1
    assert largest_step(heard) < 1.3 * largest_step(quiet)
