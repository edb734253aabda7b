from streaming.lipsync import MAX_STEP_MS, AvOffset


def test_late_sound_is_sent_sooner_by_small_steps() -> None:
    offset = AvOffset(50.0, 80.0)
    assert offset.report(audio_ms=1000.0, video_ms=1100.0) == 50.0 + MAX_STEP_MS


def test_it_settles_where_sound_and_picture_meet() -> None:
    offset = AvOffset(50.0, 80.0)
    for second in range(200):
        played_late_ms = 65.0 - offset.offset_ms
        offset.report(audio_ms=second * 1000.0 - played_late_ms, video_ms=second * 1000.0)
    assert abs(offset.offset_ms - 65.0) < 1.0


def test_it_stays_within_its_bounds() -> None:
    offset = AvOffset(50.0, 80.0)
    for _ in range(200):
        offset.report(0.0, 250.0)
    assert offset.offset_ms == 80.0
    for _ in range(200):
        offset.report(250.0, 0.0)
    assert offset.offset_ms == 0.0


def test_nonsense_is_ignored() -> None:
    offset = AvOffset(50.0, 80.0)
    offset.report(0.0, 1e9)
    assert offset.offset_ms == 50.0
