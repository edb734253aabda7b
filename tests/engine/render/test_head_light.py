"""A head that turns toward the light gets brighter, a little."""

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.matte import FACE_OVAL
from engine.render.drive import head_rotation
from engine.render.drive_numbers import HEAD_LIGHT_MOST
from engine.render.head_light import HeadLight
from tests.engine.render.made_up import SIDE, sheet_avatar


def lit_from_the_right(**changes: object) -> Avatar:
    landmarks = np.zeros((478, 3), np.float32)
    around = np.linspace(-np.pi / 2, 1.5 * np.pi, len(FACE_OVAL), endpoint=False)
    landmarks[FACE_OVAL, 0] = SIDE / 2 + 30 * np.cos(around)
    landmarks[FACE_OVAL, 1] = SIDE / 2 + 40 * np.sin(around)
    grey = np.broadcast_to(np.linspace(60, 200, SIDE).astype(np.uint32), (SIDE, SIDE))
    atlas = np.ascontiguousarray(grey * 0x010101 + np.uint32(0xFF000000), np.uint32)
    return sheet_avatar(landmarks=landmarks, atlas=atlas, **changes)


def middle(avatar: Avatar) -> int:
    return int(np.argmin(np.abs(avatar.positions[:, :2] - SIDE / 2).sum(axis=1)))


def test_the_photos_pose_has_the_photos_light() -> None:
    assert (HeadLight(lit_from_the_right()).at(head_rotation(0, 0, 0)) == 1).all()


def test_turning_toward_the_light_is_brighter() -> None:
    avatar = lit_from_the_right()
    light = HeadLight(avatar)
    toward, away = (light.at(head_rotation(yaw, 0, 0))[middle(avatar)] for yaw in (12, -12))
    assert away < 0.99 < 1.01 < toward


@pytest.mark.parametrize("angles", [(15, 12, 15), (-15, -12, -15), (15, -12, 0)])
def test_no_turn_changes_much(angles: tuple[float, float, float]) -> None:
    change = HeadLight(lit_from_the_right()).at(head_rotation(*angles)) - 1
    assert 0.01 < np.abs(change).max() <= HEAD_LIGHT_MOST + 1e-6


def test_what_stays_behind_keeps_its_light() -> None:
    avatar = lit_from_the_right()
    still = lit_from_the_right(rigid=np.zeros(len(avatar.positions), np.float32))
    assert (HeadLight(still).at(head_rotation(15, 0, 0)) == 1).all()


def test_an_avatar_without_a_face_is_lit_too() -> None:
    assert np.isfinite(HeadLight(sheet_avatar()).at(head_rotation(15, 5, 0))).all()
