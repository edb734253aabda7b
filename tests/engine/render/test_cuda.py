"""Whole frames of a batch against the CPU's: the same orchestration under emulation, and on a device where there is one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX
from engine.errors import SettingError, UnavailableError
from engine.motion.values import Motion, rest
from engine.render import cuda
from engine.render.badge import add_badge
from engine.render.cuda import CudaRenderer
from engine.render.cuda_batch import STAGES
from engine.render.cuda_face import room_for
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from kernels.colour import rgbx_to_i420
from kernels.cuda import CudaUnavailableError
from tests.engine.render.made_up import SIDE, mouth_avatar, sheet_avatar
from tests.engine.render.test_cuda_drive import motions
from tests.kernels.emulated import EmulatedLauncher

MOST_LEVELS_OFF = 1
"""Of 255, in at least ``SAME_SHARE`` of the values: a vertex may be snapped to the next 1/256 px, and shade to the next
1/256. Beyond: single values at edges between layers."""
SAME_SHARE = 0.9995

Make = Callable[..., CudaRenderer]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def make(drawing: dict[str, Any]) -> Make:
    """Makes a renderer for faces, under emulation or on a device."""
    return partial(CudaRenderer, **drawing)


def alone(
    face: GeometricRenderer, motion: Motion, badge: bool = False, supersample: bool = True
) -> np.ndarray:
    frame = face.render(motion, StageTimer(), supersample=supersample)
    if badge:
        add_badge(frame)
    out = np.empty((face.size * 3 // 2, face.size), np.uint8)
    rgbx_to_i420(frame, out)
    return out


def assert_alike(made: np.ndarray, want: np.ndarray) -> None:
    off = np.abs(made.astype(int) - want)
    assert (off <= MOST_LEVELS_OFF).mean() >= SAME_SHARE, (off.max(), (off > MOST_LEVELS_OFF).mean())


def test_each_row_is_its_own_face_and_motion(make: Make) -> None:
    faces = [
        GeometricRenderer(avatar, SIDE) for avatar in (mouth_avatar(12), sheet_avatar(), mouth_avatar(4))
    ]
    renderer = make(faces, badge=True)
    every = motions()[:6]
    for number in range(len(every)):
        batch = [every[(number + row) % len(every)] for row in range(3)]
        pictures = renderer.render(batch).i420
        assert pictures.shape == (3, SIDE * 3 // 2, SIDE)
        for face, motion, picture in zip(faces, batch, pictures, strict=True):
            assert_alike(picture, alone(face, motion, badge=True))


def test_at_rest_every_bit_is_equal(make: Make) -> None:
    faces = [GeometricRenderer(mouth_avatar(12), SIDE)]
    renderer = make(faces)
    for supersample in (True, False):
        picture = renderer.render([rest(0)], supersample).i420[0]
        assert np.array_equal(picture, alone(faces[0], rest(0), supersample=supersample))


def test_portraits_are_drawn_as_by_the_cpu(make: Make, portraits: list[Avatar]) -> None:
    """The bundled people, the photo's own mouth of the second included, small enough for emulation."""
    faces = [GeometricRenderer(avatar, 128) for avatar in portraits]
    renderer = make(faces)
    jaw = np.zeros(52, np.float32)
    jaw[ARKIT_INDEX["jawOpen"]] = 0.5
    as_photo = [face.avatar.extras.get("photo_blendshapes", jaw) for face in faces]
    turned = np.array([9, -4, 5, 0.02, 0.01, 0.05], np.float32)
    talk = [replace(rest(0), blendshapes=shapes, pose=turned) for shapes in (jaw, *as_photo)]
    for number in range(len(talk)):
        batch = [talk[number], talk[-1 - number]]
        for face, motion, picture in zip(faces, batch, renderer.render(batch).i420, strict=True):
            assert_alike(picture, alone(face, motion))


