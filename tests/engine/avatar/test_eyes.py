"""The eyes of the bundled portraits."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.attach import resample_line
from engine.avatar.create import create_avatar
from engine.avatar.eyes import IRIS_LANDMARKS, build_eyes
from engine.avatar.fit import fit_head
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.lids import BESIDE_COLUMNS, without_lashes
from engine.avatar.parts import FittedHead, MeshPart
from engine.avatar.photo import open_portrait
from engine.avatar.shut_eye import ShutEye
from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.render.layers import LID_POINTS
from engine.timing import StageTimer
from engine.training.synthetic_heads import SyntheticHead

LUMA = np.array([0.299, 0.587, 0.114])
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def head(landmarker: FaceLandmarker, astronaut: Image) -> FittedHead:
    return fit_head(open_portrait(astronaut, landmarker))


@pytest.fixture(scope="module")
def parts(head: FittedHead) -> dict[str, MeshPart]:
    return {part.name: part for part in build_eyes(head)}


def test_arrays_fit_together(parts: dict[str, MeshPart]) -> None:
    kinds = ("sclera", "iris", "photo_lashes", "lashes")
    assert list(parts) == [f"{side}_{part}" for side in SIDES for part in kinds]
    for part in parts.values():
        count = len(part.positions)
        assert part.deltas.shape == (52, count, 3)
        assert set(np.unique(part.triangles)) == set(range(count))
        assert (part.uv >= 0).all() and (part.uv <= part.texture.shape[1::-1]).all()
        assert all(np.isfinite(a).all() for a in (part.positions, part.deltas, part.uv))


@pytest.mark.parametrize("side", SIDES)
def test_gaze_moves_the_iris_and_not_the_white(side: str, parts: dict[str, MeshPart]) -> None:
    iris = parts[f"{side}_iris"].deltas.mean(axis=1)
    outward = 1 if side == "left" else -1  # the person's left is the viewer's right
    name = side.capitalize()
    assert iris[ARKIT_INDEX[f"eyeLookOut{name}"]][0] * outward > 3
    assert iris[ARKIT_INDEX[f"eyeLookIn{name}"]][0] * outward < -3
    assert iris[ARKIT_INDEX[f"eyeLookUp{name}"]][1] < -1.5
    assert iris[ARKIT_INDEX[f"eyeLookDown{name}"]][1] > 1.5
    assert np.abs(iris[ARKIT_INDEX["jawOpen"]]).max() < 0.1
    assert not parts[f"{side}_sclera"].deltas.any()


def test_the_white_ends_where_a_turned_face_does(landmarker: FaceLandmarker) -> None:
    """Past the far eye's corner lies no skin to cover it: it would shine beside the head."""
    pose = np.array([-30, 0, 0, 0, 0, 0], np.float32)
    photo = SyntheticHead.make(9003).render(np.zeros(len(ARKIT_INDEX), np.float32), pose)
    turned = fit_head(open_portrait(photo, landmarker))
    whites = {part.name: part for part in build_eyes(turned) if part.name.endswith("sclera")}
    far = whites["right_sclera"].positions
    outer_corner = turned.in_photo[turned.groups["right_upper_lid"][0], 0]
    assert far[:, 0].min() == pytest.approx(outer_corner, abs=1.0)
    near = whites["left_sclera"].positions
    assert np.ptp(near[:, 0]) > 1.2 * np.ptp(far[:, 0])


