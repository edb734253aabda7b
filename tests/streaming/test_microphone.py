import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.concealment import JOIN, PcmDecoder
from streaming.microphone import CAPACITY, ENOUGH, FADED, FAR_SPAN, LOUD_WAIT, MOST_PACKETS, MicrophoneBuffer
from tests.streaming.voices import voice

PACKET = 960
FAR = 10**9


def packet(value: int = 1000) -> NDArray[np.int16]:
    return np.full(PACKET, value, np.int16)


class Microphone:
    """A buffer, its one sender, and what came out so far."""

    def __init__(self) -> None:
        self.buffer = MicrophoneBuffer()
        self.decoder = PcmDecoder()
        self.heard = np.zeros(0, np.int16)

    def add(self, number: int, position: int, samples: NDArray[np.int16] | int = 1000) -> None:
        sound = samples if isinstance(samples, np.ndarray) else packet(samples)
        self.buffer.add(
            5_000 + number * PACKET, sound.tobytes(), self.decoder, position=position, now_s=position / 48_000
        )

    def take(self, *, limit: int = FAR, overtaken: int = -FAR, given_up: int = -FAR) -> NDArray[np.int16]:
        taken = self.buffer.take(len(self.heard), limit, overtaken, given_up)
        self.heard = np.concatenate([self.heard, taken])
        return taken

    def run(self, number: int, position: int, samples: NDArray[np.int16] | int = 1000) -> None:
        """Add a packet and take what there is, as a session does."""
        self.add(number, position, samples)
        self.take(limit=position + 4_800, overtaken=position - 480, given_up=position - 2_880)


def test_the_first_packet_lies_where_the_clock_stands() -> None:
    microphone = Microphone()
    microphone.add(0, 4800)
    assert len(microphone.take()) == 0
    assert len(microphone.take(overtaken=1)) == 4800 + PACKET
    assert not microphone.heard[:4800].any()
    assert (microphone.heard[4800 + JOIN :] == 1000).all()


def test_jitter_does_not_move_later_packets() -> None:
    microphone = Microphone()
    for number, late in enumerate((0, 300, -200, 700)):
        microphone.add(number, number * PACKET + late, number + 1)
    microphone.take()
    assert [int(v) for v in microphone.heard[JOIN::PACKET]] == [1, 2, 3, 4]


def test_packets_out_of_order_find_their_place() -> None:
    microphone = Microphone()
    for number in (0, 2, 1, 3):
        microphone.add(number, max(number, 2) * PACKET if number else 0, number + 1)
    microphone.take()
    assert [int(v) for v in microphone.heard[JOIN::PACKET]] == [1, 2, 3, 4]


def test_a_missing_packet_is_waited_for_then_made_up() -> None:
    microphone = Microphone()
    for number in (0, 2):
        microphone.add(number, number * PACKET)
    assert len(microphone.take(overtaken=PACKET)) == PACKET
    assert len(microphone.take(overtaken=PACKET + 1)) == 2 * PACKET
    assert microphone.buffer.concealed == PACKET
    assert np.abs(microphone.heard[JOIN:].astype(int) - 1000).max() <= 1


def test_with_nothing_to_come_sound_fades_away() -> None:
    microphone = Microphone()
    sound = voice(1.0)
    for number in range(10):
        microphone.add(number, number * PACKET, sound[number * PACKET : (number + 1) * PACKET])
    microphone.take(given_up=20 * PACKET)
    made = np.abs(microphone.heard[10 * PACKET :].astype(int))
    assert made[:PACKET].max() > 0.7 * np.abs(sound[9 * PACKET : 10 * PACKET].astype(int)).max()
    assert not made[FADED:].any()
    steps = np.abs(np.diff(sound[: 10 * PACKET].astype(int))).max()
    assert np.abs(np.diff(microphone.heard.astype(int))).max() < 1.3 * steps


def test_what_comes_after_its_time_is_cut_and_joined() -> None:
    microphone = Microphone()
    sound = voice(1.0)
    pieces = sound.reshape(-1, PACKET)
    for number in range(10):
        microphone.add(number, number * PACKET, pieces[number])
    microphone.take(given_up=10 * PACKET + 480)
    microphone.add(10, 10 * PACKET + 480, pieces[10])
    microphone.take()
    assert microphone.buffer.late_packets == 1
    assert len(microphone.heard) == 11 * PACKET
    np.testing.assert_array_equal(microphone.heard[10 * PACKET + 480 + JOIN :], pieces[10][480 + JOIN :])
    assert (
        np.abs(np.diff(microphone.heard.astype(int))).max() < 1.3 * np.abs(np.diff(sound.astype(int))).max()
    )


