"""Neural frames of a batch against the CPU's: under emulation, and on a device where there is one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.avatar.avatar import Avatar
from engine.errors import SettingError, UnavailableError
from engine.motion.values import Motion, rest
from engine.render.badge import add_badge
from engine.render.cuda import CudaRenderer
from engine.render.cuda_batch import REFINED_STAGES, STAGES
from engine.render.cuda_face import prepare, room_for
from engine.render.cuda_neural import NEURAL_STAGES
from engine.render.geometric import GeometricRenderer
from engine.render.neural.guidance import Guidance
from engine.render.neural.guide import Guide, Portrait, tell
from engine.render.neural.renderer import NeuralRenderer
from engine.render.neural.runtime import NeuralRuntime
from engine.render.neural.torch_runtime import open_torch
from engine.timing import StageTimer
from kernels.colour import rgbx_to_i420
from tests.engine.render.neural.nets import small_weights
from tests.engine.render.test_cuda import alone
from tests.engine.render.test_cuda_drive import motions
from tests.kernels.emulated import EmulatedLauncher

SIZE = 128
LOUDNESS = 0.2
"""Networks that change frames by up to 50 of 255 levels, so that agreeing says something."""

MOST_LEVELS_OFF = 2
"""Of 255, in single precision and in bf16: the bar of ``tests.engine.render.neural.test_runtimes``."""
SAME_SHARE = 0.9995
"""Of the values, in a frame; the others may be further off where a vertex is snapped to the next 1/256 px."""

Make = Callable[..., CudaRenderer]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def make(drawing: dict[str, Any]) -> Make:
    """Makes a renderer for faces, under emulation or on a device."""
    return partial(CudaRenderer, **drawing)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> NeuralRuntime:
    return open_torch(small_weights(tmp_path_factory.mktemp("weights"), loudness=LOUDNESS), "fp32")


@pytest.fixture(scope="module")
def faces(portraits: list[Avatar], runtime: NeuralRuntime) -> list[NeuralRenderer]:
    """Two people, the second one's photo with an expression of its own, and the first one again."""
    first, second = portraits
    return [NeuralRenderer(avatar, runtime, SIZE) for avatar in (first, second, first)]


