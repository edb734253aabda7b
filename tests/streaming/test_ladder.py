from streaming.ladder import CALM_S, INCIDENTS_DOWN, LONG_RUN, WINDOW, Ladder, Level


class Driver:
    """Feeds a ladder 25 frames a second in virtual time."""

    def __init__(self) -> None:
        self.ladder = Ladder()
        self.now_s = 0.0

    def feed(self, slack_ms: float | None, frames: int = 1) -> Level:
        for _ in range(frames):
            self.now_s += 0.04
            self.ladder.add(slack_ms, self.now_s)
        return self.ladder.level

    def trouble(self) -> Level:
        for _ in range(INCIDENTS_DOWN):
            self.feed(-3.0)
            self.feed(20.0)
        return self.ladder.level

    def overload(self, late: float = 0.5) -> Level:
        """A window in which this share of the frames is late."""
        for frame in range(WINDOW):
            self.feed(-3.0 if int((frame + 1) * late) > int(frame * late) else 20.0)
        return self.ladder.level


def test_good_frames_keep_full_quality() -> None:
    assert Driver().feed(20.0, 5000) == Level.FULL


def test_one_stall_costs_nothing() -> None:
    driver = Driver()
    driver.feed(20.0, 50)
    assert driver.feed(None, 10) == Level.FULL
    assert driver.feed(20.0, 100) == Level.FULL


def test_repeated_trouble_costs_one_level_at_a_time() -> None:
    driver = Driver()
    assert driver.trouble() == Level.NO_SUPERSAMPLING
    assert driver.overload() == Level.HALF_RATE
    assert driver.overload() == Level.REPEAT
    assert driver.overload() == Level.REPEAT


def test_networks_are_given_up_first_and_come_back_last() -> None:
    driver = Driver()
    driver.ladder = Ladder(neural=True)
    assert driver.trouble() == Level.NO_NETWORKS
    assert driver.ladder.level.supersample and not driver.ladder.level.neural
    assert driver.trouble() == Level.NO_SUPERSAMPLING
    levels = [driver.feed(20.0, int(CALM_S * 26)) for _ in range(12)]
    assert Level.NO_NETWORKS in levels and levels[-1] == Level.FULL


def test_a_few_late_frames_do_not_halve_the_rate() -> None:
    driver = Driver()
    driver.trouble()
    for _ in range(20):
        assert driver.overload(late=0.2) <= Level.NO_SUPERSAMPLING


def test_a_single_tight_frame_does_not_end_the_calm() -> None:
    driver = Driver()
    driver.trouble()
    driver.feed(20.0, int(CALM_S * 12))
    driver.feed(1.0)
    assert driver.feed(20.0, int(CALM_S * 13) + 2) == Level.FULL


def test_a_second_without_frames_costs_a_level() -> None:
    assert Driver().feed(None, LONG_RUN) == Level.NO_SUPERSAMPLING


def test_a_level_comes_back_after_calm_only() -> None:
    driver = Driver()
    driver.trouble()
    assert driver.feed(20.0, int(CALM_S * 25) - 2) == Level.NO_SUPERSAMPLING
    assert driver.feed(20.0, 4) == Level.FULL


def test_little_slack_is_no_calm() -> None:
    driver = Driver()
    driver.trouble()
    assert driver.feed(5.0, 5000) == Level.NO_SUPERSAMPLING


def test_a_relapse_makes_the_next_rise_slower() -> None:
    driver = Driver()
    driver.trouble()
    driver.feed(20.0, int(CALM_S * 25) + 2)
    driver.trouble()
    assert driver.feed(20.0, int(1.5 * CALM_S * 25)) == Level.NO_SUPERSAMPLING
    assert driver.feed(20.0, int(CALM_S * 25)) == Level.FULL
