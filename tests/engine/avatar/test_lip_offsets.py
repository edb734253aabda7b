"""On the bundled portraits lips seal, tuck, thin, flare and skew, and nothing else of the face moves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.contact import contact_pairs
from engine.avatar.create import create_avatar
from engine.avatar.landmarks import Image
from engine.avatar.teeth import COLUMNS
from engine.conventions import ARKIT_INDEX, LIP_OFFSET_NAMES
from engine.motion.values import Motion, rest
from engine.render.drive import Driver
from engine.render.geometric import GeometricRenderer
from engine.render.layers import LIP_POINTS, part_triangles, part_vertices
from engine.timing import StageTimer

EYES = (33, 133, 159, 145, 263, 362, 386, 374)
NOSE = (1, 4, 5, 6, 197)
CHEEKS = (50, 280)
BOTH_SIDES = ("mouthSmile", "mouthStretch")


@pytest.fixture(scope="module", params=["hopper", "astronaut"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    picture: Image = request.getfixturevalue(str(request.param))
    return create_avatar(picture)


@pytest.fixture(scope="module")
def driver(avatar: Avatar) -> Driver:
    return Driver(avatar)


def lips(**values: float) -> Motion:
    """A motion from blendshapes (both sides at once where there are two) and lip offsets by name."""
    motion = rest(0)
    for name, value in values.items():
        if name in LIP_OFFSET_NAMES:
            motion.lip_offsets[LIP_OFFSET_NAMES.index(name)] = value
        else:
            sides = [name + side for side in ("Left", "Right")] if name in BOTH_SIDES else [name]
            motion.blendshapes[[ARKIT_INDEX[side] for side in sides]] = value
    return motion


def gaps(avatar: Avatar, positions: np.ndarray) -> np.ndarray:
    """The gap between the contact lines at many places between the corners, pixels of a 512 px frame."""
    upper, lower = (positions[avatar.extras[f"lip_{lip}"], :2] for lip in ("upper", "lower"))
    right = (upper[-1] - upper[0]) / np.linalg.norm(upper[-1] - upper[0])
    down = np.array([-right[1], right[0]])
    places = np.linspace(*((upper[[0, -1]] - upper[0]) @ right), 101)
    heights = [
        np.interp(places, (line - upper[0]) @ right, (line - upper[0]) @ down) for line in (upper, lower)
    ]
    return np.asarray((heights[1] - heights[0]) * 512 / avatar.side)


def landmarks(avatar: Avatar, positions: np.ndarray, numbers: tuple[int, ...]) -> np.ndarray:
    vertex, weight = (avatar.extras[f"landmark_{kind}"][list(numbers)] for kind in ("vertex", "weight"))
    assert (vertex >= 0).all()
    return np.asarray(np.einsum("lkc,lk->lc", positions[vertex], weight))


def test_the_lines_are_those_of_the_head_model(avatar: Avatar) -> None:
    pair = contact_pairs()["lips"]
    assert len(avatar.extras["lip_upper"]) == len(pair.upper)
    assert len(avatar.extras["lip_lower"]) == len(pair.lower)
    assert avatar.extras["lip_upper"][0] == avatar.extras["lip_lower"][0]
    assert avatar.extras["lip_upper"][-1] == avatar.extras["lip_lower"][-1]
    assert np.abs(gaps(avatar, avatar.positions)).max() < 2.0  # shut lips, a little overlapping


@pytest.mark.parametrize(
    "also", [{}, {"mouthSmile": 0.6}, {"mouthFunnel": 0.6}, {"mouthStretch": 0.6}, {"mouthPucker": 0.6}]
)
@pytest.mark.parametrize("jaw", [0.0, 0.15, 0.3])
def test_sealed_lips_meet(avatar: Avatar, driver: Driver, jaw: float, also: dict[str, float]) -> None:
    gap = gaps(avatar, driver.drive(lips(jawOpen=jaw, seal=1.0, **also)))
    assert gap.max() < 1.0
    assert gap.min() > -3.0
    if jaw == 0.3:
        assert gaps(avatar, driver.drive(lips(jawOpen=jaw, **also))).max() > 8.0


def test_sealed_lips_stay_shut_when_the_head_turns(avatar: Avatar, driver: Driver) -> None:
    for pose in ([15, 0, 0, 0, 0, 0], [-15, 10, 5, 0, 0, 0], [0, -12, 0, 0, 0, 0]):
        motion = replace(lips(jawOpen=0.3, seal=1.0), pose=np.array(pose, np.float32))
        assert gaps(avatar, driver.drive(motion)).max() < 1.0


def test_a_half_seal_leaves_half_the_gap_and_a_wide_mouth_stays_open(avatar: Avatar, driver: Driver) -> None:
    open_px = gaps(avatar, driver.drive(lips(jawOpen=0.3))).max()
    half_px = gaps(avatar, driver.drive(lips(jawOpen=0.3, seal=0.5))).max()
    assert half_px == pytest.approx(0.5 * open_px, abs=1.0)
    wide, tried = (driver.drive(lips(jawOpen=1.0, seal=seal)).copy() for seal in (0.0, 1.0))
    assert gaps(avatar, tried).max() > 0.8 * gaps(avatar, wide).max()


def test_no_offsets_leave_the_mesh_as_it_is_to_the_bit(avatar: Avatar, driver: Driver) -> None:
    before = replace(avatar, extras={k: v for k, v in avatar.extras.items() if not k.startswith("lip_")})
    motion = lips(jawOpen=0.4, mouthSmile=0.5)
    assert np.array_equal(driver.drive(motion), Driver(before).drive(motion))


def test_avatars_of_before_ignore_offsets(avatar: Avatar) -> None:
    before = Driver(
        replace(avatar, extras={k: v for k, v in avatar.extras.items() if not k.startswith("lip_")})
    )
    still = before.drive(lips(jawOpen=0.3)).copy()
    assert np.array_equal(before.drive(lips(jawOpen=0.3, seal=1.0, thin=1.0)), still)


@pytest.mark.parametrize("name", LIP_OFFSET_NAMES)
def test_only_the_lip_region_moves(avatar: Avatar, driver: Driver, name: str) -> None:
    still = driver.drive(lips(jawOpen=0.25)).copy()
    moved = driver.drive(lips(jawOpen=0.25, **{name: 1.0}))
    far = np.abs(moved - still).max(axis=1)
    assert far.max() > 1.0
    assert far.max() < 0.2 * avatar.inter_ocular
    places = [landmarks(avatar, p, EYES + NOSE + CHEEKS) for p in (still, moved)]
    assert np.array_equal(*places)
    line = avatar.positions[avatar.extras["lip_upper"], :2]
    from_lips = np.linalg.norm(avatar.positions[:, None, :2] - line, axis=2).min(axis=1)
    assert far[from_lips > 0.45 * avatar.inter_ocular].max() == 0.0  # the chin's edge lies at 0.5


@pytest.mark.parametrize("name", LIP_OFFSET_NAMES)
@pytest.mark.parametrize("jaw", [0.0, 0.15])
def test_the_skin_does_not_fold_over(avatar: Avatar, driver: Driver, name: str, jaw: float) -> None:
    skin = part_triangles(avatar, "skin")
    near = np.isin(skin, avatar.extras["lip_vertex"]).any(axis=1) & (avatar.shade[skin] == 1.0).all(axis=1)

    def areas(motion: Motion) -> np.ndarray:
        corner = driver.drive(motion)[skin[near], :2].astype(np.float64)
        a, b = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])

    before, after = areas(lips(jawOpen=jaw)), areas(lips(jawOpen=jaw, **{name: 1.0}))
    turned = np.sign(after) != np.sign(before)
    assert turned.mean() < 0.01
    assert np.abs(before[turned]).sum() < 1e-3 * np.abs(before).sum()


def test_skew_is_antisymmetric_and_grows_with_the_opening(avatar: Avatar, driver: Driver) -> None:
    still, right, left = (driver.drive(lips(jawOpen=0.3, skew=skew)).copy() for skew in (0.0, 0.8, -0.8))
    assert np.allclose(right - still, still - left, atol=1e-3)
    gap = gaps(avatar, right)
    assert gap[60:].sum() > 1.2 * gap[:41].sum()  # the viewer's right
    less = driver.drive(lips(jawOpen=0.1, skew=0.8)) - driver.drive(lips(jawOpen=0.1)).copy()
    assert np.abs(less).max() < 0.6 * np.abs(right - still).max()
    assert np.array_equal(driver.drive(lips(skew=1.0)), driver.drive(lips()).copy())


@pytest.mark.parametrize("jaw", [0.0, 0.1, 0.3])
def test_a_tucked_lip_touches_the_upper_teeth(avatar: Avatar, driver: Driver, jaw: float) -> None:
    positions = driver.drive(lips(jawOpen=jaw, tuck=1.0))
    teeth = positions[part_vertices(avatar, "upper_teeth")[:COLUMNS]]
    lower = positions[avatar.extras["lip_lower"]]
    middle = lower[len(lower) // 2]
    edge = teeth[np.argmin(np.abs(teeth[:, 0] - middle[0]))]
    over_px = (edge[1] - middle[1]) * 512 / avatar.side
    assert 0.0 < over_px < 4.0  # it covers the edge, and little more
    assert middle[2] == pytest.approx(edge[2], abs=0.02 * avatar.inter_ocular)
    assert gaps(avatar, positions).max() > 2.0  # teeth show above it


def test_thin_lips_lose_red_and_flared_ones_gain_it_and_width(avatar: Avatar, driver: Driver) -> None:
    def red(motion: Motion) -> tuple[float, float]:
        upper, upper_edge, lower_edge, lower, left, right = landmarks(
            avatar, driver.drive(motion), (0, 13, 14, 17, 61, 291)
        )[:, :2]
        height = np.linalg.norm(upper_edge - upper) + np.linalg.norm(lower - lower_edge)
        return float(height), float(np.linalg.norm(right - left))

    calm, thin, flared = (
        red(lips(**{name: value})) for name, value in (("thin", 0), ("thin", 1), ("flare", 1))
    )
    assert 0.5 * calm[0] < thin[0] < 0.75 * calm[0]
    assert flared[0] > 1.05 * calm[0]
    assert 0.85 * calm[1] < flared[1] < 0.95 * calm[1]


def test_the_inside_of_the_mouth_goes_with_the_lips(avatar: Avatar, driver: Driver) -> None:
    rim = part_vertices(avatar, "mouth_cavity")[: 2 * LIP_POINTS]
    for motion in (lips(jawOpen=0.3, skew=1.0), lips(jawOpen=0.1, flare=1.0), lips(jawOpen=0.3, seal=0.6)):
        positions = driver.drive(motion)
        for lip, points in zip(("upper", "lower"), (rim[:LIP_POINTS], rim[LIP_POINTS:]), strict=True):
            line = positions[avatar.extras[f"lip_{lip}"]]
            fine = np.linspace(0, len(line) - 1, 2000)
            dense = np.stack([np.interp(fine, np.arange(len(line)), line[:, k]) for k in range(3)], axis=1)
            off = np.linalg.norm(positions[points, None] - dense, axis=2).min(axis=1)
            assert off.max() < 0.3


def test_sealed_lips_hide_the_teeth_of_the_photo(astronaut: Image) -> None:
    avatar = create_avatar(astronaut)
    renderer, driver = GeometricRenderer(avatar), Driver(avatar)
    smile = avatar.extras["photo_blendshapes"]
    opened, sealed = (replace(lips(seal=seal), blendshapes=smile) for seal in (0.0, 1.0))
    assert gaps(avatar, driver.drive(sealed)).max() < 1.0
    mouth = landmarks(avatar, driver.drive(sealed), (13, 14)).mean(axis=0)
    row, column = (mouth[1::-1] * 512 / avatar.side).astype(int)
    box = np.s_[row - 3 : row + 4, column - 8 : column + 9]

    def blue(motion: Motion) -> float:  # lips have less of it than teeth
        frame = renderer.render(motion, StageTimer())
        return float(frame.view(np.uint8).reshape(512, 512, 4)[box][..., 2].mean())

    assert blue(opened) > blue(sealed) + 40
    assert driver.lips_free(opened) == 1.0
    assert driver.lips_free(lips(tuck=0.25)) == pytest.approx(0.75)


def test_the_bundle_keeps_it(avatar: Avatar, driver: Driver, tmp_path: Path) -> None:
    avatar.save(tmp_path / "x.avatar")
    motion = lips(jawOpen=0.3, seal=0.7, skew=0.3)
    again = Driver(Avatar.load(tmp_path / "x.avatar")).drive(motion)
    assert np.array_equal(again, driver.drive(motion))
