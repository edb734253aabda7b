import pytest
from pydantic import ValidationError

from engine.errors import SettingError
from streaming.settings import ServeSettings, check_budget


def test_a_budget_that_can_be_kept_passes() -> None:
    check_budget(160.0, frame_ms=20.0, encode_ms=3.0)


def test_a_budget_below_the_floor_names_the_floor() -> None:
    with pytest.raises(SettingError, match=r"at least 143 ms \(40 frame \+ 80 look-ahead \+ 23 compute"):
        check_budget(140.0, frame_ms=20.0, encode_ms=3.0)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        ServeSettings(latency=100)  # type: ignore[call-arg]


def test_sound_is_never_sent_before_it_can_have_arrived() -> None:
    assert ServeSettings(latency_ms=160).most_av_offset_ms == 80.0
    assert ServeSettings(latency_ms=60).most_av_offset_ms == 0.0
