"""Vertices follow blendshapes, breath and pose as the conventions say."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX, POSE_NAMES
from engine.motion.values import Motion, rest
from engine.render.drive import BREATH_LIFT, FOREHEAD, LEAN, Driver, head_rotation
from tests.engine.render.made_up import sheet_avatar


def posed(**values: float) -> Motion:
    return replace(rest(0), pose=np.array([values.get(name, 0.0) for name in POSE_NAMES], np.float32))


def moved_nose(motion: Motion) -> np.ndarray:
    """How a point 30 px before the pivot moves."""
    nose = sheet_avatar().pivot - np.array([0, 0, 30], np.float32)
    avatar = sheet_avatar(
        positions=nose[None],
        triangles=np.zeros((0, 3), np.int32),
        triangle_part=np.zeros(0, np.uint8),
        uv=nose[None, :2],
        rigid=np.ones(1, np.float32),
        breath=np.zeros(1, np.float32),
        delta_start=np.zeros(53, np.int32),
        delta_vertex=np.zeros(0, np.int32),
        delta_value=np.zeros((0, 3), np.float32),
    )
    return Driver(avatar).drive(motion)[0] - nose


def test_rest_is_the_neutral_mesh() -> None:
    avatar = sheet_avatar()
    assert np.allclose(Driver(avatar).drive(rest(3)), avatar.positions, atol=1e-4)


def test_pose_signs() -> None:
    assert moved_nose(posed(yaw_deg=10))[0] > 5  # to the viewer's right
    assert moved_nose(posed(pitch_deg=10))[1] > 5  # looks down
    assert np.abs(moved_nose(posed(roll_deg=10))).max() < 1e-3
    assert moved_nose(posed(tx=0.1))[0] == pytest.approx(5, abs=1e-3)
    assert moved_nose(posed(ty=0.1))[1] == pytest.approx(5, abs=1e-3)
    assert moved_nose(posed(tz=0.1))[2] == pytest.approx(-5, abs=1)  # nearer
    clockwise = head_rotation(0, 0, 10) @ np.array([1, 0, 0], np.float32)
    assert clockwise[1] > 0.1  # the picture's right side goes down


def test_nearer_is_larger() -> None:
    avatar = sheet_avatar()
    near = Driver(avatar).drive(posed(tz=0.5))
    assert np.ptp(near[:, 0]) > 1.05 * np.ptp(avatar.positions[:, 0])


def test_angles_are_clamped() -> None:
    assert np.allclose(moved_nose(posed(yaw_deg=90)), moved_nose(posed(yaw_deg=15)))


def test_blendshapes_add_up_as_a_dense_sum_would() -> None:
    avatar, rng = busy_avatar(), np.random.default_rng(5)
    weights = rng.uniform(0, 1, 52).astype(np.float32)
    weights[ARKIT_INDEX["jawOpen"]] = 1.0  # mouthClose closes no more than is open
    dense = np.zeros((52, len(avatar.positions), 3))
    for k in range(52):
        these = slice(avatar.delta_start[k], avatar.delta_start[k + 1])
        np.add.at(dense[k], avatar.delta_vertex[these], avatar.delta_value[these])
    want = avatar.positions + np.einsum("k,kvc->vc", weights, dense)
    assert np.allclose(Driver(avatar).drive(replace(rest(0), blendshapes=weights)), want, atol=1e-3)


def test_frames_do_not_remember_each_other() -> None:
    avatar = busy_avatar()
    driver = Driver(avatar)
    weights = np.random.default_rng(1).uniform(0, 1, 52).astype(np.float32)
    motion = replace(posed(yaw_deg=7, ty=0.1), blendshapes=weights, breath=1.0)
    first = driver.drive(motion).copy()
    driver.drive(replace(rest(1), blendshapes=weights[::-1].copy()))
    assert np.array_equal(driver.drive(motion), first)


def test_breath_lifts_by_its_weight() -> None:
    breath = np.linspace(0, 1, len(sheet_avatar().positions)).astype(np.float32)
    avatar = sheet_avatar(breath=breath)
    lift = avatar.positions[:, 1] - Driver(avatar).drive(replace(rest(0), breath=1.0))[:, 1]
    assert np.allclose(lift, breath * BREATH_LIFT * avatar.head_width, atol=1e-4)


def test_the_torso_leans_a_part_of_the_heads_way() -> None:
    count = len(sheet_avatar().positions)
    breath = np.linspace(0, 1, count).astype(np.float32)
    avatar = sheet_avatar(breath=breath, rigid=np.zeros(count, np.float32))
    moved = Driver(avatar).drive(posed(tx=0.1, ty=-0.04, tz=0.2, yaw_deg=9)) - avatar.positions
    want = breath[:, None] * LEAN * (0.1, -0.04) * avatar.head_width
    assert np.allclose(moved[:, :2], want, atol=1e-4) and not moved[:, 2].any()
    assert (LEAN > 0).all() and (LEAN < 1).all()


def test_a_vertex_without_rigid_weight_stays() -> None:
    rigid = np.zeros(len(sheet_avatar().positions), np.float32)
    avatar = sheet_avatar(rigid=rigid)
    assert np.allclose(Driver(avatar).drive(posed(yaw_deg=15, tx=0.2)), avatar.positions, atol=1e-4)


def busy_avatar() -> Avatar:
    """Random sparse blendshapes, one of them touching a vertex twice."""
    rng, count = np.random.default_rng(2), len(sheet_avatar().positions)
    lengths = rng.integers(0, 20, 52)
    vertex = rng.integers(0, count, lengths.sum()).astype(np.int32)
    vertex[:2] = 7
    return sheet_avatar(
        delta_start=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        delta_vertex=vertex,
        delta_value=rng.normal(0, 3, (len(vertex), 3)).astype(np.float32),
    )


def test_jaw_moves_only_what_it_should() -> None:
    avatar = sheet_avatar()
    motion = rest(0)
    motion.blendshapes[ARKIT_INDEX["jawOpen"]] = 1.0
    moved = Driver(avatar).drive(motion) - avatar.positions
    lower = avatar.positions[:, 1] > avatar.side / 2
    assert np.allclose(moved[lower, 1], 5, atol=1e-4)
    assert np.allclose(moved[~lower], 0, atol=1e-4)


def test_mouth_close_closes_no_more_than_the_jaw_opens() -> None:
    driver = Driver(busy_avatar())

    def driven(**amounts: float) -> np.ndarray:
        weights = np.zeros(52, np.float32)
        weights[[ARKIT_INDEX[name] for name in amounts]] = list(amounts.values())
        return driver.drive(replace(rest(0), blendshapes=weights)).copy()

    assert np.array_equal(driven(jawOpen=0.3, mouthClose=1.0), driven(jawOpen=0.3, mouthClose=0.3))
    assert not np.array_equal(driven(jawOpen=0.3, mouthClose=0.3), driven(jawOpen=0.3, mouthClose=0.2))


def test_the_photos_own_shape_is_reached_at_its_blendshapes_alone() -> None:
    smiling = np.zeros(52, np.float32)
    smiling[ARKIT_INDEX["mouthSmileLeft"]] = 0.6
    plain = busy_avatar()
    offset = np.random.default_rng(3).normal(0, 2, plain.positions.shape).astype(np.float32)
    kept = replace(plain, extras={"photo_blendshapes": smiling, "photo_offset": offset})

    def more(weights: np.ndarray) -> np.ndarray:
        motion = replace(rest(0), blendshapes=weights)
        return Driver(kept).drive(motion) - Driver(plain).drive(motion)

    assert np.allclose(more(smiling), offset, atol=1e-3)
    assert np.allclose(more(np.zeros(52, np.float32)), 0, atol=1e-3)
    assert np.allclose(more(smiling / 2), offset / 2, atol=1e-3)
    opposite = smiling.copy()
    opposite[ARKIT_INDEX["jawOpen"]] = 1.0
    assert np.allclose(more(opposite), 0, atol=1e-3)


def test_hair_at_the_top_border_is_stretched_instead_of_running_out() -> None:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[FOREHEAD] = 48, 40, 0
    positions = sheet_avatar().positions - np.array([0, 3, 0], np.float32)  # one row along the border
    avatar = sheet_avatar(landmarks=landmarks, positions=positions)
    driver = Driver(avatar)
    assert np.allclose(driver.drive(rest(0)), positions, atol=1e-4)
    down = driver.drive(posed(ty=0.3)) - avatar.positions
    above, below = avatar.positions[:, 1] <= 0, avatar.positions[:, 1] >= 40
    assert down[above, 1].max() < 1e-3
    assert down[below, 1] == pytest.approx(15, abs=1e-3)
    up = driver.drive(posed(ty=-0.3)) - avatar.positions
    assert up[:, 1] == pytest.approx(-15, abs=1e-3)
