"""From a portrait to a fitted head: align, bend, close the mouth, calibrate."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.alignment import Alignment, align
from engine.avatar.calibrate import calibrate
from engine.avatar.contact import contact_pairs
from engine.avatar.head_model import HeadModel, load_head_model
from engine.avatar.neutral import CLOSED_GAP, close_lips, overclose_px, removed_expression
from engine.avatar.parts import FittedHead
from engine.avatar.photo import Portrait
from engine.avatar.residual import residual_warp

FITTED_LANDMARKS: Final = slice(0, 468)
"""All but the irises."""


def fit_head(portrait: Portrait) -> FittedHead:
    """Fit the head model to the face of a portrait."""
    head = load_head_model()
    landmarks = portrait.landmarks.points.astype(np.float64)
    inter_ocular = portrait.landmarks.inter_ocular
    alignment = align(head, landmarks, portrait.landmarks.blendshapes.astype(np.float64))
    fitted = alignment.place(_fitted_shape(head, alignment))
    in_photo = fitted.copy()
    in_photo[:, :2] += residual_warp(head, alignment, landmarks)

    pairs = contact_pairs()
    deltas = alignment.turn(head.units.astype(np.float64))
    parted = float(pairs["lips"].gap(in_photo).mean()) / inter_ocular >= CLOSED_GAP
    flags = portrait.flags | {"parted_lips"} if parted else portrait.flags - {"parted_lips", "toothy"}
    overlap = overclose_px(parted, inter_ocular)
    removed = removed_expression(alignment.expression) if parted else np.zeros(len(deltas))
    neutral = in_photo - np.tensordot(removed, deltas, 1)
    neutral = neutral + close_lips(pairs["lips"], neutral, overlap)
    warped = in_photo
    if not parted:
        in_photo = neutral
    return FittedHead(
        photo=portrait.photo,
        landmarks=portrait.landmarks.points,
        neutral=neutral.astype(np.float32),
        in_photo=in_photo.astype(np.float32),
        deltas=calibrate(
            neutral, deltas, pairs, inter_ocular, overlap, alignment.expression - removed, flags
        ).astype(np.float32),
        photo_blendshapes=np.clip(removed, 0.0, 1.0).astype(np.float32),
        triangles=head.triangles,
        groups=dict(head.groups),
        pivot=alignment.shift.astype(np.float32),
        head_width=_head_width(head, alignment),
        inter_ocular=inter_ocular,
        flags=flags,
        residual_px=_distance(head, warped, landmarks) * 512 / portrait.side,
        style=alignment.identity.astype(np.float32),
        misfit=_distance(head, fitted, landmarks) / inter_ocular,
    )


def _fitted_shape(head: HeadModel, alignment: Alignment) -> NDArray[np.float64]:
    """The head with the fitted identity and expression, decimetres."""
    identity = head.vertices + np.tensordot(alignment.identity, head.identity, 1)
    return np.asarray(identity + np.tensordot(alignment.expression, head.units, 1))


def _distance(head: HeadModel, vertices: NDArray[np.float64], landmarks: NDArray[np.float64]) -> float:
    """Root mean square distance of a head's landmarks to the found ones, pixels."""
    missing = (head.landmarks(vertices) - landmarks)[FITTED_LANDMARKS, :2]
    return float(np.sqrt((missing**2).sum(axis=1).mean()))


def _head_width(head: HeadModel, alignment: Alignment) -> float:
    """Width of the head above the ears, pixels."""
    shape = head.vertices + np.tensordot(alignment.identity, head.identity, 1)
    skin = shape[head.groups["skin"]]
    level = np.abs(skin[:, 1] - skin[:, 1].min() * 0.5) < 0.2
    return float(alignment.scale * np.ptp(skin[level, 0]))