def test_batches_of_every_size_and_faces_that_change(make: Make) -> None:
    """Frames go on being right when the batch shrinks, grows, is drawn by its graph, and a row gets another face."""
    faces = [GeometricRenderer(mouth_avatar(gap), SIDE) for gap in (12, 4)]
    renderer = make(faces)
    talk = motions()[1]
    for count in (2, 2, 2, 2, 1, 1, 1, 2):
        pictures = renderer.render([talk] * count).i420
        for face, picture in zip(faces, pictures, strict=False):
            assert_alike(picture, alone(face, talk))
    other = GeometricRenderer(mouth_avatar(20), SIDE)
    renderer.set_face(1, other)
    assert_alike(renderer.render([talk] * 2).i420[1], alone(other, talk))
    with pytest.raises(SettingError, match="expected a face for frames of 96 px, got 128"):
        renderer.set_face(0, GeometricRenderer(mouth_avatar(4), 128))


def test_pictures_stay_while_the_next_two_batches_are_drawn(make: Make) -> None:
    renderer = make([GeometricRenderer(mouth_avatar(12), SIDE)])
    first = renderer.render([rest(0)])
    kept = first.i420.copy()
    for motion in motions()[1:3]:
        renderer.render([motion])
    assert np.array_equal(first.i420, kept)


def test_a_broken_motion_spoils_no_other_row(make: Make) -> None:
    face = GeometricRenderer(mouth_avatar(12), SIDE)
    renderer = make([face, face])
    broken = Motion(0, np.full(52, np.nan, np.float32), np.full(6, np.nan, np.float32))
    talk = motions()[2]
    assert_alike(renderer.render([broken, talk]).i420[1], alone(face, talk))


def test_a_frame_launches_nothing_but_its_list(emulated: EmulatedLauncher) -> None:
    """Two kernels a layer and one for colour, whatever the batch; geometry that covers batch and frame."""
    faces = [GeometricRenderer(mouth_avatar(12), SIDE) for _ in range(3)]
    renderer = CudaRenderer(faces, kernels=emulated, device="cpu")
    emulated.launched.clear()
    renderer.render([rest(0)] * 3)
    names = [name for name, _, _ in emulated.launched]
    assert names == ["frame_depth", "frame_paint"] * len(faces[0].layers) + ["frame_i420"]
    assert all(3 in grid[1:] for _, grid, _ in emulated.launched)


def test_times_every_stage(make: Make) -> None:
    renderer = make([GeometricRenderer(mouth_avatar(12), SIDE)])
    assert renderer.batch.stage_ms() is None
    for _ in range(4):  # the graph's replays among them
        _ = renderer.render([rest(0)]).i420
        taken = renderer.batch.stage_ms()
        assert taken is not None and tuple(taken) == STAGES and min(taken.values()) >= 0


def test_no_step_waits_for_a_value(emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a tensor's value would make the host wait for the device, and cannot be recorded in a graph."""
    renderer = CudaRenderer([GeometricRenderer(mouth_avatar(12), SIDE)], kernels=emulated, device="cpu")

    def refuse(self: torch.Tensor, *rest_of: object) -> None:
        raise AssertionError("a value was read inside a frame")

    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "nonzero", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    renderer.render([motions()[1]])


def test_says_what_a_session_needs_and_what_is_missing(
    emulated: EmulatedLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = [GeometricRenderer(mouth_avatar(12), SIDE)]
    renderer = CudaRenderer(faces, room=room_for(faces), kernels=emulated, device="cpu")
    pixels = SIDE * SIDE
    assert renderer.batch.bytes_per_session > pixels * (8 + 4 + 1.5 + 4)  # keys, frame, I420, background
    with pytest.raises(SettingError, match="expected 1 to 1 motions, got 2"):
        renderer.render([rest(0)] * 2)
    with pytest.raises(SettingError, match="expected faces of one frame size, got none"):
        CudaRenderer([], kernels=emulated, device="cpu")

    def none() -> None:
        raise CudaUnavailableError("expected a CUDA device")

    monkeypatch.setattr(cuda, "launcher", none)
    with pytest.raises(UnavailableError, match="expected a CUDA device"):
        CudaRenderer(faces)
