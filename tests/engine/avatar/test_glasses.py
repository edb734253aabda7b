"""Behind glasses only lids and eyes move."""

from pathlib import Path

import numpy as np
import pytest

from engine.avatar.contact import contact_pairs
from engine.avatar.fit import fit_head
from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.parts import FittedHead
from engine.avatar.photo import open_portrait
from engine.conventions import ARKIT_INDEX

HOPPER = Path(__file__).parents[3] / "engine" / "assets" / "portraits" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def head(landmarker: FaceLandmarker) -> FittedHead:
    head = fit_head(open_portrait(HOPPER, landmarker))
    assert "glasses" in head.flags
    return head


def movement(head: FittedHead, shape: str, part: np.ndarray) -> float:
    return float(np.linalg.norm(head.deltas[ARKIT_INDEX[shape]][part], axis=1).max())


def band(head: FittedHead, lowest: float, highest: float) -> np.ndarray:
    """Vertices of the face so many eye widths below the corners of the eyes."""
    corners = head.neutral[
        [head.groups[f"{side}_upper_lid"][end] for side in ("left", "right") for end in (0, -1)]
    ]
    width = np.linalg.norm(corners[1] - corners[0])
    skin = head.groups["skin"]
    front = skin[head.neutral[skin, 2] < head.neutral[head.groups["left_eye"], 2].mean()]
    below = (head.neutral[front, 1] - corners[:, 1].mean()) / width
    return front[(below > lowest) & (below < highest)]


@pytest.mark.parametrize(
    "shape", ["browDownLeft", "browInnerUp", "cheekSquintRight", "mouthSmileLeft", "noseSneerLeft"]
)
def test_frames_stay(head: FittedHead, shape: str) -> None:
    assert movement(head, shape, band(head, -0.6, 0.8)) < 0.1


def test_what_lies_beyond_them_moves(head: FittedHead) -> None:
    assert movement(head, "browInnerUp", band(head, -2.0, -1.1)) > 1
    assert movement(head, "mouthSmileLeft", band(head, 1.3, 3.0)) > 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_lids_move_and_meet(head: FittedHead, side: str) -> None:
    blink = head.deltas[ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]]
    assert contact_pairs()[side].gap(head.neutral + blink).max() < 1.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_eyes_do_not_open_wider_than_eyes_do(head: FittedHead, side: str) -> None:
    pair = contact_pairs()[side]
    calm = pair.gap(head.neutral).max()
    wide = pair.gap(head.neutral + head.deltas[ARKIT_INDEX[f"eyeWide{side.capitalize()}"]]).max()
    assert 1.05 * calm < wide < 1.2 * calm
