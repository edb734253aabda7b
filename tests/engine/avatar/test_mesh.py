"""The skin mesh: in one piece, open at mouth and eyes, lying on the photo, moving where it should."""

import numpy as np
import pytest

from engine.avatar.fit import fit_head
from engine.avatar.follow import Following
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.mesh import skin_part
from engine.avatar.parts import FittedHead, MeshPart
from engine.avatar.photo import open_portrait
from engine.conventions import ARKIT_INDEX, ARKIT_NAMES
from engine.errors import PhotoError
from engine.training.synthetic_heads import SyntheticHead

CHIN = 152


@pytest.fixture(scope="module")
def head(landmarker: FaceLandmarker, hopper: Image) -> FittedHead:
    return fit_head(open_portrait(hopper, landmarker))


@pytest.fixture(scope="module")
def whole(head: FittedHead) -> MeshPart:
    """Without a matte: the mesh covers the whole picture."""
    return skin_part(head, head.photo, None, Following(head.landmarks))


@pytest.fixture(scope="module")
def person(head: FittedHead) -> MeshPart:
    coverage = np.zeros(head.photo.shape[:2], np.float32)
    coverage[:, head.side // 4 : -head.side // 4] = 1
    return skin_part(head, head.photo, coverage, Following(head.landmarks))


def rims(part: MeshPart) -> list[set[int]]:
    """Connected pieces of the mesh's boundary; fails where more than two triangles share an edge."""
    sides = np.concatenate([part.triangles[:, [0, 1]], part.triangles[:, [1, 2]], part.triangles[:, [2, 0]]])
    edges, count = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
    assert count.max() <= 2
    pieces: list[set[int]] = []
    for a, b in edges[count == 1].tolist():
        touching = [piece for piece in pieces if a in piece or b in piece]
        pieces = [piece for piece in pieces if piece not in touching]
        pieces.append({a, b}.union(*touching))
    return pieces


def outside_lips(part: MeshPart) -> np.ndarray:
    """Vertices that the photo shows: those inside the lips are darker."""
    return part.shade == 1


def areas(part: MeshPart, positions: np.ndarray) -> np.ndarray:
    a, b, c = (positions[part.triangles[:, k], :2] for k in range(3))
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]


def test_one_surface_open_at_its_border_mouth_and_eyes(whole: MeshPart) -> None:
    assert len(rims(whole)) == 4
    assert np.unique(whole.triangles).size == len(whole.positions)


def turned(yaw: float) -> Image:
    """A photo of a made person, turned by so many degrees."""
    pose = np.array([yaw, 0, 0, 0, 0, 0], np.float32)
    return SyntheticHead.make(9001).render(np.zeros(len(ARKIT_NAMES), np.float32), pose)


@pytest.mark.parametrize("yaw", [-30.0, 33.0])
def test_a_face_turned_sideways_is_open_at_mouth_and_eyes(landmarker: FaceLandmarker, yaw: float) -> None:
    head = fit_head(open_portrait(turned(yaw), landmarker))
    assert len(rims(skin_part(head, head.photo, None, Following(head.landmarks)))) == 4


