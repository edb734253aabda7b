from streaming.clock import MediaClock
from streaming.pacer import MAX_WAITING, FramePacer, ReadyFrame


def frame(number: int, generation: int = 0) -> ReadyFrame:
    return ReadyFrame(number, number % 8, generation, 0.0, {}, False, b"")


def pacer() -> tuple[FramePacer, list[int]]:
    freed: list[int] = []
    return FramePacer(MediaClock(0.0), 0.16, freed.append), freed


def test_frames_leave_in_order_on_their_deadlines() -> None:
    paced, freed = pacer()
    for number in range(3):
        paced.offer(frame(number))
    for number in range(3):
        now_s = 0.16 + number * 0.04 - 0.005
        assert paced.next_number(now_s) == number
        assert abs(paced.due(number) - 0.16 - number * 0.04) < 1e-9
        taken = paced.take(number)
        assert taken is not None and taken.number == number
    assert paced.counts.repeated == 0
    assert freed == []


def test_a_missing_frame_is_repeated() -> None:
    paced, freed = pacer()
    paced.offer(frame(0))
    paced.take(0)
    assert paced.take(1) is None
    assert (paced.counts.repeated, paced.counts.late, freed) == (1, 0, [])


def test_nothing_is_repeated_before_the_first_picture() -> None:
    paced, _ = pacer()
    assert paced.take(0) is None
    assert (paced.counts.sent, paced.counts.repeated) == (0, 0)
    paced.offer(frame(1))
    assert paced.take(1) is not None
    assert (paced.counts.sent, paced.counts.repeated) == (1, 0)


def test_a_frame_that_came_late_fills_the_next_hole_only() -> None:
    paced, freed = pacer()
    paced.offer(frame(0))
    for number in range(3):
        paced.take(number)
    assert not paced.offer(frame(1))
    assert not paced.offer(frame(2))
    filled = paced.take(3)
    assert filled is not None and filled.number == 2
    assert (paced.counts.repeated, paced.counts.late, paced.counts.dropped, freed) == (3, 1, 1, [1])
    paced.offer(frame(3))
    paced.offer(frame(4))
    taken = paced.take(4)
    assert taken is not None and taken.number == 4
    assert freed == [1, 3]
    assert paced.take(5) is None


def test_after_a_stall_numbers_are_passed_over_without_a_burst() -> None:
    paced, freed = pacer()
    paced.offer(frame(0))
    paced.take(0)
    for number in range(1, 10):
        paced.offer(frame(number))
    now_s = 0.16 + 7 * 0.04 + 0.001
    assert paced.next_number(now_s) == 7
    assert paced.take(7) is not None
    assert paced.counts.passed == 6
    assert freed == [1, 2, 3, 4, 5, 6]


def test_lateness_below_a_frame_passes_nothing_over() -> None:
    paced, _ = pacer()
    paced.offer(frame(0))
    paced.take(0)
    assert paced.next_number(0.16 + 0.04 + 0.039) == 1


def test_the_start_is_at_the_due_frame_and_counts_as_no_stall() -> None:
    paced, _ = pacer()
    assert paced.next_number(1.1601) == 25
    assert paced.counts.passed == 0


def test_waiting_frames_are_bounded_and_the_oldest_goes() -> None:
    paced, freed = pacer()
    for number in range(MAX_WAITING + 1):
        paced.offer(frame(number))
    assert freed == [0]
    assert not paced.ready(0)
    assert paced.ready(1)


def test_clear_drops_everything_of_the_old_generation() -> None:
    paced, freed = pacer()
    paced.offer(frame(3))
    generation = paced.clear()
    assert freed == [3]
    assert not paced.offer(frame(4, generation - 1))
    assert paced.offer(frame(5, generation))
    assert freed == [3, 4]
