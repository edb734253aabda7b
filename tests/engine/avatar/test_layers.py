"""Person and background come apart and go together again."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from engine.avatar import layers
from engine.avatar.layers import background_plate, decided, foreground, uncovered, within

SIDE = 256
PERSON = np.array([200, 40, 30])


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photo, coverage and true background: a red disc with a soft edge over stripes that fade downward."""
    y, x = np.indices((SIDE, SIDE))
    background = np.stack([60 + 0 * x, 120 + 60 * (x // 8 % 2), 230 - y // 2], axis=2)
    radius = np.hypot(x - 128, y - 110)
    coverage = np.clip((70 - radius) / 4 + 0.5, 0, 1).astype(np.float32)
    photo = coverage[..., None] * PERSON + (1 - coverage[..., None]) * background
    return np.rint(photo).astype(np.uint8), coverage, background.astype(float)


def test_blended_over_the_plate_the_person_gives_the_photo(scene: tuple[np.ndarray, ...]) -> None:
    photo, coverage, _ = scene
    plate = background_plate(photo, coverage, np.ones_like(coverage))
    person = foreground(photo, coverage, plate)
    again = coverage[..., None] * person + (1 - coverage[..., None]) * plate
    assert np.abs(again - photo)[coverage > 0.05].mean() < 2
    untouched = coverage == 0
    untouched[: SIDE // 8] = True
    far = np.hypot(*(np.indices((SIDE, SIDE)) - np.array([110, 128])[:, None, None])) > 85
    assert (plate[far] == photo[far]).all()


def test_the_plate_holds_nothing_of_the_person_and_goes_on_like_the_background(
    scene: tuple[np.ndarray, ...],
) -> None:
    photo, coverage, background = scene
    plate = background_plate(photo, coverage, np.ones_like(coverage)).astype(float)
    assert plate[..., 0].max() < 90  # the person's red is 200
    ring = (coverage > 0.5) & (
        np.hypot(*(np.indices((SIDE, SIDE)) - np.array([110, 128])[:, None, None])) > 60
    )
    assert np.abs(plate - background)[ring][:, 2].mean() < 8  # the fade
    assert plate[ring][:, 1].std() > 8  # the stripes


def test_an_edge_goes_on_behind_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level edge that a disc's top reaches over: the mirror image alone leads the upper colour too far down."""
    y, x = np.indices((SIDE, SIDE))
    background = np.where(y < 80, 60, 180)[..., None] * np.ones(3)
    radius = np.hypot(x - 128, y - 128)
    coverage = np.clip((60 - radius) / 4 + 0.5, 0, 1).astype(np.float32)
    photo = coverage[..., None] * PERSON + (1 - coverage[..., None]) * background
    band = (radius > 50) & (radius < 62)

    def off() -> float:
        plate = background_plate(np.rint(photo).astype(np.uint8), coverage, np.ones_like(coverage))
        return float(np.abs(plate.astype(float) - background)[band].mean())

    continued = off()
    monkeypatch.setattr(layers, "CONTINUED", (-2.0, -1.0))
    assert continued < 0.9 * off()


def test_outside_the_person_its_colour_goes_on(scene: tuple[np.ndarray, ...]) -> None:
    photo, coverage, _ = scene
    plate = background_plate(photo, coverage, np.ones_like(coverage))
    person = foreground(photo, coverage, plate)
    assert np.abs(person[coverage == 0] - PERSON).mean() < 12


def test_where_nothing_moves_the_plate_is_the_photo(scene: tuple[np.ndarray, ...]) -> None:
    photo, coverage, _ = scene
    assert (background_plate(photo, coverage, np.zeros_like(coverage)) == photo).all()


def test_a_lean_uncovers_background_and_not_the_torso_again(scene: tuple[np.ndarray, ...]) -> None:
    photo, coverage, background = scene
    inside = within(coverage)
    assert inside[110, 128] == 1 and not inside[coverage < 0.5].any()
    plate = uncovered(photo, photo, coverage, 1 - inside)
    band = (coverage == 1) & (inside < 0.01)
    assert band.sum() > 300
    assert plate[band][:, 0].max() < 90  # the person's red is 200
    assert (plate[inside == 1] == photo[inside == 1]).all()
    beyond = distance_transform_edt(coverage < 0.95) > 3
    assert (plate[beyond] == photo[beyond]).all()
    y, x = np.indices((SIDE, SIDE))
    sharp = np.clip(70 - np.hypot(x - 128, y - 110) + 0.5, 0, 1).astype(np.float32)
    mixed = np.rint(sharp[..., None] * PERSON + (1 - sharp[..., None]) * background).astype(np.uint8)
    plate = uncovered(mixed, mixed, sharp, 1 - within(sharp))
    fringe = (sharp > 0.1) & (sharp < 0.5)
    assert mixed[fringe][:, 0].mean() > 90 > plate[fringe][:, 0].max()
    cut = np.ones((SIDE, SIDE), np.float32)  # the picture's border is no outline
    cut[:20] = 0
    assert within(cut)[-1, 0] == 1 and within(cut)[20, 128] == 0


def test_thin_gaps_close_and_wide_ones_stay() -> None:
    coverage = np.zeros((SIDE, SIDE), np.float32)
    coverage[40:200, 40:200] = 1
    coverage[100:103, 60:120] = 0
    coverage[140:180, 100:140] = 0
    closed = decided(coverage)
    assert closed[101, 90] == 1 and closed[160, 120] == 0
    assert (closed >= coverage).all()


def test_unsure_stretches_are_decided_and_soft_edges_stay_soft() -> None:
    coverage = np.tile(np.linspace(0, 1, SIDE, dtype=np.float32), (SIDE, 1))
    sharper = decided(coverage)
    assert (sharper[:, : SIDE // 4] == 0).all() and (sharper[:, -SIDE // 4 :] == 1).all()
    assert abs(sharper[SIDE // 2, SIDE // 2] - 0.5) < 0.05
    assert (np.diff(sharper[SIDE // 2]) >= 0).all()
