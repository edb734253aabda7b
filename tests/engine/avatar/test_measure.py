"""What is measured on an avatar's own pictures, on avatars that are known to be wrong."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.expressions import POSES
from engine.avatar.flicker import flicker, judge, yaw_sweep
from engine.avatar.landmarks import Image
from engine.avatar.measure import Viewer, closures, landmark_places, leaks, psnr, stretched
from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion

CALM = {"neutral": POSES["neutral"]}


@pytest.fixture(scope="module")
def made(hopper: Image) -> Avatar:
    return create_avatar(hopper)


def without(avatar: Avatar, *names: str) -> Avatar:
    """The avatar with blendshapes that do nothing."""
    value = avatar.delta_value.copy()
    for name in names:
        k = ARKIT_INDEX[name]
        value[avatar.delta_start[k] : avatar.delta_start[k + 1]] = 0
    return replace(avatar, delta_value=value)


def test_landmarks_of_the_mesh_lie_where_the_photo_shows_them(made: Avatar) -> None:
    places = landmark_places(made, made.positions)
    known = np.isfinite(places[:, 0])
    assert 380 < known.sum() < 468
    off = np.linalg.norm(places - made.landmarks[:, :2], axis=1)[known]
    assert np.median(off) < 0.5 and off.max() < 0.03 * made.inter_ocular


def test_openings_that_stay_open_are_seen(made: Avatar) -> None:
    for gap in closures(made).values():
        assert gap.mesh < 0.2 and gap.seen < 0.5
    broken = closures(without(made, "mouthClose", "eyeBlinkLeft"))
    for name in ("lips over open jaw", "left lids"):
        assert broken[name].mesh > 4 and broken[name].seen > 4
    for name in ("lips at rest", "right lids"):
        assert broken[name].mesh < 0.2 and broken[name].seen < 0.5


def test_a_hole_in_the_face_leaks(made: Avatar) -> None:
    assert max(leaks(made, CALM).values()) < 40
    corners = made.positions[made.triangles, :2] - made.landmarks[50, :2]  # a cheek
    kept = np.abs(corners).max(axis=(1, 2)) > 0.1 * made.inter_ocular
    holed = replace(made, triangles=made.triangles[kept], triangle_part=made.triangle_part[kept])
    assert min(leaks(holed, CALM).values()) > 40


def test_a_texture_drawn_too_long_is_stretched(made: Avatar) -> None:
    calm = stretched(made, CALM)["neutral"]
    assert calm < 100
    assert stretched(replace(made, uv=made.uv * np.float32(0.2)), CALM)["neutral"] > 10_000


def test_a_slow_turn_is_smooth(made: Avatar) -> None:
    slow = flicker(made, yaw_sweep()[46:54])
    assert 0 < slow.mean < 1.5 and slow.pops == 0


def test_what_moves_off_the_mesh_flickers(made: Avatar) -> None:
    """Textures that slide over the mesh are not explained by its movement."""

    class Sliding(Viewer):
        def picture(self, motion: Motion) -> Image:
            shift = round(float(motion.pose[0]) * 20) % 7
            return np.roll(super().picture(motion), shift, axis=0)

    smooth, sliding = (flicker(made, yaw_sweep()[46:52], kind) for kind in (Viewer, Sliding))
    assert sliding.mean > 3 * smooth.mean


def test_a_block_that_changes_for_one_frame_pops() -> None:
    blocks = np.random.default_rng(0).uniform(0, 1, (20, 8, 8)).astype(np.float32)
    blocks[:, 2, 3] += 30  # always different, as a moving edge is
    assert judge(blocks, 0.5).pops == 0
    blocks[7, 5, 4] += 20
    found = judge(blocks, 0.5)
    assert (found.pops, found.pop_frame, found.pop_x // 8, found.pop_y // 8) == (1, 8, 4, 5)


def test_psnr_of_a_known_difference() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    grey = np.full((4, 4, 3), 51, np.uint8)  # a fifth of the range
    everything = np.ones((4, 4), bool)
    assert psnr(grey, black, everything) == pytest.approx(20 * np.log10(5))
    assert psnr(black, black, everything) > 80
