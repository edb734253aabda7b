import numpy as np
from numpy.typing import NDArray

from streaming.microphone import CAPACITY, RUN, WINDOW, MicrophoneBuffer

PACKET = 960


def packet(value: int = 1000) -> NDArray[np.int16]:
    return np.full(PACKET, value, np.int16)


def add(buffer: MicrophoneBuffer, number: int, position: int, *, head: int = 0, value: int = 1000) -> None:
    buffer.add(5_000 + number * PACKET, packet(value), head=head, position=position, now_s=position / 48_000)


def test_the_first_packet_lies_where_the_clock_stands() -> None:
    buffer = MicrophoneBuffer()
    add(buffer, 0, 4800)
    assert len(buffer.take(4797, 10_000)) == 0
    assert len(buffer.take(4800, 10_000)) == PACKET


def test_jitter_does_not_move_later_packets() -> None:
    buffer = MicrophoneBuffer()
    for number, late in enumerate((0, 300, -200, 700)):
        add(buffer, number, number * PACKET + late, value=number + 1)
    taken = buffer.take(0, 10_000)
    assert [int(v) for v in taken[::PACKET]] == [1, 2, 3, 4]


def test_packets_out_of_order_find_their_place() -> None:
    buffer = MicrophoneBuffer()
    for number in (0, 2, 1, 3):
        add(buffer, number, max(number, 2) * PACKET if number else 0, value=number + 1)
    assert [int(v) for v in buffer.take(0, 10_000)[::PACKET]] == [1, 2, 3, 4]


def test_a_lost_packet_is_a_hole_and_nothing_else() -> None:
    buffer = MicrophoneBuffer()
    for number in (0, 2):
        add(buffer, number, number * PACKET)
    assert len(buffer.take(0, 10_000)) == PACKET
    assert buffer.next_filled(PACKET, 10_000) == 2 * PACKET
    assert len(buffer.take(2 * PACKET, 10_000)) == PACKET


def test_what_comes_after_its_time_is_cut() -> None:
    buffer = MicrophoneBuffer()
    add(buffer, 0, 0)
    add(buffer, 1, PACKET + 1200, head=PACKET + 300)
    assert buffer.late_packets == 1
    assert len(buffer.take(PACKET + 300, 10_000)) == PACKET - 300


def test_a_jump_of_the_time_stamps_is_followed_after_a_run() -> None:
    buffer = MicrophoneBuffer()
    add(buffer, 0, 0)
    for number in range(1, RUN + 1):
        add(buffer, number + 500, number * PACKET)
    assert buffer.placements == 2
    assert len(buffer.take(RUN * PACKET, CAPACITY)) == PACKET


def test_one_wild_packet_moves_nothing() -> None:
    buffer = MicrophoneBuffer()
    for number in range(20):
        add(buffer, number + (10_000 if number == 7 else 0), number * PACKET)
    assert buffer.placements == 1


def drift(buffer: MicrophoneBuffer, late: int, value: int) -> None:
    add(buffer, 0, 0, value=value)
    for number in range(1, WINDOW + 20):
        add(buffer, number, number * PACKET + late, value=value, head=max(0, (number - 10) * PACKET))


def test_drift_is_corrected_in_a_quiet_moment_only() -> None:
    loud, quiet = MicrophoneBuffer(), MicrophoneBuffer()
    drift(loud, 960, value=5000)
    drift(quiet, 960, value=10)
    assert loud.placements == 1
    assert quiet.placements == 2
    assert abs(quiet.lead_ms) < 1.0
    assert abs(loud.lead_ms + 20.0) < 1.0


def test_silence_is_noticed() -> None:
    buffer = MicrophoneBuffer()
    assert not buffer.active(0.0)
    add(buffer, 0, 48_000)
    assert buffer.active(1.1)
    assert not buffer.active(1.3)