def test_a_packet_that_comes_twice_is_heard_once() -> None:
    microphone = Microphone()
    for number in (0, 1, 1, 2, 0):
        microphone.run(number, number * PACKET, number + 1)
    assert [int(v) for v in microphone.heard[JOIN::PACKET]] == [1, 2, 3]


def test_a_jump_of_the_time_stamps_is_followed_soon() -> None:
    microphone = Microphone()
    microphone.run(0, 0)
    last = 2 + FAR_SPAN // PACKET
    for number in range(1, last + 1):
        microphone.run(number + 500, number * PACKET, 2000)
    assert microphone.buffer.placements == 2
    assert len(microphone.heard) == (last + 1) * PACKET
    assert (microphone.heard[last * PACKET + JOIN :] == 2000).all()


def test_one_wild_packet_moves_nothing() -> None:
    microphone = Microphone()
    for number in range(20):
        microphone.run(number + (10_000 if number == 7 else 0), number * PACKET)
    assert microphone.buffer.placements == 1
    assert len(microphone.heard) == 20 * PACKET


def test_a_burst_after_a_stall_moves_nothing() -> None:
    microphone = Microphone()
    for number in range(40):
        microphone.run(number, PACKET * (20 if 10 <= number < 20 else number), number + 100)
    assert microphone.buffer.placements == 1
    assert microphone.buffer.corrections == 0
    assert len(microphone.heard) == 40 * PACKET
    assert (microphone.heard[21 * PACKET + JOIN :: PACKET] == np.arange(121, 140)).all()


def test_another_sender_begins_anew() -> None:
    microphone = Microphone()
    microphone.run(0, 0)
    microphone.decoder = PcmDecoder()
    microphone.run(700, PACKET, 2000)
    assert microphone.buffer.placements == 2
    assert (microphone.heard[PACKET + JOIN :] == 2000).all()


def test_memory_is_bounded() -> None:
    microphone = Microphone()
    microphone.run(0, 0)
    for number in range(1, 200):
        microphone.add(number, PACKET)
    microphone.take()
    assert CAPACITY < len(microphone.heard) <= CAPACITY + 2 * PACKET
    for number in range(1000):
        microphone.add(number, number * PACKET)
    assert len(microphone.buffer._waiting) <= MOST_PACKETS


@pytest.mark.parametrize("late", [960, -960])
@pytest.mark.parametrize("loud", [False, True])
def test_the_placement_follows_a_change_of_delay(late: int, loud: bool) -> None:
    microphone = Microphone()
    sound = voice(4.0, peak=8000.0 if loud else 40.0).reshape(-1, PACKET)
    corrected = None
    for number in range(150):
        microphone.run(number, number * PACKET + (late if number >= 50 else 0), sound[number])
        if corrected is None and microphone.buffer.corrections:
            corrected = number
    assert corrected is not None
    waited = LOUD_WAIT // PACKET if loud else 0
    assert corrected <= 50 + 50 + waited  # within a window of packets, and the wait for a quiet moment
    assert abs(microphone.buffer.lead_ms) <= 5.0
    assert microphone.buffer.placements == 1
    steps = np.abs(np.diff(sound.ravel().astype(int))).max()
    assert np.abs(np.diff(microphone.heard.astype(int))).max() < 1.3 * steps


def test_small_jitter_is_left_alone() -> None:
    microphone = Microphone()
    rng = np.random.default_rng(5)
    for number in range(300):
        microphone.run(number, number * PACKET + int(rng.integers(-150, 150)), 10)
    assert microphone.buffer.corrections == 0
    assert len(microphone.buffer._leads) > ENOUGH


def test_silence_is_noticed() -> None:
    buffer = Microphone()
    assert not buffer.buffer.active(0.0)
    buffer.add(0, 48_000)
    assert buffer.buffer.active(1.1)
    assert not buffer.buffer.active(1.3)
