import numpy as np
from numpy.typing import NDArray

from streaming.clock import MediaClock
from streaming.concealment import JOIN
from streaming.timeline import DRAIN_S, EDGE, FADE, HISTORY, MAX_WAIT_S, AudioTimeline, to_int16


def timeline() -> AudioTimeline:
    return AudioTimeline(MediaClock(0.0))


def ramp(samples: int) -> NDArray[np.int16]:
    """Output sound whose every value is its own number plus one, at 48 kHz."""
    return (np.arange(3 * samples) % 30_000 + 1).astype(np.int16)


def test_without_any_source_there_is_silence_as_long_as_time() -> None:
    line = timeline()
    total = sum(len(line.advance(now / 1000)) for now in range(0, 1001, 7))
    assert total == line.head == 1000 * 16 - (1000 - 994) * 16
    assert not line.read(0, line.head).any()


def test_speech_is_played_from_now_on_and_numbered_alike_at_both_rates() -> None:
    line = timeline()
    line.advance(0.5)
    line.play(ramp(1600))
    analysis = [line.advance(0.5 + step / 100) for step in range(1, 21)]
    assert line.head == 16_000 * 7 // 10
    np.testing.assert_array_equal(line.read(8000, 1600)[EDGE:-EDGE], ramp(1600)[EDGE:-EDGE])
    assert not line.read(9600, 100).any()
    loudest = int(np.argmax(np.concatenate(analysis)))
    assert abs(loudest - 1600) < 20  # the ramp is loudest at its end


def test_speech_has_the_word_before_the_microphone() -> None:
    line = timeline()
    line.play(np.full(4800, 7, np.int16))
    for number in range(10):
        line.hear(number * 960, np.full(960, 900, np.int16), number * 0.02)
        line.advance(number * 0.02 + 0.02)
    line.advance(0.4)
    heard = line.read(0, 3200)
    assert (heard[EDGE : 4800 - EDGE] == 7).all()
    assert (heard[4800 + JOIN :] == 900).all()


def test_a_late_packet_is_waited_for_then_replaced() -> None:
    line = timeline()
    line.hear(0, np.full(960, 900, np.int16), 0.0)
    line.advance(0.02)
    assert line.head == 320
    line.advance(0.02 + MAX_WAIT_S - 0.005)
    assert line.head == 320
    line.hear(960, np.full(960, 900, np.int16), 0.02 + MAX_WAIT_S - 0.005)
    line.advance(0.02 + MAX_WAIT_S - 0.004)
    assert line.head == 640
    assert line.gap_samples == 0


def test_a_lost_packet_is_made_up_in_its_own_length() -> None:
    line = timeline()
    for number in range(20):
        if number != 8:
            line.hear(number * 960, np.full(960, 900, np.int16), number * 0.02)
        line.advance(number * 0.02)
    heard = line.read(0, 19 * 320)
    assert np.abs(heard[JOIN:].astype(int) - 900).max() <= 1
    assert line.head == 20 * 320
    assert line.gap_samples == 320


def test_a_microphone_that_comes_late_in_the_session_is_heard_at_once() -> None:
    line = timeline()
    line.advance(20.0)
    for number in range(10):
        line.hear(number * 960, np.full(960, 900, np.int16), 20.0 + number * 0.02)
        line.advance(20.0 + number * 0.02)
    heard = line.read(20 * 16_000, 10 * 320)
    assert (heard[JOIN:] == 900).all()


def test_clear_silences_what_was_not_sent_and_forgets_the_rest() -> None:
    line = timeline()
    line.play(np.full(48_000, 5000, np.int16))
    line.advance(0.5)
    line.clear(from_sample=6400)
    line.advance(1.0)
    heard = line.read(0, 16_000)
    assert (heard[EDGE : 6400 * 3] == 5000).all()
    assert not heard[6400 * 3 + 240 :].any()
    assert line.queued_seconds == 0.0


def test_clear_touches_no_more_than_is_kept_however_far_back_it_begins() -> None:
    line = timeline()
    line.play(np.full(48_000 * 60, 5000, np.int16))
    for second in range(1, 11):
        line.advance(float(second))
    line.clear(from_sample=0)
    assert not line.read(line.head - HISTORY, HISTORY)[FADE:].any()
    assert line.read(line.head - HISTORY, 1).any()  # the fade begins where what is kept begins


def test_speech_in_pieces_goes_on_without_a_seam_and_a_hole_does_not_click() -> None:
    line = timeline()
    wave = (8000 * np.sin(np.arange(9600) / 20)).astype(np.int16)
    for piece in np.split(wave[:4800], [9, 960, 4002]):
        line.play(piece)
    begin = line.next_speech
    line.advance(0.15)  # runs dry
    assert line.next_speech == 3 * line.head == 7200
    line.play(wave[4800:])
    line.advance(0.150_3)  # a few samples first
    line.advance(0.3)
    heard = line.read(0, 4800).astype(int)
    assert begin == 4800
    np.testing.assert_array_equal(heard[EDGE : 4800 - EDGE], wave[EDGE : 4800 - EDGE])
    assert not heard[4800:7200].any()
    np.testing.assert_array_equal(heard[7200 + EDGE : 12_000 - EDGE], wave[4800 + EDGE : -EDGE])
    assert np.abs(np.diff(heard[100:])).max() <= np.abs(np.diff(wave.astype(int))).max() + 8000 // EDGE + 1


def test_long_speech_is_queued_without_a_copy() -> None:
    line = timeline()
    sound = np.full(48_000, 5000, np.int16)
    line.play(sound)
    line.play(sound[:-1])
    whole, padded = line._speech
    assert np.shares_memory(whole, sound)
    assert len(padded) == 48_000 and padded[-1] == 0


def test_floats_become_sound_and_what_is_beyond_is_clipped() -> None:
    given = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    sound = to_int16(given)
    assert sound.dtype == np.int16
    assert sound.tolist() == [-32767, -32767, 0, 16383, 32767, 32767]
    assert given[0] == -2.0


def test_the_past_beyond_the_history_is_silence() -> None:
    line = timeline()
    line.play(np.full(48_000 * 6, 5000, np.int16))
    for second in range(1, 7):
        line.advance(float(second))
    assert not line.read(0, 320).any()
    assert line.read(line.head - 320, 320).all()


def test_after_a_stall_of_the_process_packets_are_read_before_anything_is_made_up() -> None:
    line = timeline()
    for number in range(20):
        line.hear(number * 960, np.full(960, 900, np.int16), number * 0.02)
        line.advance(number * 0.02)
        line.advance(number * 0.02 + 0.01)
    back_s = 20 * 0.02 + 0.25  # a quarter of a second in which nothing was read
    line.advance(back_s)
    for number in range(20, 33):
        read_s = back_s + 0.0005 * (number - 19)
        line.hear(number * 960, np.full(960, 900, np.int16), read_s)
        line.advance(read_s)
    line.advance(back_s + DRAIN_S + 0.001)
    assert line.gap_samples == 0
    assert line.head == 33 * 320
    assert (line.read(0, line.head)[JOIN:] == 900).all()


def test_a_microphone_that_stopped_while_the_process_stood_still_is_made_up_and_ends() -> None:
    line = timeline()
    for number in range(20):
        line.hear(number * 960, np.full(960, 900, np.int16), number * 0.02)
        line.advance(number * 0.02 + 0.01)
    line.advance(0.75)
    assert line.head == 20 * 320
    line.advance(0.75 + DRAIN_S + 0.001)
    assert line.head >= 0.75 * 16_000
