"""The photo as two layers: the person's colours with their coverage, and the background behind the person."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.avatar.easing import smooth_step
from engine.avatar.parts import Float, Image

CLEAR_OF_PERSON: Final = 0.008
"""Background is taken no nearer to the person than this, over the side: hair and shadow reach that far."""
HINT: Final = 0.08
"""Coverage from which a pixel is no background."""
WISPS: Final = 0.015
MEDIAN_PX: Final = 7
"""Single hairs reach farther (over the side): there a median, so many pixels wide, takes them out."""
MIRROR_REACH: Final = 0.12
"""So far behind the person's edge (over the side) the background is its mirror image; farther in, a blur."""
INPAINTED_PX: Final = 256
"""Side of the picture in which the background's broad shapes are continued."""
INPAINT_RADIUS_PX: Final = 3
BROAD: Final = 0.008
"""Standard deviation, over the side, that parts broad shapes, which are continued, from detail, which is mirrored."""
CONTINUED: Final = (0.04, 0.1)
"""How far behind the person's edge, over the side, shapes are continued, and where nothing of that is left."""
STILL_TO_MOVING: Final = 5.0
"""Where the person moves with a fifth of the head or more, nothing of it may stay in the plate."""
LEAN_REACH: Final = 0.03
"""So far inside its outline a leaning torso may show what lies behind it, over the side."""
FRINGE_PX: Final = 3.0
"""So wide a fringe of the torso's own colours lies around it at most, on a 512 px canvas."""
UNSURE_FROM, UNSURE_TO = 0.3, 0.7
GAP: Final = 0.01
"""Half the width of what counts as a gap in the person, over the side."""
SURE: Final = 0.95
"""Coverage from which a pixel shows the person alone."""
COLOUR_SLACK: Final = 90.0
"""How far an edge pixel's colour may lie from its neighbours inside the person, levels of 255."""


def background_plate(photo: Image, coverage: Float, moving: Float) -> Image:
    """The photo without the person, uint8 [side, side, 3].

    coverage: float32 [side, side] in [0, 1], the faintest traces of the person included. moving: float32 [side, side] in [0, 1], where the person moves with the
    head. Away from the person, and behind the still torso, the plate is the photo itself.
    """
    side = len(photo)
    person = grown(coverage > HINT, CLEAR_OF_PERSON * side)
    combed = np.where(grown(person, WISPS * side)[:, :, None], cv2.medianBlur(photo, MEDIAN_PX), photo)
    share = grown(person, WISPS * side) * np.clip(moving * STILL_TO_MOVING, 0.0, 1.0)
    share = cv2.GaussianBlur(share.astype(np.float32), (0, 0), 0.002 * side)[:, :, None]
    return to_levels(photo + share * (_behind(combed.astype(np.uint8), person) - photo))


def uncovered(plate: Image, photo: Image, coverage: Float, edge: Float) -> Image:
    """The plate with background in place of the torso just inside its outline, which a lean uncovers, and of its fringe.

    coverage: as in ``background_plate``. edge: float32 [side, side] in [0, 1], how far each pixel belongs there, if it is
    the person's. Wider stretches that may be no person stay as they are.
    """
    alone = background_plate(photo, coverage, np.ones_like(coverage))
    beyond = distance_transform_edt(coverage < SURE) * 512 / len(photo)
    share = edge * np.maximum(smooth_step(4.0 * coverage - 2.0), smooth_step(FRINGE_PX - beyond))
    return to_levels(plate + share[:, :, None] * (alone.astype(np.float32) - plate))


def within(coverage: Float) -> Float:
    """How far inside the person's outline each pixel lies, from 0 along it to 1 where no leaning torso uncovers it:
    float32 [side, side]. coverage: float32 [side, side] in [0, 1]. The picture's border is no outline.
    """
    depth = distance_transform_edt(np.pad(coverage > 0.5, 1, mode="edge"))[1:-1, 1:-1]
    return np.asarray(smooth_step(2.0 * depth / (LEAN_REACH * len(coverage)) - 1.0), np.float32)


def decided(coverage: Float) -> Float:
    """A person's coverage with its wide unsure stretches decided, thin lines and small holes closed.

    coverage: float32 [side, side] in [0, 1]; so is what is returned. A half transparent hat shows the background
    through itself as soon as it moves; hair at the edge stays soft.
    """
    coverage = np.clip((coverage - UNSURE_FROM) / (UNSURE_TO - UNSURE_FROM), 0.0, 1.0)
    size = 2 * max(1, round(GAP * len(coverage))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(coverage, cv2.MORPH_CLOSE, kernel), np.float32)


