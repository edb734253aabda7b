"""The evaluations, on speakers whose lips are known."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.photo import open_portrait
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import InputError, PhotoError
from engine.motion.values import Motion
from engine.training.evaluate import evaluate_faces, evaluate_lips, evaluate_silence
from engine.training.evaluate.curves import MAX_LAG, best_lag, compare, correlation, correlations, slope
from engine.training.evaluate.faces import jitter_percent
from engine.training.evaluate.media import png
from engine.training.evaluate.opening import lip_opening, mouth_width, part_heights
from engine.training.evaluate.quiet import quiet_sounds
from engine.training.evaluate.report import Bar, Report
from tests.engine.avatar.videos import write_video

PORTRAITS = Path(__file__).parents[3] / "engine" / "assets" / "portraits"
HOPPER = PORTRAITS / "grace_hopper.jpg"

Image = np.ndarray[Any, np.dtype[np.uint8]]


class Puppet:
    """A photo whose mouth opens with the sound: everything below the lip line slides down over a dark gap."""

    def __init__(self, photo: Path | bytes, open_px: float = 14.0) -> None:
        portrait = open_portrait(photo, FaceLandmarker())
        self._photo = portrait.photo
        self._points = portrait.landmarks.points[:, :2]
        self._open_px = open_px

    def speak(self, samples: np.ndarray) -> Iterator[Image]:
        for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            level = float(np.sqrt((samples[start : start + FRAME_SAMPLES] ** 2).mean()))
            yield self.picture(self._open_px * min(1.0, level / 0.2))

    def picture(self, gap: float) -> Image:
        left, right = self._points[78], self._points[308]
        rows, columns = np.mgrid[0 : len(self._photo), 0 : len(self._photo)].astype(np.float32)
        across = np.clip((columns - left[0]) / (right[0] - left[0]), 0, 1)
        line = left[1] + across * (right[1] - left[1])
        shift = gap * np.sin(np.pi * across)
        below = rows > line
        moved = cv2.remap(self._photo, columns, rows - np.where(below, shift, 0), cv2.INTER_LINEAR)
        moved[below & (rows < line + shift)] = (30, 10, 10)
        return moved.astype(np.uint8)


class Deaf:
    """Moves its mouth at random, whatever it hears."""

    def __init__(self, photo: Path | bytes) -> None:
        self._puppet = Puppet(photo)

    def speak(self, samples: np.ndarray) -> Iterator[Image]:
        rng = np.random.default_rng(5)
        for _ in range(len(samples) // FRAME_SAMPLES):
            yield self._puppet.picture(float(rng.uniform(0, 14)))


def sound_of(levels: np.ndarray) -> np.ndarray:
    """A square wave that holds one level for each frame."""
    wave = np.where(np.arange(FRAME_SAMPLES) % 80 < 40, 1.0, -1.0)
    return (levels[:, None] * wave).astype(np.float32).ravel()


def write_wav(path: Path, samples: np.ndarray) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of a puppet speaking different sounds, one at 25 and one at 50 fps, with the sound beside them."""
    folder = tmp_path_factory.mktemp("clips")
    for name, seed, repeat in (("a", 1, 1), ("b", 2, 2)):
        levels = np.random.default_rng(seed).uniform(0.0, 0.2, 24)
        levels[0] = 0.0  # the first picture becomes the photo
        sound = sound_of(levels)
        images = [image for image in Puppet(HOPPER).speak(sound) for _ in range(repeat)]
        write_video(folder / f"{name}.mp4", images, rate=25 * repeat)
        write_wav(folder / f"{name}.wav", sound)
    (folder / "notes.txt").write_text("not a clip")
    return folder


