"""Tells what a portrait shows of the head (face, hair, neck) from what the torso wears.

Places around the chin are like the head or like the torso by their colour and where they lie; a random walker that does
not cross edges of the picture makes that one answer (Grady, "Multilabel Random Walker Image Segmentation Using Prior
Models", CVPR 2005).
"""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from engine.avatar.face_region import pixel_centres, upright
from engine.avatar.matte import FACE_OVAL, guided_filter
from engine.avatar.parts import Float, Image

Array = NDArray[Any]

SMALL: Final = 96  # px, side of the picture that is looked at
ABOVE_CHIN: Final = 0.3
"""So far above the chin (in face heights) all of the person is head."""
TORSO_FROM: Final = 0.9
"""What lies so far below the chin and to its side, both taken together, is torso; in a close-up the farthest
TORSO_LEAST of what lies beside and below the face."""
TORSO_LEAST: Final = 0.3
ASIDE: Final = 0.9  # how much a distance to the side counts of one downward
COLOUR: Final = np.array([0.5, 1.5, 1.5])
"""Weights of L, a and b: light varies more within one cloth or skin than hue."""
PLACE: Final = 10.0  # colour levels that a distance of a face height counts as much as
NEIGHBOURS: Final = 8
BARE: Final = 10.0
SKIN_SHARE: Final = 0.05
"""Torso whose colour lies nearer than BARE levels to this share of the face is bare: no edge sets it off the neck."""
STRANGE: Final = 18.0
"""So many colour levels from all that is known, a pixel is clothing: collars are often like neither face nor coat."""
DOUBT: Final = 6.0  # colour levels
EDGE: Final = 200.0  # squared colour levels at which the walker hardly crosses
SURE_FACE: Final = 0.96
"""To this share of the landmark outline there is nothing but face."""
EDGE_REACH: Final = 0.016
"""So far, over the side, the found edge moves to one of the picture."""
SMOOTH: Final = 0.005  # over the side: edges of clothing are no more ragged than this
OWN_COLOUR: Final = 0.05
"""How much a pixel's own colour counts against its neighbours'."""


def clothing(photo: Image, coverage: Float, landmarks: Float) -> Float:
    """How far each pixel shows clothing, which does not turn with the head: float32 [side, side] in [0, 1].

    photo: uint8 [side, side, 3]. coverage: float32 [side, side] in [0, 1], of the person. landmarks: float32
    [478, 2 or 3], pixels of the photo. All of the person that does not hang together with the head counts as clothing;
    the background counts as what is nearest to it.
    """
    side = len(photo)
    small = (SMALL, SMALL)
    lab = cv2.cvtColor(cv2.resize(photo, small, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB)
    person = cv2.resize(coverage, small, interpolation=cv2.INTER_AREA) > 0.5
    below, aside = upright(landmarks, pixel_centres(side, SMALL))
    face = within_outline(landmarks, side, SURE_FACE)
    head = person & ((cv2.resize(face, small, interpolation=cv2.INTER_AREA) > 0.5) | (below < -ABOVE_CHIN))
    unsure = person & ~head
    far = below + ASIDE * np.abs(aside)
    # Pixels along the outline mix with the background.
    torso = unsure & (below > 0.0) & (cv2.erode(person.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    if not head.any() or not torso.any():
        return np.zeros_like(coverage)
    torso &= far > min(TORSO_FROM, float(np.quantile(far[torso], 1 - TORSO_LEAST)))
    colour = lab * COLOUR
    skin = colour[cv2.resize(face, small, interpolation=cv2.INTER_AREA) > 0.5]
    like_skin = cKDTree(skin).query(colour[torso], max(1, round(SKIN_SHARE * len(skin))))[0]
    torso[torso] = like_skin.reshape(len(like_skin), -1)[:, -1] > BARE
    if not torso.any():
        return np.zeros_like(coverage)
    looks = np.concatenate([colour, PLACE * below[..., None], PLACE * aside[..., None]], axis=2)
    is_head = _walk(lab.astype(np.float64), person, head, _likeness(looks, unsure, head, torso))
    _, nearest = distance_transform_edt(~person, return_indices=True)
    worn = (~_joined(is_head >= 0.5, head)).astype(np.float32)[tuple(nearest)]
    large = cv2.resize(worn, (side, side), interpolation=cv2.INTER_LINEAR)
    guide = photo.astype(np.float32) / np.float32(255.0)
    fitted = guided_filter(guide, np.asarray(large, np.float32), round(EDGE_REACH * side), 3e-4)
    fitted = np.asarray(cv2.GaussianBlur(fitted, (0, 0), SMOOTH * side), np.float32)
    return np.asarray(np.clip((fitted - 0.3) / 0.4, 0.0, 1.0) * (1.0 - face), np.float32)


def within_outline(landmarks: Float, side: int, share: float) -> Float:
    """A share of the landmark outline around its middle, float32 [side, side], 1 inside; landmarks in pixels."""
    oval = landmarks[FACE_OVAL, :2]
    outline = oval.mean(axis=0) + share * (oval - oval.mean(axis=0))
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.rint((outline - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255.0)


def _likeness(looks: Array, unsure: Array, head: Array, torso: Array) -> Array:
    """How likely each unsure pixel is head, by the nearest of the known looks ([SMALL, SMALL, 5]); 0 elsewhere."""
    asked = looks[unsure]
    to_head, to_torso = (
        cKDTree(looks[known]).query(asked, min(k, int(known.sum())))[0].reshape(len(asked), -1)[:, -1]
        # Torso pixels are among those asked for: the nearest is the pixel itself.
        for known, k in ((head, NEIGHBOURS), (torso, NEIGHBOURS + 1))
    )
    to_torso = np.minimum(to_torso, STRANGE)
    likeness = np.zeros(unsure.shape)
    likeness[unsure] = 1.0 / (1.0 + np.exp(np.clip((to_head - to_torso) / DOUBT, -50.0, 50.0)))
    return likeness


def _walk(lab: Array, person: Array, head: Array, likeness: Array) -> Array:
    """The likeness evened out over the person, but not across edges; 1 on the head."""
    count = int(person.sum())
    number = np.full(person.shape, -1)
    number[person] = np.arange(count)
    rows, columns, weights = [], [], []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = (number[here] >= 0) & (number[there] >= 0)
        apart = ((COLOUR * (lab[here] - lab[there])) ** 2).sum(axis=2)[both]
        weight = np.exp(-apart / EDGE) + 1e-3
        rows += [number[here][both], number[there][both]]
        columns += [number[there][both], number[here][both]]
        weights += [weight, weight]
    links = coo_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    ).tocsr()
    own = np.where(head, 100.0, OWN_COLOUR)[person]
    wanted = np.where(head, 1.0, likeness)[person]
    system = diags(np.asarray(links.sum(axis=1)).ravel() + own) - links
    even = np.zeros(person.shape)
    even[person] = spsolve(system.tocsc(), own * wanted)
    return even


def _joined(found: Array, head: Array) -> NDArray[np.bool_]:
    """What of ``found`` hangs together with the head, by more than a thread."""
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) | head
    _, pieces = cv2.connectedComponents(opened.astype(np.uint8), connectivity=4)
    size = np.bincount(pieces[head])
    return np.asarray(pieces == size.argmax())
