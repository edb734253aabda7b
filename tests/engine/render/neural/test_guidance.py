"""What the motion network is told of a frame."""

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX
from engine.errors import InputError
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.render.neural.guidance import FaceView, Guidance
from engine.render.neural.guide import Guide
from engine.render.neural.sizes import CODE_CHANNELS, GRID, LIPS
from engine.timing import StageTimer
from tests.engine.render.made_up import sheet_avatar


def told(avatar: Avatar, motion: Motion, size: int = 256) -> tuple[Guide, FaceView]:
    renderer = GeometricRenderer(avatar, size)
    guidance = Guidance(renderer)
    renderer.render(motion, StageTimer())
    return guidance.guide(renderer.positions), guidance.view


def moved(**changes: float) -> Motion:
    shapes, pose = np.zeros(52, np.float32), np.zeros(6, np.float32)
    for name, value in changes.items():
        if name in ARKIT_INDEX:
            shapes[ARKIT_INDEX[name]] = value
        else:
            pose[["yaw", "pitch", "roll", "tx", "ty", "tz"].index(name)] = value
    return Motion(0, shapes, pose)


def test_the_photo_itself_is_not_free_to_change(hopper: Avatar) -> None:
    guide, _ = told(hopper, moved())
    assert guide.gate.max() < 1e-3
    assert np.abs(guide.shift).max() < 0.02
    assert np.abs(guide.lips).max() < 1e-5


def test_shift_points_to_where_the_photo_has_it(hopper: Avatar) -> None:
    """A head that moves to the right by a known way shows what lies that far to the left in the photo."""
    guide, view = told(hopper, moved(tx=0.05))
    cell = view.side / GRID * hopper.side / 256
    middle = np.s_[GRID // 2 - 4 : GRID // 2 + 4, GRID // 2 - 6 : GRID // 2 + 6]
    expected = -0.05 * hopper.head_width / cell
    np.testing.assert_allclose(guide.shift[0][middle], expected, atol=0.02)
    np.testing.assert_allclose(guide.shift[1][middle], 0.0, atol=0.02)
    assert guide.gate[0][middle].min() > 0.9


def test_an_open_mouth_is_an_opening(hopper: Avatar) -> None:
    shut, _ = told(hopper, moved())
    wide, _ = told(hopper, moved(jawOpen=0.6))
    below = np.s_[0, GRID // 2 :, :]  # the lower half of the view holds the mouth alone
    assert wide.opening[below].sum() > shut.opening[below].sum() + 10
    assert wide.gate[below][wide.opening[below] > 0].min() > 0.5
    upper, lower = wide.lips[2], wide.lips[3]  # inner edges
    assert np.abs(lower).max() > 0.5 > np.abs(upper).mean()


def test_only_the_face_is_free_to_change(hopper: Avatar) -> None:
    """Of a head that moves as a whole, hat, ears and collar move too; free are places within the face's own bounds."""
    shift = 0.05
    guide, view = told(hopper, moved(tx=shift))
    on_grid = GRID / view.side * 256 / hopper.side
    points = hopper.landmarks[:, :2] + [shift * hopper.head_width, 0.0]
    cells = points * on_grid - np.array([view.x, view.y]) * (GRID / view.side)
    low, high = np.floor(cells.min(axis=0)).astype(int) - 3, np.ceil(cells.max(axis=0)).astype(int) + 3
    beside = guide.gate[0].copy()
    beside[low[1] : high[1], low[0] : high[0]] = 0.0
    assert np.hypot(*guide.shift)[beside.shape[0] // 8].max() > 0.5  # the hat moves
    assert beside.max() < 1e-3
    assert guide.gate.max() > 0.9


def test_sizes_and_ranges(hopper: Avatar) -> None:
    guide, view = told(hopper, moved(yaw=12.0, jawOpen=0.3), size=512)
    assert guide.code.shape == (CODE_CHANNELS, GRID, GRID) and guide.lips.shape == (LIPS, GRID, GRID)
    assert 0 <= view.x and view.x + view.side <= 512 and 0 <= view.y and view.y + view.side <= 512
    for value in vars(guide).values():
        assert value.dtype == np.float32 and np.isfinite(value).all()
    assert guide.gate.min() >= 0.0 and guide.gate.max() <= 1.0
    border = np.concatenate([guide.gate[0, [0, -1]].ravel(), guide.gate[0][:, [0, -1]].ravel()])
    assert border.max() < 0.05  # nothing changes at the view's border


def test_old_avatars_are_refused() -> None:
    with pytest.raises(InputError, match="make it again"):
        Guidance(GeometricRenderer(sheet_avatar(), 64))