def test_opening_grows_with_the_gap_and_is_nought_when_shut() -> None:
    landmarker = FaceLandmarker()
    puppet = Puppet(HOPPER)
    gaps = []
    for gap in (0.0, 5.0, 10.0, 15.0):
        found = landmarker.track(puppet.picture(gap), None)
        assert found is not None
        gaps.append(lip_opening(found.points))
    assert abs(gaps[0]) < 0.01
    assert gaps == sorted(gaps) and gaps[-1] == pytest.approx(15 / found.inter_ocular, rel=0.4)
    assert np.isnan(lip_opening(np.full((478, 3), np.nan)))


def test_opening_does_not_change_with_the_heads_pose() -> None:
    landmarker = FaceLandmarker()
    found = landmarker.track(Puppet(HOPPER).picture(12.0), None)
    assert found is not None
    for yaw, pitch in ((12.0, 0.0), (0.0, 10.0), (-10.0, -8.0)):
        y, p = np.radians([yaw, pitch])
        turn_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
        turn_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
        turned = found.points @ (turn_y @ turn_x).T
        assert lip_opening(turned) == pytest.approx(lip_opening(found.points), abs=0.015)


def test_width_follows_the_corners_and_not_the_pose() -> None:
    found = FaceLandmarker().track(Puppet(HOPPER).picture(0.0), None)
    assert found is not None
    at_rest = mouth_width(found.points)
    assert 0.35 < at_rest < 0.75
    wide = found.points.copy()
    left, right = wide[61].copy(), wide[291].copy()
    wide[61], wide[291] = left - 0.1 * (right - left), right + 0.1 * (right - left)
    assert mouth_width(wide) == pytest.approx(1.2 * at_rest, rel=1e-3)
    for yaw in (-12.0, 12.0):
        y = np.radians(yaw)
        turned = found.points @ np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]]).T
        assert mouth_width(turned) == pytest.approx(at_rest, abs=0.02)
    assert np.isnan(mouth_width(np.full((478, 3), np.nan)))


def test_compare_finds_lag_and_spread() -> None:
    real = np.random.default_rng(3).standard_normal(200).cumsum()
    late = np.concatenate([np.zeros(3), 2.0 * real[:-3]])
    row = compare(real, late)
    assert row["best_lag"] == 3 and row["r_best_lag"] == pytest.approx(1.0)
    assert row["sd_ratio"] == pytest.approx(2.0, rel=0.1)
    assert compare(real, np.roll(late, -5))["best_lag"] == -2
    by_lag = correlations(real, late)
    assert by_lag[MAX_LAG] == row["r"] and best_lag(by_lag) == 3 and best_lag(np.ones(2 * MAX_LAG + 1)) == 0
    assert correlation(real, np.zeros(200)) == 0.0
    holes = real.copy()
    holes[20:40] = np.nan
    assert correlation(real, holes) == pytest.approx(1.0)


def test_lips_that_follow_meet_the_bars_and_deaf_ones_do_not(clips: Path) -> None:
    seen: list[float] = []
    report = evaluate_lips(clips, maker=Puppet, progress=seen.append)
    assert [row["clip"] for row in report.rows] == ["a", "b"]
    assert all(row["r"] > 0.9 and row["best_lag"] == 0 and 0.8 < row["sd_ratio"] < 1.2 for row in report.rows)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0)
    lag = next(bar for bar in report.bars if "highest" in bar.name)
    assert lag.value == 0 and lag.met
    swapped = next(bar for bar in report.bars if "swapped" in bar.name)
    assert swapped.value < 0.5
    deaf = evaluate_lips([clips / "a.mp4"], maker=Deaf)
    assert not deaf.met and deaf.rows[0]["r"] < 0.5


