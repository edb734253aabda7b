from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.errors import PhotoError, SettingError
from streaming.engine_port import load_object
from streaming.settings import (
    ServeSettings,
    engine_options,
    fitting_latency_ms,
    look_ahead_ms,
    most_av_offset_ms,
)


def test_a_latency_that_can_be_kept_is_kept() -> None:
    assert fitting_latency_ms(160.0, frame_ms=20.0, encode_ms=3.0) == 160.0


def test_a_latency_below_the_floor_is_refused_with_the_floor() -> None:
    with pytest.raises(SettingError, match=r"at least 163 ms \(40 frame \+ 80 look-ahead \+ 43 compute"):
        fitting_latency_ms(160.0, frame_ms=40.0, encode_ms=3.0)


def test_a_short_latency_is_met_by_listening_less_far_ahead() -> None:
    assert (look_ahead_ms(None), look_ahead_ms(160.0), look_ahead_ms(120.0)) == (80, 80, 40)
    assert fitting_latency_ms(120.0, frame_ms=20.0, encode_ms=3.0) == 120.0
    with pytest.raises(SettingError, match=r"at least 103 ms \(40 frame \+ 40 look-ahead \+ 23 compute"):
        fitting_latency_ms(100.0, frame_ms=20.0, encode_ms=3.0)


def test_without_a_wish_it_is_the_default_or_what_the_machine_needs() -> None:
    assert fitting_latency_ms(None, frame_ms=20.0, encode_ms=3.0) == 160.0
    assert fitting_latency_ms(None, frame_ms=60.0, encode_ms=3.0) == 200.0


def test_the_engine_is_made_as_the_settings_say() -> None:
    settings = ServeSettings(
        size=256, badge=False, latency_ms=120, quality="neural", weights=Path("w.safetensors")
    )
    made = engine_options(settings)
    assert (made.factory, made.size, made.badge, made.look_ahead_ms) == (settings.engine, 256, False, 40)
    assert (made.quality, made.weights) == ("neural", Path("w.safetensors"))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError):
        ServeSettings(latency=100)  # type: ignore[call-arg]


def test_a_lifetime_that_json_cannot_tell_is_refused() -> None:
    with pytest.raises(ValidationError, match="finite number"):
        ServeSettings(upload_lifetime_s=float("inf"))


def test_sound_is_never_sent_before_it_can_have_arrived() -> None:
    assert most_av_offset_ms(160.0) == 80.0
    assert most_av_offset_ms(60.0) == 0.0


def test_the_photo_check_that_ships_refuses_what_is_no_picture() -> None:
    check = load_object(ServeSettings().photo_check)
    with pytest.raises(PhotoError, match="expected a photo"):
        check(b"This is a text, not a portrait.")
