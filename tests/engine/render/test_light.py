"""Light behind the skin grows with the opening and fades below its upper edge."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.render.layers import LIP_POINTS
from engine.render.light import DEEP, EYE, LOWER_TEETH, TEETH, InnerLight, Opening, inner_lights, mouth_shadow
from tests.engine.render.made_up import mouth_avatar, sheet_avatar


def light_of(avatar: Avatar, opening: Opening) -> InnerLight:
    return InnerLight(avatar, "mouth_cavity", LIP_POINTS, ("mouth_cavity",), opening)


@pytest.mark.parametrize("opening", [TEETH, LOWER_TEETH, DEEP], ids=["teeth", "lower", "deep"])
def test_a_wider_opening_lets_more_light_in(opening: Opening) -> None:
    brightest = [
        light_of(avatar, opening).at(avatar.positions).max()
        for avatar in (mouth_avatar(h) for h in (0, 2, 6, 14))
    ]
    assert all(a < b for a, b in zip(brightest, brightest[1:], strict=False))
    assert 0 < brightest[0] and brightest[-1] <= 1


def test_the_upper_lip_throws_a_shadow() -> None:
    avatar = mouth_avatar(12)
    light = light_of(avatar, TEETH)
    brightness = light.at(avatar.positions)
    upper, lower = brightness[:LIP_POINTS], brightness[LIP_POINTS:]
    assert (upper[3:-3] < 0.8 * lower[3:-3]).all()


def test_corners_of_the_mouth_are_darker() -> None:
    avatar = mouth_avatar(12)
    light = light_of(avatar, TEETH)
    oval = avatar.positions.copy()
    upper, lower = light.lit[:LIP_POINTS], light.lit[LIP_POINTS : 2 * LIP_POINTS]
    height = np.sin(np.linspace(0, np.pi, LIP_POINTS)) ** 2
    oval[lower, 1] = oval[upper, 1] + height * (oval[lower, 1] - oval[upper, 1])
    brightness = light.at(oval)[:LIP_POINTS]  # all right below the lip, so its shadow is the same
    assert (np.diff(brightness[: LIP_POINTS // 2]) >= 0).all()
    assert brightness[0] < 0.5 * brightness[LIP_POINTS // 2]


def test_a_small_opening_dims_the_lower_teeth_less_than_the_upper() -> None:
    """In speech it is the lower teeth that are seen: light falls on them over the lip."""

    def dimmed(opening: Opening) -> float:
        small, wide = (mouth_avatar(gap) for gap in (3, 20))
        lights = [light_of(avatar, opening).at(avatar.positions).mean() for avatar in (small, wide)]
        return float(lights[0] / lights[1])

    assert dimmed(TEETH) < 0.7 < dimmed(LOWER_TEETH)


def test_what_only_just_shows_above_the_lower_lip_is_dim() -> None:
    avatar = mouth_avatar(20)
    plain = replace(LOWER_TEETH, lower_shadow=0.0)
    ratio = light_of(avatar, LOWER_TEETH).at(avatar.positions) / light_of(avatar, plain).at(avatar.positions)
    assert (ratio[:LIP_POINTS] > 0.99).all()
    assert (ratio[LIP_POINTS:] < 0.75).all()


def test_eyes_keep_the_photos_own_light_at_rest() -> None:
    avatar = mouth_avatar(8)
    light = light_of(avatar, EYE)
    assert np.allclose(light.at(avatar.positions), 1.0)
    shut = avatar.positions.copy()
    lowered = light.lit[:LIP_POINTS]
    shut[lowered, 1] += 6
    assert light.at(shut)[LIP_POINTS:].mean() < 0.98


def test_avatars_without_openings_have_no_lights() -> None:
    assert inner_lights(sheet_avatar()) == []
    assert len(inner_lights(mouth_avatar(4))) == 1
    assert mouth_shadow(mouth_avatar(4)) is None
