"""Which vertices of an avatar follow its lips when these move by themselves, and how far."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.attach import resample_line
from engine.avatar.contact import ContactPair, contact_pairs
from engine.avatar.mouth import LIP_ROWS
from engine.avatar.parts import MeshPart
from engine.render.layers import LIP_POINTS

Array = NDArray[Any]

LEAST_REACH: Final = 0.15
"""Skin that follows the lips less than this in ``ContactPair`` (nose, chin) stays; the rest is stretched to 1."""


def lip_follow(parts: Sequence[MeshPart]) -> dict[str, Array]:
    """The avatar's extras from which ``engine.avatar.lip_offsets`` makes its basis.

    "lip_upper", "lip_lower": int32 [N], the vertices of the contact lines as in ``ContactPair``. "lip_vertex": int32
    [M], all that follow them; "lip_follow": float32 [M, 3], where each lies between the corners and how far it follows
    the upper and the lower line, all in [0, 1].
    """
    pair = contact_pairs()["lips"]
    skin = parts[0]
    assert skin.source is not None
    number = np.full(len(pair.along), -1)
    ours = np.flatnonzero(skin.source >= 0)
    number[skin.source[ours]] = ours
    reach = np.stack([pair.upper_reach, pair.lower_reach], axis=1)[skin.source[ours]]
    reach = np.maximum(reach - LEAST_REACH, 0.0) / (1.0 - LEAST_REACH)
    near = reach.any(axis=1)
    vertices = [ours[near]]
    follows = [np.column_stack([pair.along[skin.source[ours]], reach])[near]]
    start = 0
    for part in parts:
        if part.name in LIP_ROWS:
            shares = np.repeat(LIP_ROWS[part.name], LIP_POINTS)
            along = np.tile(_along(pair, skin, number), (len(LIP_ROWS[part.name]), 1))
            between = (1.0 - shares) * along[:, 0] + shares * along[:, 1]
            vertices.append(start + np.arange(len(shares)))
            follows.append(np.column_stack([between, 1.0 - shares, shares]))
        start += len(part.positions)
    return {
        "lip_upper": number[pair.upper].astype(np.int32),
        "lip_lower": number[pair.lower].astype(np.int32),
        "lip_vertex": np.concatenate(vertices).astype(np.int32),
        "lip_follow": np.concatenate(follows).astype(np.float32),
    }


def _along(pair: ContactPair, skin: MeshPart, number: Array) -> Array:
    """Where the points at which the inside of the mouth hangs lie on both lines, [LIP_POINTS, 2]."""
    places = [
        resample_line(skin.positions[number[line]], LIP_POINTS) @ pair.along[line]
        for line in (pair.upper, pair.lower)
    ]
    return np.stack(places, axis=1)
