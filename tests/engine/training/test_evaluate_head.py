"""The numeric bars on the head, with what is measured replaced by what is known."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError, PhotoError
from engine.training.evaluate import evaluate_head, head
from engine.training.evaluate.media import png
from tests.engine.avatar.videos import write_video

GOOD = {
    "face_db": 40.0, "mouth_db": 40.0, "landmark_px": 1.0, "lost": 0, "lips_px": 0.1, "lips_seen_px": 0.2,
    "lids_px": 0.1, "lids_seen_px": 0.3, "yaw": 0.5, "jaw": 0.4, "pops": 0, "made_s": 1.2,
}  # fmt: skip


def picture(level: int) -> np.ndarray:
    return np.full((64, 64, 3), level, np.uint8)


@pytest.fixture
def portraits(tmp_path: Path) -> Path:
    for name, level in (("a", 40), ("b", 80)):
        (tmp_path / f"{name}.png").write_bytes(png(picture(level)))
    return tmp_path


def test_all_bars_are_met_by_good_portraits(portraits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "measure_head", lambda photo, landmarker: dict(GOOD))
    told: list[float] = []
    report = evaluate_head(portraits, progress=told.append)
    assert report.met and [row["portrait"] for row in report.rows] == ["a.png", "b.png"]
    assert told == [0.5, 1.0]


@pytest.mark.parametrize(
    ("column", "value"),
    [("face_db", 37.9), ("mouth_db", 31.0), ("lost", 1), ("lips_seen_px", 1.1),
     ("lids_px", 2.0), ("yaw", 1.6), ("pops", 1), ("made_s", 3.5)],
)  # fmt: skip
def test_one_portrait_that_misses_is_enough(
    portraits: Path, monkeypatch: pytest.MonkeyPatch, column: str, value: float
) -> None:
    def measured(photo: np.ndarray, landmarker: object) -> dict[str, float]:
        return GOOD | ({column: value} if photo[0, 0, 0] > 60 else {})

    monkeypatch.setattr(head, "measure_head", measured)
    report = evaluate_head(portraits)
    assert not report.met
    assert [bar.value for bar in report.bars if not bar.met] == [value]


@pytest.mark.parametrize(("worse", "met"), [(1.9, True), (2.1, False)])
def test_landmarks_count_over_all_portraits_and_single_ones_are_named(
    portraits: Path, monkeypatch: pytest.MonkeyPatch, worse: float, met: bool
) -> None:
    def measured(photo: np.ndarray, landmarker: object) -> dict[str, float]:
        return GOOD | ({"landmark_px": worse} if photo[0, 0, 0] > 60 else {})

    monkeypatch.setattr(head, "measure_head", measured)
    report = evaluate_head(portraits)
    assert report.met == met
    assert report.notes == (f"b.png: landmarks lie {worse:.2f} px off in the median",)


def test_refused_portraits_are_named_and_clips_give_their_first_frame(
    portraits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(portraits / "c.mp4", [picture(200), picture(10), picture(10)], rate=25)

    def measured(photo: np.ndarray, landmarker: object) -> dict[str, float]:
        if photo[0, 0, 0] < 60:
            raise PhotoError("too dark")
        return GOOD | {"face_db": float(photo[0, 0, 0])}

    monkeypatch.setattr(head, "measure_head", measured)
    report = evaluate_head(portraits)
    assert [row["portrait"] for row in report.rows] == ["b.png", "c.mp4"]
    assert report.rows[1]["face_db"] == pytest.approx(200, abs=4)
    assert report.notes == ("a.png was refused: too dark",)


def test_nothing_to_measure_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="photos or clips"):
        evaluate_head(tmp_path)
    (tmp_path / "blank.png").write_bytes(png(picture(127)))
    with pytest.raises(PhotoError, match="blank.png was refused"):
        evaluate_head(tmp_path)
