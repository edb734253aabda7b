"""Clothing is told from skin and hair by its look, and stays when the head moves."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.clothing import clothing, within_outline
from engine.avatar.fit import fit_head
from engine.avatar.follow import Following
from engine.avatar.garment import Undressed, undress
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.layers import decided
from engine.avatar.matte import FACE_OVAL, PersonMatte
from engine.avatar.parts import FittedHead
from engine.avatar.photo import open_portrait

CHIN, FOREHEAD, NOSE_TIP = 152, 10, 1


@pytest.fixture(scope="module")
def head(landmarker: FaceLandmarker, hopper: Image) -> FittedHead:
    return fit_head(open_portrait(hopper, landmarker))


@pytest.fixture(scope="module")
def coverage(head: FittedHead) -> np.ndarray:
    return decided(PersonMatte()(head.photo).alpha)


@pytest.fixture(scope="module")
def worn(head: FittedHead, coverage: np.ndarray) -> np.ndarray:
    return clothing(head.photo, coverage, head.landmarks)


@pytest.fixture(scope="module")
def following(head: FittedHead, coverage: np.ndarray, worn: np.ndarray) -> Following:
    return Following.of(head.landmarks, coverage, worn)


@pytest.fixture(scope="module")
def undressed(head: FittedHead, coverage: np.ndarray, worn: np.ndarray, following: Following) -> Undressed:
    return undress(head.photo, coverage, worn, following, np.ones_like(worn))


def place(head: FittedHead, aside: float, below: float) -> tuple[int, int]:
    """Row and column of a place given in face heights from the chin."""
    chin, height = head.landmarks[CHIN], head.landmarks[CHIN, 1] - head.landmarks[FOREHEAD, 1]
    return round(float(chin[1] + below * height)), round(float(chin[0] + aside * height))


def blended(over: np.ndarray, alpha: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.asarray(alpha[..., None] * over + (1 - alpha[..., None]) * under)


@pytest.mark.parametrize("aside, below", [(-0.6, 0.4), (0.7, 0.5), (0.0, 0.7), (-0.28, 0.25)])
def test_coat_tie_and_collar_are_clothing(
    head: FittedHead, worn: np.ndarray, aside: float, below: float
) -> None:
    assert worn[place(head, aside, below)] > 0.9


@pytest.mark.parametrize("aside, below", [(0.0, 0.12), (0.0, -0.3), (0.0, -1.3), (-0.45, -0.55)])
def test_neck_face_hat_and_hair_are_not(
    head: FittedHead, worn: np.ndarray, aside: float, below: float
) -> None:
    assert worn[place(head, aside, below)] < 0.1


def test_a_bare_torso_is_no_clothing() -> None:
    """A disc and a square in the colours of one skin: there is nothing to tell apart."""
    side = 256
    y, x = np.indices((side, side))
    face = np.hypot((x - 128) / 40, (y - 90) / 52) < 1
    body = face | ((y > 130) & (np.abs(x - 128) < 90 * (y > 170) + 24))
    shade = np.random.default_rng(0).normal(0, 4, (side, side, 1))
    photo = np.where(body[..., None], np.array([205, 160, 130]) + shade, 60).clip(0, 255).astype(np.uint8)
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[FACE_OVAL, 0] = 128 + 40 * np.sin(angle)
    landmarks[FACE_OVAL, 1] = 90 - 52 * np.cos(angle)
    assert landmarks[CHIN, 1] > landmarks[FOREHEAD, 1] + 90
    bare = clothing(photo, body.astype(np.float32), landmarks)
    assert not bare.any()
    photo[(y > 180) & body] = (20, 40, 120)
    dressed = clothing(photo, body.astype(np.float32), landmarks)
    assert dressed[220, 128] == 1 and dressed[140, 128] == 0


def test_the_jaw_moves_wholly_clothing_ever_less(head: FittedHead, following: Following) -> None:
    def at(aside: float, below: float) -> float:
        row, column = place(head, aside, below)
        return float(following.pose(np.array([column + 0.5, row + 0.5])))

    assert at(0.0, -0.05) > 0.95
    assert 0.3 < at(0.0, 0.15) < 1.0
    assert at(0.6, 0.3) < 0.02 and at(-0.6, 0.3) < 0.02 and at(0.0, 0.7) == 0.0
    nobody_knows = Following(head.landmarks)
    row, column = place(head, 0.2, 0.2)
    assert nobody_knows.pose(np.array([column, row])) > at(0.2, 0.2)


def test_dressed_again_the_person_is_the_photo(
    head: FittedHead, coverage: np.ndarray, undressed: Undressed
) -> None:
    part = undressed.clothing
    assert part is not None and part.coverage is not None and undressed.coverage is not None
    left, top = np.rint(part.positions[0, :2]).astype(int)
    tall, wide = part.coverage.shape
    window = np.s_[top : top + tall, left : left + wide]
    over_plate = blended(undressed.person[window], undressed.coverage[window], head.photo[window])
    again = blended(part.texture, part.coverage / 255.0, over_plate)
    sure = coverage[window] > 0.95
    assert np.abs(again - head.photo[window])[sure].max() < 5.0


def test_clothing_goes_on_past_the_frame_where_it_runs_out_of_it(
    head: FittedHead, coverage: np.ndarray, worn: np.ndarray, following: Following
) -> None:
    near = replace(following, beyond=np.zeros_like(coverage))  # all of the coat lies near the head
    part = undress(head.photo, coverage, worn, near, np.ones_like(worn)).clothing
    assert part is not None and part.coverage is not None
    assert part.positions[:, 1].max() > head.side + 15 and part.positions[:, 1].min() > 100
    past = part.coverage.shape[0] - 10
    assert (part.coverage[past] == part.coverage[past - 5]).all() and part.coverage[past].mean() > 200


def test_below_clothing_nothing_is_left_of_it_that_moves(
    head: FittedHead, worn: np.ndarray, following: Following, undressed: Undressed
) -> None:
    rows, columns = np.nonzero((worn == 1) & (following.beyond > 0.03) & (undressed.coverage > 0.05))
    moving = following.pose(np.stack([columns + 0.5, rows + 0.5], axis=1)[::9])
    assert moving.max() < 0.01


def test_the_face_lies_before_clothing_and_clothing_does_not(
    head: FittedHead, worn: np.ndarray, undressed: Undressed
) -> None:
    before, inside = undressed.extras["before_clothing"], undressed.extras["inside_collar"]
    x, y = head.landmarks[NOSE_TIP, :2].astype(int)
    assert before[y, x] == 255 and before[place(head, 0.0, 0.7)] == 0
    assert not before[worn == 1].any() and not inside[worn > 0.5].any()
    assert inside[place(head, -0.2, 0.22)] > 250 and inside[y, x] == 0


def test_without_clothing_there_is_one_layer(head: FittedHead, coverage: np.ndarray) -> None:
    bare = np.zeros_like(coverage)
    one = undress(
        head.photo, coverage, bare, Following.of(head.landmarks, coverage, bare), np.ones_like(bare)
    )
    assert one.clothing is None and one.person is head.photo and not one.extras


def test_outlines_are_inside_one_another(head: FittedHead) -> None:
    small, large = (within_outline(head.landmarks, head.side, share) for share in (0.9, 1.04))
    assert small.sum() == pytest.approx(large.sum() * (0.9 / 1.04) ** 2, rel=0.02)
    assert (large - small).min() > -0.01
