"""What is seen behind the person: a colour, a picture, or the avatar's own background out of focus."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.avatar.parts import Image
from engine.avatar.photo_file import open_photo
from engine.errors import SettingError
from engine.packed import packed_rgb, rgb_of

BLUR: Final = "blur"
BLUR_SHARE: Final = 1 / 30
"""Standard deviation of the blur over the canvas' height."""

CLEAR_OF_PERSON: Final = 0.02
"""The own background is taken no nearer to the person than this, over the side."""

COLLAR_SOFT_PX: Final = 1.5


def make_background(choice: str, avatar: Avatar, width: int, height: int) -> Image:
    """A picture of the canvas' size, uint8 [H, W, 3] RGB.

    choice: "blur", a colour as "#RRGGBB", or the path of a picture, which is cropped to fill the canvas.

    Raises:
        SettingError: the choice is none of these.
        PhotoError: the picture cannot be used.
    """
    if choice == BLUR:
        return _blurred(_without_person(avatar), width, height)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", choice):
        return np.full((height, width, 3), tuple(bytes.fromhex(choice[1:])), np.uint8)
    if choice.startswith("#") or not Path(choice).is_file():
        raise SettingError(
            f"expected a background of blur, a colour as #RRGGBB, or a picture file, got {choice!r}"
        )
    return _filling(open_photo(choice), width, height)


def dressed(avatar: Avatar, background: Image) -> Avatar:
    """The avatar before another background: the middle square, as high as the picture, uint8 [H, W, 3] RGB.

    Inside a collar the own background stays, for it shows the collar's other side.
    """
    height, width = background.shape[:2]
    left = (width - height) // 2 // 2 * 2
    square = _scaled(background[:, left : left + height], avatar.side, avatar.side)
    inside = avatar.extras.get("inside_collar", np.zeros(square.shape[:2], np.uint8))
    share = cv2.GaussianBlur(inside, (0, 0), COLLAR_SOFT_PX).astype(np.float32)[:, :, None] / 255.0
    behind = np.rint(square + share * (_plate(avatar) - square)).astype(np.uint8)
    return replace(avatar, background=packed_rgb(behind))


def _without_person(avatar: Avatar) -> NDArray[np.float32]:
    """The avatar's background with everything of the person painted over, float32 [side, side, 3]."""
    side = avatar.side
    reach = 2 * round(CLEAR_OF_PERSON * side) + 1
    person = cv2.dilate(_coverage(avatar), np.ones((reach, reach), np.uint8))
    plate = _plate(avatar)
    free = 1.0 - person
    return _filled(plate * free[:, :, None], np.asarray(free, np.float32))


def _plate(avatar: Avatar) -> NDArray[np.float32]:
    return rgb_of(avatar.background).astype(np.float32)


def _coverage(avatar: Avatar) -> NDArray[np.float32]:
    """How much of each pixel the person at rest covers, float32 [side, side]: what a white background leaves dark
    that a black one does, too."""
    from engine.motion.values import rest
    from engine.render.geometric import GeometricRenderer
    from engine.timing import StageTimer

    side = avatar.side
    black, white = (
        rgb_of(GeometricRenderer(replace(avatar, background=plain), side).render(rest(0), StageTimer()))
        for plain in (packed_rgb(np.full((side, side, 3), level, np.uint8)) for level in (0, 255))
    )
    return np.asarray(
        np.clip(1.0 - (white.astype(np.float32) - black).mean(axis=2) / 255.0, 0.0, 1.0), np.float32
    )


def _filled(image: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill what has no weight from ever coarser averages of what has (pull-push); ``image`` is weighted already."""
    height, width = weight.shape
    known = np.asarray(image / np.maximum(weight, 1e-6)[:, :, None], np.float32)
    if min(height, width) <= 2:
        return known
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = _filled(
        np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.float32),
        np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), np.float32),
    )
    guess = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(guess + weight[:, :, None] * (known - guess), np.float32)


def _blurred(plate: NDArray[np.float32], width: int, height: int) -> Image:
    """The plate over the canvas' whole width, its lower part cut off, out of focus."""
    wide = cv2.resize(plate, (width, width), interpolation=cv2.INTER_LINEAR)[:height]
    soft = cv2.GaussianBlur(wide, (0, 0), BLUR_SHARE * height)
    return np.asarray(np.clip(np.rint(soft), 0, 255), np.uint8)


def _filling(picture: Image, width: int, height: int) -> Image:
    """A picture scaled and cropped, its middle kept, to fill the canvas."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    scaled = _scaled(picture, *size)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])


def _scaled(picture: Image, width: int, height: int) -> Image:
    smaller = height < picture.shape[0]
    scaled = cv2.resize(
        picture, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    )
    return np.asarray(scaled, np.uint8)