def refined(face: NeuralRenderer, motion: Motion, strength: float = 1.0, badge: bool = False) -> np.ndarray:
    frame = face.render(motion, StageTimer(), strength=strength)
    if badge:
        add_badge(frame)
    out = np.empty((SIZE * 3 // 2, SIZE), np.uint8)
    rgbx_to_i420(frame, out)
    return out


def assert_near(made: np.ndarray, want: np.ndarray) -> None:
    off = np.abs(made.astype(int) - want)
    assert (off <= MOST_LEVELS_OFF).mean() >= SAME_SHARE, (off.max(), (off > MOST_LEVELS_OFF).mean())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_each_row_is_its_own_neural_frame(make: Make, faces: list[NeuralRenderer], precision: str) -> None:
    renderer = make(faces, badge=True, precision=precision)
    every = motions()[1:5]
    strengths = [1.0, 0.4, 0.7]
    for number in range(len(every)):
        batch = [every[(number + row) % len(every)] for row in range(3)]
        pictures = renderer.render(batch, strengths=strengths).i420
        for face, motion, strength, picture in zip(faces, batch, strengths, pictures, strict=True):
            want = refined(face, motion, strength, badge=True)
            assert_near(picture, want)
            changed = np.abs(want.astype(int) - alone(face.geometric, motion, badge=True))
            assert changed.max() > 10  # or agreeing would prove nothing


def test_networks_read_and_say_what_they_do_on_a_cpu(
    emulated: EmulatedLauncher, faces: list[NeuralRenderer]
) -> None:
    """Closer than a frame's levels can show: the shifted view, the photo's features carried along, and what is drawn."""
    renderer = CudaRenderer(faces[:2], kernels=emulated, device="cpu")
    refiner = renderer.batch.refiner
    assert refiner is not None
    for talk in motions()[1:4]:
        _ = renderer.render([talk, talk], strengths=[1.0, 0.5]).i420
        for row, strength in enumerate((1.0, 0.5)):
            face = faces[row]
            face.render(talk, StageTimer(), strength=strength)
            for made, want in (
                (refiner._picture, face._picture),
                (refiner._carried, face._carried),
                (refiner._maps, face._maps),
            ):
                off = np.abs(made[row].numpy() - want) / np.abs(want).max()
                assert (
                    np.quantile(off, 0.99) < 1e-4
                )  # the rest: cells at edges, where a vertex is snapped otherwise


def test_at_rest_every_bit_is_the_geometric_frames(make: Make, faces: list[NeuralRenderer]) -> None:
    renderer = make([faces[0], faces[2]])
    for supersample in (True, False):
        pictures = renderer.render([rest(0), rest(0)], supersample).i420
        assert tuple(renderer.batch.stage_ms() or ()) == REFINED_STAGES
        want = alone(faces[0].geometric, rest(0), supersample=supersample)
        assert np.array_equal(pictures[0], want) and np.array_equal(pictures[1], want)


def test_without_strength_frames_are_geometric(make: Make, faces: list[NeuralRenderer]) -> None:
    """In a batch with others the networks run and are not heard; where all rows are so they do not run."""
    renderer = make(faces[:2])
    plain = make([face.geometric for face in faces[:2]])
    for talk in motions()[1:3]:
        want = plain.render([talk] * 2).i420.copy()
        mixed = renderer.render([talk] * 2, strengths=[0.0, 1.0]).i420
        assert np.array_equal(mixed[0], want[0]) and (mixed[1] != want[1]).any()
        assert tuple(renderer.batch.stage_ms() or ()) == REFINED_STAGES
        assert np.array_equal(renderer.render([talk] * 2, strengths=[0.0, 0.0]).i420, want)
        assert tuple(renderer.batch.stage_ms() or ()) == STAGES


def test_batches_of_every_size_and_faces_that_change(make: Make, faces: list[NeuralRenderer]) -> None:
    """Graphs of both kinds, and rows that get another face, of another person."""
    renderer = make(faces[:2], room=room_for(faces))
    talk = motions()[2]
    for count, strength in (
        (2, 1.0),
        (2, 1.0),
        (2, 0.0),
        (2, 1.0),
        (1, 1.0),
        (2, 0.0),
        (2, 0.0),
        (2, 0.0),
        (2, 1.0),
    ):
        pictures = renderer.render([talk] * count, strengths=[strength] * count).i420
        for face, picture in zip(faces, pictures, strict=False):
            assert_near(picture, refined(face, talk, strength))
    renderer.set_face(0, faces[1])
    assert_near(renderer.render([talk] * 2).i420[0], refined(faces[1], talk))


def test_times_every_stage_by_the_cpus_names(make: Make, faces: list[NeuralRenderer]) -> None:
    timer = StageTimer()
    faces[0].render(motions()[1], timer)
    assert set(NEURAL_STAGES) < set(timer.take())
    renderer = make(faces[:1])
    for _ in range(4):  # the graph's replays among them
        _ = renderer.render([motions()[1]]).i420
        taken = renderer.batch.stage_ms()
        assert taken is not None and tuple(taken) == REFINED_STAGES and min(taken.values()) >= 0


def test_a_broken_motion_spoils_no_other_row(make: Make, faces: list[NeuralRenderer]) -> None:
    renderer = make(faces[:2])
    broken, talk = Motion(0, np.full(52, np.nan, np.float32), np.full(6, np.nan, np.float32)), motions()[2]
    assert_near(renderer.render([broken, talk]).i420[1], refined(faces[1], talk))


def test_refuses_faces_and_strengths_that_do_not_fit(
    emulated: EmulatedLauncher, faces: list[NeuralRenderer], portraits: list[Avatar], tmp_path: Path
) -> None:
    def made(some: list) -> CudaRenderer:
        return CudaRenderer(some, kernels=emulated, device="cpu")

    plain = GeometricRenderer(portraits[0], SIZE)
    other = NeuralRenderer(portraits[0], open_torch(small_weights(tmp_path, seed=1)), SIZE)
    with pytest.raises(
        SettingError, match=r"all geometric or share one network's weights, got .*none \(geom"
    ):
        made([faces[0], plain])
    with pytest.raises(SettingError, match=r"share one network's weights, got .*safetensors, .*safetensors"):
        made([faces[0], other])
    renderer = made(faces[:1])
    with pytest.raises(SettingError, match="share one network's weights"):
        renderer.set_face(0, plain)
    with pytest.raises(SettingError, match="expected 1 strengths, got 2"):
        renderer.render([rest(0)], strengths=[1.0, 1.0])
    with pytest.raises(SettingError, match="expected no strengths for geometric faces"):
        made([plain]).render([rest(0)], strengths=[1.0])
    with pytest.raises(UnavailableError, match="room for its skin, canvas"):
        prepare(faces[0], room_for([plain]))


def test_says_what_a_session_needs(emulated: EmulatedLauncher, faces: list[NeuralRenderer]) -> None:
    neural = CudaRenderer(faces[:1], kernels=emulated, device="cpu").batch.bytes_per_session
    plain = CudaRenderer([faces[0].geometric], kernels=emulated, device="cpu").batch.bytes_per_session
    assert neural - plain > 4 * (
        8 * 256 * 256 + 2 * 64 * 64 * 8
    )  # maps, the view, features of photo and frame


def test_torch_tells_of_a_batch_as_numpy_does_of_each(faces: list[NeuralRenderer]) -> None:
    """The guide alone, for rows of two people: other views, landmarks and photos."""
    talk = motions()[3]
    told: list[tuple[Guidance, np.ndarray, Guide]] = []
    for face in faces[:2]:
        positions = face.geometric.driver.drive(talk).copy()
        told.append((face.guidance, positions, face.guidance.guide(positions)))
    rows = []
    for guidance, positions, _ in told:
        guidance.guide(positions)
        rows.append((guidance._planes.copy(), guidance._triangle.copy()))
    most = max(len(positions) for _, positions, _ in told)
    arrays = [prepare(face, room_for(faces)).arrays for face in faces[:2]]

    def stacked(values: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(values))

    known = told[0][0].portrait
    portrait = Portrait(
        **{
            name: stacked([row[f"portrait_{name}"] for row in arrays])
            for name in (
                "corner",
                "cell",
                "place",
                "covered",
                "face",
                "person",
                "vertex",
                "weight",
                "edges",
                "lips",
            )
        },
        canvas_side=room_for(faces).canvas,
        centres=torch.from_numpy(known.centres),
        window=torch.from_numpy(known.window),
    )
    padded = [np.pad(positions, ((0, most - len(positions)), (0, 0))) for _, positions, _ in told]
    planes, triangle = (stacked([row[k] for row in rows]) for k in (0, 1))
    made = tell(portrait, planes, triangle, stacked(padded), torch)
    for row, (_, _, want) in enumerate(told):
        for name, value in vars(want).items():
            np.testing.assert_allclose(getattr(made, name)[row].numpy(), value, atol=1e-5, err_msg=name)
