"""The neural frame: the geometric one, refined where something moved."""

from pathlib import Path

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.motion.values import Motion
from engine.render.geometric import GeometricRenderer
from engine.render.neural.guidance import FaceView
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import NeuralRuntime
from engine.render.neural.torch_runtime import open_torch
from engine.timing import StageTimer
from tests.engine.render.neural.nets import small_weights
from tests.engine.render.neural.test_guidance import moved

SIZE = 256
SPEAKING = moved(jawOpen=0.4, yaw=8.0, mouthFunnel=0.3)


def rgb(frame: np.ndarray) -> np.ndarray:
    return frame.view(np.uint8).reshape(*frame.shape, 4)[..., :3].astype(int)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> NeuralRuntime:
    return open_torch(small_weights(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def renderer(hopper: Avatar, runtime: NeuralRuntime) -> NeuralRenderer:
    return NeuralRenderer(hopper, runtime, SIZE)


def geometric(avatar: Avatar, motion: Motion) -> np.ndarray:
    return GeometricRenderer(avatar, SIZE).render(motion, StageTimer())


def test_at_rest_nothing_is_added(hopper: Avatar, renderer: NeuralRenderer) -> None:
    np.testing.assert_array_equal(renderer.render(moved(), StageTimer()), geometric(hopper, moved()))


def test_changes_stay_in_the_view(hopper: Avatar, renderer: NeuralRenderer) -> None:
    change = np.abs(rgb(renderer.render(SPEAKING, StageTimer())) - rgb(geometric(hopper, SPEAKING))).max(
        axis=2
    )
    view = FaceView.of(hopper, SIZE)
    inside = change[view.slices]
    assert (inside > 0).mean() > 0.2
    change[view.slices] = 0
    assert not change.any()
    assert max(inside[0].max(), inside[-1].max(), inside[:, 0].max(), inside[:, -1].max()) <= 1  # no seam


def test_strength_leads_from_the_geometric_to_the_neural_frame(
    hopper: Avatar, renderer: NeuralRenderer
) -> None:
    plain = geometric(hopper, SPEAKING)
    frames = [renderer.render(SPEAKING, StageTimer(), strength=s) for s in (0.0, 0.25, 0.5, 1.0)]
    np.testing.assert_array_equal(frames[0], plain)
    far = [np.abs(rgb(frame) - rgb(plain)).mean() for frame in frames]
    assert 0.0 == far[0] < far[1] < far[2] < far[3]


def test_frames_are_opaque_repeatable_and_timed(renderer: NeuralRenderer) -> None:
    timer = StageTimer()
    out = np.zeros((SIZE, SIZE), np.uint32)
    first = renderer.render(SPEAKING, timer, out)
    assert first is out and (out >> 24 == 255).all()
    assert {"drive", "rasterise", "guide", "motion_vae", "warp", "generator", "refine"} <= set(timer.take())
    np.testing.assert_array_equal(renderer.render(SPEAKING, StageTimer()), out)


def test_other_weights_make_other_frames(hopper: Avatar, renderer: NeuralRenderer, tmp_path: Path) -> None:
    other = NeuralRenderer(hopper, open_torch(small_weights(tmp_path, seed=1)), SIZE)
    assert (other.render(SPEAKING, StageTimer()) != renderer.render(SPEAKING, StageTimer())).any()
