"""Clothing, drawn over neck and hair; and once more over it what of the head lies in front."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.avatar.avatar import Avatar
from engine.render.layers import CLOTHING, part_triangles, part_vertices

HEAD_REACH: Final = 0.8
"""What lies farther above all clothing than this, in inter-ocular distances, never comes down over it."""


def in_front(avatar: Avatar) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """The skin's triangles that may come to lie over clothing, int32 [T, 3], and the atlas with the coverage that they
    have there: a texture for these triangles alone."""
    side = avatar.side
    before = avatar.extras["before_clothing"]
    atlas = avatar.atlas & np.uint32(0x00FFFFFF)
    height, width = atlas.shape
    # It goes on past the photo: a filter that shrinks the texture reads there.
    coverage = np.pad(before, ((0, height - side), (0, width - side)), mode="edge")
    atlas |= coverage.astype(np.uint32) << np.uint32(24)
    skin = part_triangles(avatar, "skin")
    top = avatar.positions[part_vertices(avatar, CLOTHING), 1].min() - HEAD_REACH * avatar.inter_ocular
    size = round(side / 16) | 1  # as far as the corners of one triangle lie apart
    near = cv2.dilate(before, np.ones((size, size), np.uint8))
    column, row = np.clip(avatar.uv.T.astype(int), 0, side - 1)
    chosen = (near[row, column] > 0) & (avatar.positions[:, 1] > top)
    return np.ascontiguousarray(skin[chosen[skin].any(axis=1)]), atlas
