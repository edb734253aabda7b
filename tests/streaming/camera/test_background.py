"""Backgrounds as asked for, and the person cut out before them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from engine.avatar.avatar import Avatar
from engine.errors import PhotoError, SettingError
from streaming.camera.background import dressed, make_background
from streaming.creation import neutral_face
from tests.engine.render.made_up import SIDE, sheet_avatar

RED = 0x2020E0  # as in RGBX: the first byte is the lowest
WIDE, HIGH = 320, 180


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    """A red disc in the middle, before a background that is blue on the left and green on the right."""
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = (x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2 < (SIDE / 4) ** 2
    background = np.where(x < SIDE / 2, 0xFFC01010, 0xFF10C010).astype(np.uint32)
    background[inside] = 0xFF1010F0  # something of the person is left in the plate
    atlas = (np.where(inside, 0xFF000000, 0) | RED).astype(np.uint32)
    return sheet_avatar(atlas=atlas, background=background)


def test_a_colour_fills_the_canvas(avatar: Avatar) -> None:
    assert (make_background("#3C6e5a", avatar, WIDE, HIGH) == (0x3C, 0x6E, 0x5A)).all()


def test_a_picture_fills_the_canvas_unstretched(avatar: Avatar, tmp_path: Path) -> None:
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[150:250, 150:250] = 255  # a square stays a square
    PIL.Image.fromarray(picture).save(tmp_path / "room.png")
    background = make_background(str(tmp_path / "room.png"), avatar, WIDE, HIGH)
    assert background.shape == (HIGH, WIDE, 3)
    rows, columns = np.nonzero(background[..., 0] > 128)
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1
    assert rows.mean() == pytest.approx(HIGH / 2, abs=1) and columns.mean() == pytest.approx(WIDE / 2, abs=1)


def test_the_blur_keeps_the_background_and_forgets_the_person(avatar: Avatar) -> None:
    background = make_background("blur", avatar, WIDE, HIGH).astype(int)
    red, green, blue = background[..., 0], background[..., 1], background[..., 2]
    assert red.max() < 60  # of 240 in the disc
    assert (blue - green)[:, :40].min() > 100 and (green - blue)[:, -40:].min() > 100
    assert np.abs(np.diff(background, axis=1)).max() < 25  # soft everywhere


def test_the_person_stands_before_the_new_background(avatar: Avatar) -> None:
    background = make_background("#ffffff", avatar, WIDE, HIGH)
    face = neutral_face(dressed(avatar, background), SIDE).astype(int)
    corner, middle = face[4, 4], face[SIDE // 2, SIDE // 2]
    assert corner.min() > 250
    assert middle[0] > 200 and middle[1] < 60


def test_inside_a_collar_the_own_background_stays(avatar: Avatar) -> None:
    inside = np.zeros((SIDE, SIDE), np.uint8)
    inside[60:80, 20:40] = 255
    clad = replace(avatar, extras={"inside_collar": inside})
    plate = dressed(clad, make_background("#ffffff", clad, WIDE, HIGH)).background
    assert plate[70, 30] == avatar.background[70, 30] and plate[10, 30] == 0xFFFFFFFF


def test_square_and_surroundings_show_the_same_place(avatar: Avatar, tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, WIDE).astype(np.uint8)[None, :, None], (HIGH, 1, 3))
    PIL.Image.fromarray(ramp).save(tmp_path / "ramp.png")
    background = make_background(str(tmp_path / "ramp.png"), avatar, WIDE, HIGH)
    plate = dressed(avatar, background).background.view(np.uint8).reshape(SIDE, SIDE, 4)[2, :, 0].astype(int)
    around = background[2, (WIDE - HIGH) // 2 : (WIDE + HIGH) // 2, 0].astype(int)
    assert abs(plate[0] - around[0]) <= 2 and abs(plate[-1] - around[-1]) <= 2


@pytest.mark.parametrize("choice", ["blurred", "#12345", "#ggg000", "/no/such/room.png"])
def test_anything_else_is_refused(avatar: Avatar, choice: str) -> None:
    with pytest.raises(
        SettingError, match="expected a background of blur, a colour as #RRGGBB, or a picture"
    ):
        make_background(choice, avatar, WIDE, HIGH)


def test_a_file_that_is_no_picture_is_refused(avatar: Avatar, tmp_path: Path) -> None:
    (tmp_path / "room.png").write_bytes(b"a letter")
    with pytest.raises(PhotoError):
        make_background(str(tmp_path / "room.png"), avatar, WIDE, HIGH)
