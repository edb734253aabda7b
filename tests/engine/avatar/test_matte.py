"""The person matte on the bundled portraits, and its guided filter on pictures with a known answer."""

import numpy as np
import pytest

from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.matte import PersonMatte, guided_filter, person_matte
from engine.avatar.photo import open_portrait


@pytest.mark.parametrize("name", ["hopper", "astronaut"])
def test_the_person_is_cut_out(name: str, landmarker: FaceLandmarker, request: pytest.FixtureRequest) -> None:
    image: Image = request.getfixturevalue(name)
    portrait = open_portrait(image, landmarker)
    matte = PersonMatte()(portrait.photo, portrait.landmarks.points)
    side = portrait.side
    assert matte.alpha.shape == (side, side) and matte.alpha.dtype == np.float32
    assert 0.0 <= matte.alpha.min() and matte.alpha.max() <= 1.0
    assert matte.trusted and matte.confidence > 0.8
    assert matte.alpha[: side // 3, -side // 8 :].mean() < 0.05  # sky, backdrop
    eyes = portrait.landmarks.points[[33, 133, 362, 263], :2].astype(int)
    assert (matte.alpha[eyes[:, 1], eyes[:, 0]] == 1.0).all()


def test_a_matte_that_misses_the_face_is_not_trusted(landmarker: FaceLandmarker, hopper: Image) -> None:
    portrait = open_portrait(hopper, landmarker)
    elsewhere = portrait.landmarks.points - np.float32([portrait.side, 0, 0]) * np.float32(0.35)
    assert not PersonMatte()(portrait.photo, elsewhere).trusted


def test_a_matte_of_no_person_is_not_trusted(landmarker: FaceLandmarker, hopper: Image) -> None:
    portrait = open_portrait(hopper, landmarker)
    noise = np.random.default_rng(1).integers(0, 256, portrait.photo.shape).astype(np.uint8)
    assert not PersonMatte()(noise, portrait.landmarks.points).trusted


def test_person_matte_is_the_alpha(landmarker: FaceLandmarker, astronaut: Image) -> None:
    photo = open_portrait(astronaut, landmarker).photo
    np.testing.assert_array_equal(person_matte(photo), PersonMatte()(photo).alpha)


def test_guided_filter_takes_the_guides_edge() -> None:
    guide = np.zeros((64, 80, 3), np.float32)
    guide[:, 40:] = (0.9, 0.5, 0.2)
    blurred = np.clip((np.arange(80, dtype=np.float32) - 32) / 16, 0, 1) * np.ones((64, 1), np.float32)
    result = guided_filter(guide, blurred, 8, 1e-4)
    assert result[:, 39].max() < 0.35 and result[:, 40].min() > 0.65  # the ramp had 0.44 and 0.5 there
    np.testing.assert_allclose(
        guided_filter(guide, np.full((64, 80), 0.3, np.float32), 8, 1e-4), 0.3, atol=1e-3
    )
