from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from streaming.ladder import Level
from streaming.metrics import Metrics
from streaming.pacer import PacerCounts
from streaming.session import AvatarSession
from streaming.settings import ServeSettings


def value(metrics: Metrics, name: str, session: str | None = None) -> float | None:
    return metrics.registry.get_sample_value(f"vividlive_{name}", {"session": session} if session else {})


def test_the_manual_names_every_metric() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operation.md").read_text(encoding="utf-8")
    for family in Metrics().registry.collect():
        name = family.name.removeprefix("vividlive_") + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in manual or f"`{name}{{" in manual, name


async def test_a_session_is_measured_under_its_label_until_it_ends() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(1) as executor:
        session = AvatarSession(
            "name-of-the-session",
            ServeSettings(size=256),
            metrics,
            executor,
            lambda message: None,
            ("a", "/a"),
            0,
            160.0,
        )
        session.packets("audio")
        session.packets("h264")
        session.packets("h264")
        session.play(np.zeros(48_000, np.int16))
        session.playout(object(), 1_000.0, 1_030.0)
        session.measure()
        assert value(metrics, "viewers", "name") == 2
        assert value(metrics, "frames_waiting", "name") == 0
        assert value(metrics, "packets_waiting", "name") == 0
        assert 0.9 < (value(metrics, "sound_queued_s", "name") or 0.0) <= 1.0
        assert value(metrics, "av_error_ms", "name") == 30.0
        assert b"name-of" not in metrics.text()  # the whole name is the key to the session
        await session.close()
        session.measure()
        assert b'"name"' not in metrics.text()


def test_frames_are_added_up_over_sessions() -> None:
    metrics = Metrics()
    metrics.count_frames(PacerCounts(), PacerCounts(sent=25, repeated=2))
    metrics.count_frames(PacerCounts(sent=25, repeated=2), PacerCounts(sent=50, repeated=3))
    assert value(metrics, "frames_sent_total") == 50
    assert value(metrics, "frames_repeated_total") == 3


def test_the_meaning_of_each_ladder_level_is_told() -> None:
    text = Metrics().text().decode()
    for level in Level:
        assert f"{int(level)} {level.label}" in text
