"""What the torso wears, as a layer of its own that goes with the torso: neck and hair move on below it, the jaw over it.

One mesh for both would have to bend collars with the neck, or tear them from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from engine.avatar.clothing import SURE_FACE, within_outline
from engine.avatar.easing import smooth_step
from engine.avatar.face_region import face_height, pixel_centres, upright
from engine.avatar.follow import JAW, UNDER, Following
from engine.avatar.layers import grown, spread, to_levels
from engine.avatar.parts import Float, Image, MeshPart
from engine.avatar.teeth import grid_triangles
from engine.conventions import ARKIT_NAMES
from engine.render.layers import CLOTHING

Array = NDArray[Any]

PAST: Final = 0.05
"""The head is taken away so far past where it stops moving below clothing, in face heights, and the layer goes on so
far past that."""
EDGE_PX: Final = 1.5
"""So far the head goes on below clothing, and over as much again it ends; on a 512 px canvas. Farther in, the plate
shows the clothing itself."""
MIXED_PX: Final = 2.0
"""So near to clothing the picture mixes its colours with the head's."""
NEAR_COLLAR: Final = 0.1
"""So near to clothing, in face heights, the plate behind the head is a collar's other side, beside the jaw as well."""
CELL_PX: Final = 24.0
PAST_FRAME: Final = 0.04
"""How far past the frame, over the side, clothing goes on that runs into it."""
SHOWS: Final = 0.02


@dataclass(frozen=True, eq=False)
class Undressed:
    """The person in two layers.

    person: uint8 [side, side, 3], and coverage: float32 [side, side] in [0, 1]: head and torso, the head going on below
    the clothing around it; None where the person cannot be told from the background. clothing: that clothing, None where there is none. extras: of the avatar, both uint8
    [side, side]: "before_clothing", how far each pixel of ``person`` lies in front of clothing that it moves over, and
    "inside_collar", how far the plate's pixel behind the head shows clothing that goes on there.
    """

    person: Image
    coverage: Float | None
    clothing: MeshPart | None = None
    extras: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


def undress(person: Image, coverage: Float, worn: Float, following: Following, rooted: Float) -> Undressed:
    """Take off the clothing around the head.

    person: uint8 [side, side, 3], the person's colours. coverage, worn: float32 [side, side] in [0, 1], where the
    person is and how far that is clothing. rooted: likewise, where the plate shows what is worn.
    """
    if following.beyond is None:
        return Undressed(person, coverage)
    side = len(person)
    mixed = grown(worn > SHOWS, MIXED_PX * side / 512)
    hidden = (
        (following.beyond < UNDER + PAST)
        & mixed
        & (within_outline(following.landmarks, side, SURE_FACE) < 0.5)
    )
    own = ~mixed & (coverage > 0.5)
    if not hidden.any() or not own.any():
        return Undressed(person, coverage)
    head = np.where(hidden[..., None], spread(person.astype(np.float32), own), person)
    opaque = np.where(hidden, np.maximum(worn, _needed(person, head)), worn)
    opaque = np.where(following.beyond < UNDER + 2 * PAST, opaque, 0.0)
    share = np.maximum(opaque, SHOWS)[..., None]
    colours = np.where(hidden[..., None], (person - (1.0 - share) * head) / share, person)

    inside_px = following.beyond * face_height(following.landmarks) * 512 / side
    bare = np.where(hidden, smooth_step(inside_px / EDGE_PX - 1.0) * smooth_step(10.0 * opaque - 9.0), 0.0)
    below, _ = upright(following.landmarks, pixel_centres(side))
    before = np.maximum(within_outline(following.landmarks, side, JAW), smooth_step(-below / 0.1))
    neck = (coverage > 0.5) & (worn < 0.5)
    away, nearest = distance_transform_edt(neck, return_indices=True)
    worn_nearest = (coverage > 0.5)[tuple(nearest)]  # what is neither neck nor background
    beside = 1.0 - smooth_step(2.0 * away / (NEAR_COLLAR * face_height(following.landmarks)) - 1.0)
    inside = neck * worn_nearest * rooted * np.maximum(smooth_step(below / 0.1), beside)
    return Undressed(
        to_levels(head),
        (coverage * (1.0 - bare)).astype(np.float32),
        _part(to_levels(colours), (opaque * coverage).astype(np.float32)),
        {
            "before_clothing": to_levels(255 * before * (1.0 - worn) * coverage),
            "inside_collar": to_levels(255 * inside),
        },
    )


def _needed(picture: Array, behind: Array) -> Array:
    """The least opacity with which some colour over ``behind`` gives the picture."""
    off = behind - picture.astype(np.float64)
    room = np.where(off > 0.0, behind, 255.0 - behind)
    return np.asarray((np.abs(off) / np.maximum(room, 1.0)).max(axis=2).clip(0.0, 1.0))


def _part(colours: Image, cover: Float) -> MeshPart:
    """A sheet over all that is covered, and on past the frame where that runs into it."""
    side = len(colours)
    rows, columns = (np.flatnonzero((cover > SHOWS).any(axis=axis)) for axis in (1, 0))
    box = slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)
    more = round(PAST_FRAME * side)
    past = [(more * (part.start == 0), more * (part.stop >= side)) for part in box]
    picture = np.pad(colours[box], [*past, (0, 0)], mode="edge")
    alpha = np.pad(np.rint(255 * cover[box]).astype(np.uint8), past, mode="edge")
    tall, wide = alpha.shape
    counts = [max(2, round(n * 512 / side / CELL_PX) + 1) for n in (tall, wide)]
    x, y = np.meshgrid(np.linspace(0, wide, counts[1]), np.linspace(0, tall, counts[0]))
    uv = np.stack([x, y], axis=2).reshape(-1, 2)
    corner = box[1].start - past[1][0], box[0].start - past[0][0]
    positions = np.column_stack([uv + corner, np.zeros(len(uv))])
    still = np.zeros(len(uv), np.float32)
    return MeshPart(
        name=CLOTHING,
        positions=positions.astype(np.float32),
        deltas=np.zeros((len(ARKIT_NAMES), len(uv), 3), np.float32),
        triangles=np.asarray(grid_triangles(*counts), np.int32),
        uv=uv.astype(np.float32),
        shade=still + 1,
        rigid=still,
        breath=still + 1,
        texture=np.ascontiguousarray(picture),
        coverage=alpha,
    )
