"""Fitted bundled portraits: landmarks met, lips shut at rest, lids shut in a blink, jaw wide."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.contact import contact_pairs
from engine.avatar.fit import fit_head
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.parts import FittedHead
from engine.avatar.photo import Portrait, open_portrait
from engine.conventions import ARKIT_INDEX

NEVER_OPEN = 1e-3  # of the eye-corner distance: a tenth of a pixel


@pytest.fixture(scope="module", params=["hopper", "astronaut"])
def portrait(request: pytest.FixtureRequest, landmarker: FaceLandmarker) -> Portrait:
    photo: Image = request.getfixturevalue(request.param)
    return open_portrait(photo, landmarker)


@pytest.fixture(scope="module")
def head(portrait: Portrait) -> FittedHead:
    return fit_head(portrait)


def shown(head: FittedHead, **amounts: float) -> np.ndarray:
    return head.neutral + sum(a * head.deltas[ARKIT_INDEX[n]] for n, a in amounts.items())


def gap(head: FittedHead, pair: str, vertices: np.ndarray) -> np.ndarray:
    return contact_pairs()[pair].gap(vertices.astype(float)) / head.inter_ocular


def test_fitted_landmarks_meet_the_found_ones(head: FittedHead) -> None:
    assert 0.05 < head.residual_px < 0.8


def test_lips_are_shut_at_rest_and_overlap_no_more_than_slightly(head: FittedHead) -> None:
    calm = gap(head, "lips", head.neutral)
    assert calm.max() < NEVER_OPEN and calm.min() > -0.02


def test_a_closed_photo_stays_as_it_is_and_a_parted_one_is_really_closed(head: FittedHead) -> None:
    change = np.linalg.norm((head.neutral - head.in_photo)[:, :2], axis=1).max() / head.inter_ocular
    parted = gap(head, "lips", head.in_photo).mean()
    if "parted_lips" in head.flags:
        assert parted > 0.05 and change > 0.05
    else:
        assert parted < 0.02 and change < 0.02


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blink_shuts_the_lids_and_only_on_its_side(head: FittedHead, side: str) -> None:
    blink = shown(head, **{f"eyeBlink{side.capitalize()}": 1.0})
    assert gap(head, side, head.neutral).max() > 0.05
    assert gap(head, side, blink).max() < NEVER_OPEN
    other = "right" if side == "left" else "left"
    assert np.abs(gap(head, other, blink) - gap(head, other, head.neutral)).max() < NEVER_OPEN


@pytest.mark.parametrize(
    "amounts",
    [
        {"mouthPucker": 1.0},
        {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
        {"mouthPressLeft": 1.0, "mouthPressRight": 1.0},
        {"mouthClose": 1.0, "jawOpen": 1.0},
        {"mouthClose": 0.4, "jawOpen": 0.4},
    ],
)
def test_shut_lips_stay_shut(head: FittedHead, amounts: dict[str, float]) -> None:
    assert gap(head, "lips", shown(head, **amounts)).max() < NEVER_OPEN


def test_a_funnel_opens_round(head: FittedHead) -> None:
    opening = gap(head, "lips", shown(head, mouthFunnel=1.0))
    assert 0.06 < opening.max() < 0.2
    quarter = opening[len(opening) // 4], opening[-1 - len(opening) // 4]
    assert min(quarter) > 0.5 * opening.max()  # a diamond of thin lips has less


def corners_travel(head: FittedHead, **amounts: float) -> np.ndarray:
    """How far both corners of the mouth move, [2, 2] in eye-corner distances."""
    ends = contact_pairs()["lips"].upper[[0, -1]]
    return (shown(head, **amounts) - head.neutral)[ends, :2] / head.inter_ocular


def test_mouths_of_all_widths_smile_press_and_pucker_as_far(head: FittedHead) -> None:
    smile = corners_travel(head, mouthSmileLeft=1.0, mouthSmileRight=1.0)
    # A face that smiles at rest smiles less far on.
    least, most = (0.06, 0.11) if "toothy" in head.flags else (0.1, 0.135)
    assert least < np.linalg.norm(smile, axis=1).mean() < most
    assert (smile[:, 1] < -0.04).all() and smile[0, 0] < -0.02 and smile[1, 0] > 0.02
    press = corners_travel(head, mouthPressLeft=1.0, mouthPressRight=1.0)
    assert np.linalg.norm(press, axis=1).max() < 0.07
    pucker = corners_travel(head, mouthPucker=1.0)
    assert pucker[0, 0] > 0.04 and pucker[1, 0] < -0.04


def test_the_jaw_opens_wide_and_takes_its_teeth_along(head: FittedHead) -> None:
    wide = shown(head, jawOpen=1.0)
    assert 0.25 < gap(head, "lips", wide).max() < 0.6
    moved = wide - head.neutral
    assert moved[head.groups["lower_teeth"], 1].mean() > 0.1 * head.inter_ocular
    assert np.abs(moved[head.groups["upper_teeth"]]).max() < 1e-3


def test_brows_behind_glasses_move_less(portrait: Portrait) -> None:
    brow = ARKIT_INDEX["browInnerUp"]
    bare, behind = (
        np.abs(fit_head(replace(portrait, flags=flags)).deltas[brow]).max()
        for flags in (portrait.flags - {"glasses"}, portrait.flags | {"glasses"})
    )
    assert behind < 0.5 * bare
