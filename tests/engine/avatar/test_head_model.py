"""The baked head: whole, symmetric, and its landmarks where a face has them."""

import numpy as np

from engine.avatar.contact import contact_pairs
from engine.avatar.head_model import load_head_model
from engine.conventions import ARKIT_INDEX

NOSE_TIP, CHIN, FOREHEAD = 1, 152, 10


def test_groups_index_the_mesh_and_lines_run_left_to_right() -> None:
    head = load_head_model()
    for name, members in head.groups.items():
        assert len(members), name
        assert 0 <= members.min() and members.max() < len(head.vertices), name
    for line in ("upper_lip_contact", "lower_lip_contact", "left_upper_lid", "right_lower_lid"):
        x = head.vertices[head.groups[line], 0]
        assert (np.diff(x) > 0).all(), line
    for upper, lower in (("upper_lip_contact", "lower_lip_contact"), ("left_upper_lid", "left_lower_lid")):
        assert head.groups[upper][0] == head.groups[lower][0]
        assert head.groups[upper][-1] == head.groups[lower][-1]


def test_the_head_is_its_own_mirror_image() -> None:
    head = load_head_model()
    flipped = head.vertices[head.mirror] * [-1, 1, 1]
    assert np.abs(flipped - head.vertices).max() < 0.01
    left, right = (head.units[ARKIT_INDEX[f"mouthSmile{side}"]] for side in ("Left", "Right"))
    assert np.abs(left[head.mirror] * [-1, 1, 1] - right).max() < 0.02


def test_landmarks_lie_on_the_face() -> None:
    head = load_head_model()
    places = head.landmarks(head.vertices)
    assert places.shape == (478, 3)
    assert np.allclose(head.landmark_weight.sum(axis=1), 1, atol=1e-5)
    assert places[NOSE_TIP, 2] == places[:468, 2].min()
    assert places[FOREHEAD, 1] < places[NOSE_TIP, 1] < places[CHIN, 1]


def test_units_move_what_they_are_named_for() -> None:
    head = load_head_model()
    jaw = head.units[ARKIT_INDEX["jawOpen"]]
    assert jaw[head.groups["lower_teeth"], 1].mean() > 0.1  # decimetres, down
    assert not jaw[head.groups["upper_teeth"]].any()
    pairs = contact_pairs()
    assert pairs["lips"].gap(head.vertices + jaw).max() > 0.2
    blink = head.units[ARKIT_INDEX["eyeBlinkLeft"]]
    assert pairs["left"].gap(head.vertices + blink).max() < 0.5 * pairs["left"].gap(head.vertices).max()
    assert np.allclose(
        pairs["right"].gap(head.vertices + blink), pairs["right"].gap(head.vertices), atol=1e-3
    )