def foreground(photo: Image, coverage: Float, background: Image) -> Image:
    """The person's own colours, uint8 [side, side, 3].

    Blended by the coverage over the background they give the photo again; outside the person they go on with the
    colours of its edge, so that no old background clings to it when it moves.
    """
    alpha = coverage[:, :, None]
    extended = spread(photo.astype(np.float32), coverage >= SURE)
    own = (photo - (1.0 - alpha) * background) / np.maximum(alpha, 0.05)
    own = np.clip(own, extended - COLOUR_SLACK, extended + COLOUR_SLACK)
    return to_levels(np.where(alpha >= SURE, photo, np.where(alpha > 0.05, own, extended)))


def _behind(photo: Image, person: NDArray[np.bool_]) -> Float:
    """Guess what the person hides.

    Near its edge broad shapes go on as they run into it, with the detail of the mirror image of what lies outside; farther
    in comes the mirror image's own shapes, then a blur.
    """
    side = len(photo)
    depth, (row, column) = distance_transform_edt(person, return_indices=True)
    # Mirror about a smoothed edge, or its every bump becomes a streak.
    sigma = 0.008 * side
    row, column = (cv2.GaussianBlur(index.astype(np.float32), (0, 0), sigma) for index in (row, column))
    here = np.indices(person.shape, dtype=np.float32)
    there = cv2.remap(
        np.where(person[:, :, None], spread(photo.astype(np.float32), ~person), photo).astype(np.float32),
        2 * column - here[1],
        2 * row - here[0],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    inward = np.clip(depth / (MIRROR_REACH * side), 0.0, 1.0).astype(np.float32)[:, :, None]
    softer = cv2.GaussianBlur(there, (0, 0), 0.01 * side)
    softest = cv2.GaussianBlur(there, (0, 0), 0.04 * side)
    first, second = np.clip(2 * inward, 0, 1), np.clip(2 * inward - 1, 0, 1)
    mirrored = there + first * (softer - there) + second * (softest - softer)
    near, far = CONTINUED
    share = np.clip((far - depth / side) / (far - near), 0.0, 1.0).astype(np.float32)[:, :, None]
    missing = _continued(photo, person) - mirrored
    return np.asarray(mirrored + share * cv2.GaussianBlur(missing, (0, 0), BROAD * side), np.float32)


def _continued(photo: Image, person: NDArray[np.bool_]) -> Float:
    """The photo with lines and shades led on into the person (Bertalmio et al. 2001), float32 [side, side, 3]."""
    side, small = len(photo), (INPAINTED_PX, INPAINTED_PX)
    hidden = cv2.resize(person.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST)
    shrunk = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    filled = cv2.inpaint(
        shrunk, cv2.dilate(hidden, np.ones((3, 3), np.uint8)), INPAINT_RADIUS_PX, cv2.INPAINT_NS
    )
    return cv2.resize(filled, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def grown(mask: NDArray[np.bool_], reach_px: float) -> NDArray[np.bool_]:
    """A mask reaching so much farther on all sides."""
    size = 2 * max(1, round(reach_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def spread(image: Float, known: NDArray[np.bool_]) -> Float:
    """Fill what is not known from ever coarser averages of what is (pull-push)."""
    weight = known.astype(np.float32)
    levels = [(image * weight[:, :, None], weight)]
    while min(levels[-1][1].shape) > 2:
        total, weight = levels[-1]
        size = (max(1, weight.shape[1] // 2), max(1, weight.shape[0] // 2))
        levels.append(
            (
                np.asarray(cv2.resize(total, size, interpolation=cv2.INTER_AREA), np.float32),
                np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32),
            )
        )
    total, weight = levels.pop()
    filled = total / np.maximum(weight, 1e-6)[:, :, None]
    for total, weight in reversed(levels):
        coarse = cv2.resize(filled, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        certain = np.minimum(weight, 1.0)[:, :, None]
        filled = certain * total / np.maximum(weight, 1e-6)[:, :, None] + (1.0 - certain) * coarse
    return np.asarray(filled, np.float32)


def to_levels(image: NDArray[Any]) -> Image:
    """Rounded to uint8."""
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
