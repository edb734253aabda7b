from streaming.clock import MediaClock


def test_samples_and_times_are_inverse() -> None:
    clock = MediaClock(100.0)
    for sample in (0, 1, 639, 640, 16_000 * 3600):
        assert clock.sample_at(clock.time_of(sample) + 1e-6) == sample


def test_before_the_origin_samples_are_negative() -> None:
    assert MediaClock(100.0).sample_at(100.0 - 0.5 / 16_000) == -1


def test_a_frame_is_due_one_budget_after_its_first_sample() -> None:
    assert MediaClock(10.0).frame_due(25, 0.16) == 10.0 + 1.0 + 0.16


def test_hold_moves_everything() -> None:
    clock = MediaClock(10.0)
    clock.hold(2.5)
    assert clock.time_of(0) == 12.5
