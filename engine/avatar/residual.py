"""Bends the fitted head so that its landmarks fall on the photo's."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.alignment import IRIS_LANDMARKS, Alignment
from engine.avatar.head_model import HeadModel
from engine.conventions import ARKIT_INDEX

Array = NDArray[np.float64]

APART_JAW_OPEN: Final = 0.6
"""The mouth is opened this far where the warp is defined, so that upper and lower lip lie apart in it."""
SMOOTHING_DM: Final = 0.004
ANCHORS: Final = 60
BACK_Z_DM: Final = 0.15
"""Vertices farther back than this (behind the ears) stay where the fit has them."""


def residual_warp(head: HeadModel, alignment: Alignment, landmarks: Array) -> Array:
    """Offsets, float64 [V, 2] canvas pixels, that bring the fitted landmarks onto the found ones.

    A radial basis function with kernel -r over the head with its jaw open, smoothed, anchored at the back.
    """
    identity = head.vertices + np.tensordot(alignment.identity, head.identity, 1)
    fitted = identity + np.tensordot(alignment.expression, head.units, 1)
    missing = (landmarks - alignment.place(head.landmarks(fitted)))[:, :2]
    apart = identity + APART_JAW_OPEN * head.units[ARKIT_INDEX["jawOpen"]]
    used = np.setdiff1d(np.arange(len(landmarks)), IRIS_LANDMARKS)
    back = np.flatnonzero(apart[:, 2] > BACK_Z_DM)
    anchors = back[:: max(1, len(back) // ANCHORS)]
    centres = np.concatenate([head.landmarks(apart)[used], apart[anchors]])
    wanted = np.concatenate([missing[used], np.zeros((len(anchors), 2))])

    count = len(centres)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = SMOOTHING_DM * np.eye(count) - _distances(centres, centres)
    system[count, count] = 0.0
    # -r is conditionally positive definite: a positive diagonal smooths, a negative one would spike.
    weights = np.linalg.solve(system, np.concatenate([wanted, np.zeros((1, 2))]))
    return np.asarray(-_distances(apart, centres) @ weights[:count] + weights[count])


def _distances(a: Array, b: Array) -> Array:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