def test_parts_go_down_as_far_as_they_are_moved_whatever_the_pose() -> None:
    found = FaceLandmarker().track(Puppet(HOPPER).picture(0.0), None)
    assert found is not None
    at_rest = part_heights(found.points)
    assert 0 < at_rest[0] < at_rest[2] and 0 < at_rest[1] < at_rest[2] < 2
    moved = found.points.copy()
    moved[[82, 13, 312], 1] -= 0.05 * found.inter_ocular
    moved[[148, 152, 377], 1] += 0.1 * found.inter_ocular
    assert part_heights(moved) - at_rest == pytest.approx([-0.05, 0.0, 0.1], abs=0.01)
    for angle in np.radians((-20.0, 20.0)):
        rolled = moved @ np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        assert part_heights(rolled) == pytest.approx(part_heights(moved), abs=1e-3)
    assert np.isnan(part_heights(np.full((478, 3), np.nan))).all()


def test_slope_is_by_the_frames_that_both_have() -> None:
    moving = np.array([0.0, 1.0, 2.0, np.nan, 4.0])
    assert slope(moving, 1.0 - 0.3 * moving) == pytest.approx(-0.3)
    assert slope(moving, np.array([0.0, 2.0, np.nan, 9.0, 8.0])) == pytest.approx(2.0)
    assert slope(np.ones(5), moving) == 0.0