def test_a_mouth_that_is_partly_hidden_is_refused(
    landmarker: FaceLandmarker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.avatar.photo.TURN_ERROR_DEG", (90.0, 90.0, 90.0))
    head = fit_head(open_portrait(turned(45.0), landmarker))
    with pytest.raises(PhotoError, match="mouth and both eyes whole"):
        skin_part(head, head.photo, None, Following(head.landmarks))


def test_every_vertex_shows_the_photo_where_it_lies(head: FittedHead, whole: MeshPart) -> None:
    inside = (whole.positions[:, :2] > 0).all(axis=1) & (whole.positions[:, :2] < head.side).all(axis=1)
    there = outside_lips(whole) & inside
    off = np.linalg.norm(whole.positions[there, :2] - whole.uv[there], axis=1)
    assert off.max() < 1.5  # the seam between the lips is pressed together
    assert (off < 0.05).mean() > 0.9
    assert (whole.uv >= 0.5).all() and (whole.uv <= head.side - 0.5).all()
    low, high = whole.positions.min(axis=0), whole.positions.max(axis=0)
    assert (low[:2] < -80).all() and (high[:2] > head.side + 80).all()


def test_past_the_frame_goes_on_what_runs_into_its_border(head: FittedHead) -> None:
    coverage = np.zeros(head.photo.shape[:2], np.float32)
    coverage[6:, head.side // 4 : -head.side // 4] = 1  # hair ends just below the upper border
    part = skin_part(head, head.photo, coverage, Following(head.landmarks))
    x, y = part.positions[:, :2].T
    middle = np.abs(x - head.side / 2) < head.side / 5
    above, below = middle & (y < -20), middle & (y > head.side + 20)
    assert above.any() and below.any()
    assert (part.uv[above, 1] == 0.5).all()
    assert (part.uv[below, 1] < head.side - 15).all()


def test_the_head_moves_and_the_torso_does_not(head: FittedHead, person: MeshPart) -> None:
    chin = head.landmarks[CHIN, 1]
    height = chin - head.landmarks[10, 1]
    above, below = person.positions[:, 1] < chin - 5, person.positions[:, 1] > chin + 0.7 * height
    near = np.abs(person.positions[:, 0] - head.landmarks[CHIN, 0]) < 0.45 * height
    assert (person.rigid[above & near] == 1).all()
    assert (person.rigid[below] == 0).all()
    assert (person.breath[below] == 1).all() and (person.breath[above & near] == 0).all()


def test_without_a_matte_the_frame_stays(head: FittedHead, whole: MeshPart) -> None:
    beyond = (whole.positions[:, :2] <= 0).any(axis=1) | (whole.positions[:, :2] >= head.side).any(axis=1)
    assert np.abs(whole.rigid[beyond]).max() < 1e-6
    assert not whole.breath.any()


@pytest.mark.parametrize("amount", [0.3, 0.6, 1.0])
def test_the_neck_is_pressed_together_but_never_folds(
    head: FittedHead, whole: MeshPart, amount: float
) -> None:
    opened = whole.positions + amount * whole.deltas[ARKIT_INDEX["jawOpen"]]
    moved = np.abs(whole.deltas[ARKIT_INDEX["jawOpen"]]).max(axis=1) > 0.5
    neck = moved & (whole.positions[:, 1] > head.landmarks[CHIN, 1] + 4)
    here = neck[whole.triangles].all(axis=1)
    assert here.sum() > 20
    assert (np.sign(areas(whole, opened)[here]) == np.sign(areas(whole, whole.positions)[here])).mean() > 0.99


def test_brows_leave_the_hat_alone(head: FittedHead, whole: MeshPart) -> None:
    hat = whole.positions[:, 1] < head.landmarks[10, 1] - 0.1 * head.inter_ocular
    moved = np.abs(whole.deltas[ARKIT_INDEX["browInnerUp"]])
    assert moved.max() > 0.02 * head.inter_ocular
    assert moved[hat].max() < 0.01 * head.inter_ocular


def test_triangles_far_from_the_person_are_left_out(
    head: FittedHead, whole: MeshPart, person: MeshPart
) -> None:
    assert len(person.triangles) < 0.9 * len(whole.triangles)
    x = person.uv[np.unique(person.triangles), 0]
    assert x.min() > head.side // 4 - 60 and x.max() < 3 * head.side // 4 + 60


def test_what_lies_inside_the_lips_is_deeper_than_the_model_has_it(head: FittedHead, whole: MeshPart) -> None:
    assert whole.source is not None
    ours = whole.source >= 0
    deeper = (whole.positions[ours, 2] - head.neutral[whole.source[ours], 2]) / head.inter_ocular
    inside = ~outside_lips(whole)[ours]
    assert np.allclose(deeper[~inside], 0.0, atol=1e-5)
    assert deeper[inside].min() > 0.015 and deeper[inside].max() < 0.08
