from streaming.bitrate import BitrateControl


def send(control: BitrateControl, bits_per_second: int, now_s: float) -> None:
    """One second of 25 frames that ends at ``now_s``."""
    for frame in range(25):
        control.packet(bits_per_second // 200, now_s - 0.98 + frame * 0.04)


def test_a_calm_picture_does_not_lower_the_rate() -> None:
    control = BitrateControl(200_000, 1_500_000)
    for second in range(1, 60):
        send(control, 100_000, float(second))
        assert control.estimate(150_000, float(second)) == 1_500_000


def test_a_full_network_does_and_it_recovers_slowly() -> None:
    control = BitrateControl(200_000, 1_500_000)
    send(control, 1_400_000, 1.0)
    assert control.estimate(800_000, 1.0) == 680_000
    send(control, 650_000, 2.0)
    assert control.estimate(900_000, 2.0) == 734_400
    for second in range(3, 30):
        send(control, control.target, float(second))
        control.estimate(2_000_000, float(second))
    assert control.target == 1_500_000


def test_heavy_loss_lowers_the_rate_and_light_loss_keeps_it() -> None:
    control = BitrateControl(200_000, 1_500_000)
    assert control.loss(0.2) == 1_350_000
    assert control.loss(0.05) == 1_350_000
    assert control.estimate(9_000_000, 1.0) == 1_350_000
    control.loss(0.0)
    assert control.estimate(9_000_000, 2.0) == 1_458_000


def test_there_is_a_floor() -> None:
    control = BitrateControl(200_000, 1_500_000)
    for second in range(20):
        send(control, 1_000_000, float(second))
        control.estimate(1_000, float(second))
    assert control.target == 200_000