class Motions:
    """Motion that opens the jaw wherever the sound is louder than a level, and hears no further than the frame."""

    def __init__(self, opens_at: float) -> None:
        self._opens_at = opens_at

    def new_state(self) -> None:
        return None

    def step(self, state: None, samples: np.ndarray) -> list[Motion]:
        levels = np.sqrt((samples[: len(samples) // 640 * 640].reshape(-1, 640) ** 2).mean(axis=1))
        shapes = np.zeros((len(levels), len(ARKIT_NAMES)), np.float32)
        shapes[levels > self._opens_at, ARKIT_INDEX["jawOpen"]] = 0.3
        return [Motion(number, shape, np.zeros(6, np.float32)) for number, shape in enumerate(shapes)]

    def flush(self, state: None) -> list[Motion]:
        return []


def still(photo: Path | bytes) -> Puppet:
    return Puppet(photo, open_px=0.0)


def test_silence_tells_shut_lips_from_open_ones() -> None:
    report = evaluate_silence(HOPPER, seconds=0.4, maker=still, motion=Motions(9.0))
    assert report.met and len(report.bars) == 2
    alone = [row["sound"] for row in report.rows if row["photo"] == "motion alone"]
    assert alone == ["zeros", "noise -50 dBFS", "noise -40 dBFS", "breath", "keyboard", "fan", "music"]
    assert [row["sound"] for row in report.rows if row["photo"] == HOPPER.name][:2] == alone[:2]
    assert all(row["frames"] == 10 and row["shut"] == 1.0 for row in report.rows)
    assert all(row["openings_a_minute"] == 0.0 for row in report.rows)
    restless = evaluate_silence(HOPPER, seconds=0.4, maker=Deaf, motion=Motions(9.0))
    assert not restless.met


def test_photos_hear_what_moves_the_motion_most(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    tone[: SAMPLE_RATE // 2] *= 0.01
    write_wav(tmp_path / "Music box.wav", tone)
    write_wav(tmp_path / "air.wav", np.full(SAMPLE_RATE, 0.1, np.float32))

    def wide(photo: Path | bytes) -> Puppet:
        return Puppet(photo, open_px=60.0)

    stage = Motions(10 ** (-29 / 20))
    report = evaluate_silence(HOPPER, sounds=tmp_path, seconds=0.4, maker=wide, motion=stage)
    rows = {(row["photo"], row["sound"]): row for row in report.rows}
    assert rows["motion alone", "air"]["shut"] == 1.0 and rows["motion alone", "air"]["kind"] == "quiet"
    box = rows["motion alone", "Music box"]
    assert box["kind"] == "music" and box["frames"] == 25
    assert 0.44 <= box["shut"] <= 0.56  # type: ignore[operator]
    assert box["openings_a_minute"] == 60.0 and box["widest"] == pytest.approx(0.3)
    shown = rows[HOPPER.name, "Music box"]
    assert shown["frames"] == 10 and shown["shut"] == 0.0  # the loud half of it
    assert [bar.met for bar in report.bars] == [True, False]


def test_quiet_sounds_have_their_levels(tmp_path: Path) -> None:
    levels = {"zeros": -np.inf, "noise -50 dBFS": -50, "noise -40 dBFS": -40}
    for sound in quiet_sounds(4.0):
        assert sound.samples.shape == (4 * SAMPLE_RATE,) and sound.samples.dtype == np.float32
        with np.errstate(divide="ignore"):
            level = 10 * np.log10(np.mean(np.square(sound.samples, dtype=float)))
        assert level == pytest.approx(levels.get(sound.name, -30), abs=0.2)  # peaks are cut at full scale
    with pytest.raises(InputError, match="no sounds"):
        quiet_sounds(1.0, tmp_path)
    write_wav(tmp_path / "off.wav", np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(InputError, match=r"off\.wav is silent"):
        quiet_sounds(1.0, tmp_path)


def test_faces_are_missed_when_they_go(tmp_path: Path) -> None:
    class Vanishing(Puppet):
        def speak(self, samples: np.ndarray) -> Iterator[Image]:
            for number, image in enumerate(super().speak(samples)):
                yield np.zeros_like(image) if number == 3 else image

    write_wav(tmp_path / "s.wav", sound_of(np.full(6, 0.1)))
    report = evaluate_faces(HOPPER, audio=tmp_path / "s.wav", maker=Puppet)
    assert report.met and report.rows[0]["found"] == 1.0 and report.rows[0]["jitter_percent"] < 1.0
    gone = evaluate_faces(HOPPER, audio=tmp_path / "s.wav", maker=Vanishing)
    assert not gone.met and gone.rows[0]["found"] == pytest.approx(5 / 6)


def test_jitter_sees_shaking_and_not_steady_motion() -> None:
    rng = np.random.default_rng(0)
    shape = rng.uniform(0, 300, (478, 3)).astype(np.float32)
    steady = shape + np.arange(20, dtype=np.float32)[:, None, None] * 2
    still = jitter_percent(steady)
    shaking = jitter_percent(steady + rng.standard_normal(steady.shape).astype(np.float32))
    assert still is not None and shaking is not None and still < 0.01 < 0.5 < shaking
    assert jitter_percent(np.full((5, 478, 3), np.nan, np.float32)) is None


def test_wrong_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "silent").mkdir()
    write_video(tmp_path / "silent" / "v.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3, 25)
    for path in (tmp_path / "missing", tmp_path / "silent", tmp_path):
        with pytest.raises(InputError, match="expected"):
            evaluate_lips(path, maker=Puppet)
    with pytest.raises(InputError, match="expected photos"):
        evaluate_silence(tmp_path, maker=Puppet)
    (tmp_path / "grey.png").write_bytes(png(np.full((99, 99, 3), 99, np.uint8)))
    with pytest.raises(PhotoError, match="refused"):
        evaluate_faces(tmp_path, maker=Puppet)


def test_bars_and_report() -> None:
    assert Bar("a", 0.5, least=0.5).met and not Bar("a", 0.49, least=0.5).met
    assert Bar("a", -1.0, least=-1.0, most=1.0).met and not Bar("a", 1.1, least=-1.0, most=1.0).met
    assert not Bar("a", float("nan"), most=1.0).met
    report = Report(
        "lips", ({"clip": "a", "r": float("nan"), "n": 3},), (Bar("r", 0.2, least=0.3),), ("note",)
    )
    assert report.to_json() == {
        "evaluate": "lips",
        "met": False,
        "bars": [{"name": "r", "value": 0.2, "least": 0.3, "most": None, "met": False}],
        "rows": [{"clip": "a", "r": None, "n": 3}],
        "notes": ["note"],
    }
    from rich.console import Console

    console = Console(width=100, record=True, quiet=True)
    console.print(report.table())