@pytest.mark.parametrize("side", SIDES)
def test_the_iris_is_whole_and_the_white_has_none(
    side: str, head: FittedHead, parts: dict[str, MeshPart]
) -> None:
    iris, white = parts[f"{side}_iris"], parts[f"{side}_sclera"]
    centre = head.landmarks[IRIS_LANDMARKS[side], :2]
    place = np.rint(iris.uv[np.argmin(np.linalg.norm(iris.positions[:, :2] - centre, axis=1))]).astype(int)
    around = np.s_[place[1] - 9 : place[1] + 10, place[0] - 9 : place[0] + 10]
    assert iris.coverage is not None
    assert (iris.coverage[around] == 255).all()
    corner = np.rint(iris.uv[0]).astype(int)
    assert iris.coverage[corner[1], corner[0]] == 0
    assert (white.texture[around] @ LUMA).mean() > 1.4 * (iris.texture[around] @ LUMA).mean()
    # Completed by its radial profile: the upper, hidden half is about as dark as the lower one.
    dark = iris.texture[place[1] - 20 : place[1] + 21, place[0] - 20 : place[0] + 21] @ LUMA
    assert dark[:12].mean() < 1.35 * dark[-12:].mean()


@pytest.mark.parametrize("side", SIDES)
def test_the_lash_line_appears_only_as_the_lid_comes_down(side: str, parts: dict[str, MeshPart]) -> None:
    blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
    lashes = parts[f"{side}_lashes"]
    assert area(lashes, lashes.positions) < 1e-3
    assert area(lashes, lashes.positions + lashes.deltas[blink]) > 20
    shut = lashes.positions + lashes.deltas[blink]
    gap = shut[LID_POINTS : 2 * LID_POINTS, 1] - shut[:LID_POINTS, 1]
    assert np.abs(gap[3:-3]).max() < 2.0  # the margins meet
    opened = lashes.positions[LID_POINTS : 2 * LID_POINTS, 1] - lashes.positions[:LID_POINTS, 1]
    assert opened[LID_POINTS // 2] > 6


@pytest.mark.parametrize("side", SIDES)
def test_lashes_stand_up_on_an_open_eye_and_hang_down_from_a_shut_one(
    side: str, parts: dict[str, MeshPart]
) -> None:
    blink = ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]
    lashes = parts[f"{side}_photo_lashes"]
    columns = LID_POINTS + 2 * BESIDE_COLUMNS
    middle = slice(columns // 2, None, columns)  # from under the margin to the tips
    assert (np.diff(lashes.positions[middle, 1]) < 0).all()
    hanging = np.diff((lashes.positions + lashes.deltas[blink])[middle, 1])
    assert (hanging > -1e-3).all() and (hanging[:3] > 0.1).all()  # what stood highest is folded away


def test_lashes_over_the_clean_lid_give_the_photo(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    clean = without_lashes(head, head.photo)
    changed = (clean != head.photo).any(axis=2)
    assert 50 < changed.sum() < 2000
    for side in SIDES:
        lashes = parts[f"{side}_photo_lashes"]
        first = lashes.uv[LID_POINTS + 3 * BESIDE_COLUMNS]  # of the second row, which lies along the margin
        corner = np.rint(head.in_photo[head.groups[f"{side}_upper_lid"][0], :2] - first).astype(int)
        tall, wide = lashes.texture.shape[:2]
        box = np.s_[corner[1] : corner[1] + tall, corner[0] : corner[0] + wide]
        assert lashes.coverage is not None
        share = lashes.coverage[..., None] / 255
        again = share * lashes.texture + (1 - share) * clean[box]
        off = np.abs(again - head.photo[box]).max(axis=2)
        assert np.quantile(off[changed[box]], 0.8) < 4
        assert off[~changed[box]].max() < 2


def test_lids_behind_glasses_have_the_hue_of_skin(landmarker: FaceLandmarker, hopper: Image) -> None:
    head = fit_head(open_portrait(hopper, landmarker))
    clean = without_lashes(head, head.photo)
    for side in SIDES:
        upper, lower = (head.in_photo[head.groups[f"{side}_{lid}_lid"], :2] for lid in ("upper", "lower"))
        width = float(np.linalg.norm(upper[-1] - upper[0]))
        share = []
        for line, aside in ((upper, -0.08), (lower, 0.3)):
            x, y = np.rint(line[len(line) // 2] + (0, aside * width)).astype(int)
            colour = clean[y - 1 : y + 2, x - 3 : x + 4].reshape(-1, 3).astype(float).mean(axis=0)
            share.append(colour / colour.sum())
        assert np.abs(share[0] - share[1]).max() < 0.09


@pytest.mark.parametrize("photo", ["astronaut", "hopper"])
@pytest.mark.parametrize("side", SIDES)
def test_a_shut_lid_has_no_upright_bars(
    photo: str, side: str, landmarker: FaceLandmarker, request: pytest.FixtureRequest
) -> None:
    head = fit_head(open_portrait(request.getfixturevalue(photo), landmarker))
    clean = without_lashes(head, head.photo) @ LUMA
    corner = np.floor(head.in_photo[head.groups[f"{side}_upper_lid"], :2].min(axis=0)).astype(int) - 40
    shape = (120, 160)
    shut = ShutEye.of(head, side, (corner[0], corner[1]), shape).shown(
        clean[corner[1] : corner[1] + shape[0], corner[0] : corner[0] + shape[1]]
    )
    upper, lower = (
        head.in_photo[head.groups[f"{side}_{lid}_lid"], :2] - corner for lid in ("upper", "lower")
    )
    low = round(float(0.4 * upper[len(upper) // 2, 1] + 0.6 * lower[len(lower) // 2, 1]))
    lid = shut[round(float(upper[:, 1].min())) : low, round(float(upper[0, 0])) : round(float(upper[-1, 0]))]
    brightness = np.median(lid, axis=0)
    assert lid.shape[0] >= 3 and lid.shape[1] >= 25
    assert np.abs(brightness[3:] - brightness[:-3]).max() < 0.2 * brightness.mean()


@pytest.mark.parametrize("side", SIDES)
def test_hair_right_above_an_eye_gives_its_lid_no_colour(side: str, head: FittedHead) -> None:
    upper, lower = (head.in_photo[head.groups[f"{side}_{lid}_lid"], :2] for lid in ("upper", "lower"))
    width = float(np.linalg.norm(upper[-1] - upper[0]))
    photo = head.photo.copy()
    photo[: int(upper[:, 1].min() - 0.06 * width)] = (36, 30, 28)
    fringed = replace(head, photo=photo)
    corner, shape = np.floor(upper.min(axis=0)).astype(int) - 40, (120, 160)
    seen = np.s_[corner[1] : corner[1] + shape[0], corner[0] : corner[0] + shape[1]]
    clean = without_lashes(fringed, photo)[seen] @ LUMA
    shut = ShutEye.of(fringed, side, (corner[0], corner[1]), shape).shown(clean)
    x, y = np.rint((upper.mean(axis=0) + lower.mean(axis=0)) / 2 - corner).astype(int)
    lid, under = shut[y - 2 : y + 3, x - 5 : x + 6], clean[y + round(0.35 * width), x - 5 : x + 6]
    assert np.median(lid) > 0.6 * np.median(under)


@pytest.mark.parametrize("side", SIDES)
def test_no_bright_line_lies_along_the_lid_of_an_open_eye(
    side: str, head: FittedHead, astronaut: Image
) -> None:
    still = Motion(0, np.zeros(52, np.float32), np.zeros(6, np.float32))
    frame = GeometricRenderer(create_avatar(astronaut), head.side).render(still, StageTimer())
    drawn = frame.view(np.uint8).reshape(head.side, head.side, 4)[:, :, :3] @ LUMA
    brighter = drawn - head.photo @ LUMA
    margin = head.in_photo[head.groups[f"{side}_upper_lid"], :2]
    places = (resample_line(margin, 60) @ margin).astype(int)
    near = [brighter[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in places]
    assert np.mean(near) < 24


def area(part: MeshPart, positions: np.ndarray) -> float:
    """Area of the part in the picture, px."""
    a, b, c = (positions[part.triangles[:, k], :2] for k in range(3))
    one, two = b - a, c - a
    return float(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]).sum() / 2)
