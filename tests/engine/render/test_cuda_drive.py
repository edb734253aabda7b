"""Driving a batch in torch against the NumPy driver, face by face."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.avatar.avatar import Avatar
from engine.conventions import ARKIT_INDEX, LIP_OFFSET_NAMES
from engine.errors import UnavailableError
from engine.motion.values import Motion, rest
from engine.render.cuda_drive import CONTROL_COUNT, drive, face_tensors, new_driven
from engine.render.cuda_face import controls, prepare, room_for
from engine.render.geometric import GeometricRenderer
from tests.engine.render.made_up import mouth_avatar, sheet_avatar

pytestmark = pytest.mark.usefixtures("one_thread")

POSITION_PX = 1e-3  # float32 sums in another order, on coordinates up to 1000
LIGHT = 1e-4  # of 1, far below the 1/256 that shade is rounded to


def motions() -> list[Motion]:
    """Rest, random expressions and poses, each lip offset alone and together, a mouth wide open, eyes shut."""
    rng = np.random.default_rng(5)
    made = [rest(0)]
    for number in range(6):
        shapes = (rng.uniform(0, 1, 52) * (rng.uniform(size=52) < 0.4)).astype(np.float32)
        pose = (rng.normal(0, 1, 6) * (8, 6, 6, 0.05, 0.05, 0.1)).astype(np.float32)
        offsets = rng.uniform(-0.5, 1, 5).astype(np.float32)
        made.append(Motion(number, shapes, pose, float(rng.uniform()), lip_offsets=offsets))
    for k in range(len(LIP_OFFSET_NAMES)):
        for jaw in (0.0, 0.25, 1.0):
            shapes = np.zeros(52, np.float32)
            shapes[ARKIT_INDEX["jawOpen"]] = jaw
            made.append(replace(rest(0), blendshapes=shapes, lip_offsets=np.eye(5, dtype=np.float32)[k]))
    shut = np.zeros(52, np.float32)
    shut[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = 1
    return [*made, replace(rest(0), blendshapes=shut), replace(rest(0), pose=np.full(6, 3, np.float32))]


def compare(faces: list[GeometricRenderer], batch: list[Motion], size: int) -> None:
    """Every face of a batch, each with its own motion, against itself alone."""
    room = room_for(faces)
    tensors = face_tensors([prepare(face, room).arrays for face in faces], "cpu")
    out = new_driven(len(faces), room.sets, room.vertices, room.outlines, size, "cpu")
    control = np.zeros((len(faces), CONTROL_COUNT), np.float32)
    for row, (face, motion) in enumerate(zip(faces, batch, strict=True)):
        controls(face, motion, row % 2 == 0, control[row])
    drive(tensors, torch.from_numpy(control), size, out)
    for row, (face, motion) in enumerate(zip(faces, batch, strict=True)):
        want = face.scene(motion, row % 2 == 0)
        vertices, sets = len(want.positions), len(want.attributes)
        assert np.abs(out.positions[row, :vertices].numpy() - want.positions).max() < POSITION_PX
        made = out.attributes[row, :sets, :vertices].numpy()
        assert np.abs(made - want.attributes)[..., 2].max() < LIGHT
        assert np.abs(made - want.attributes)[..., :2].max() < 0.02  # texels of the shadow's ramp, 8 a level
        boxes = out.boxes[row].numpy()
        drawn = want.boxes[:, 2] > 0
        assert np.abs(boxes[: len(drawn)] - want.boxes)[drawn].max() <= 1
        assert (boxes[len(drawn) :, 2] == 0).all() and np.array_equal(boxes[: len(drawn), 2] > 0, drawn)
        assert int(out.opacity[row]) == want.opacity


def test_portraits_are_driven_as_by_the_cpu(portraits: list[Avatar]) -> None:
    faces = [GeometricRenderer(avatar, 256) for avatar in portraits]
    every = motions()
    for number, motion in enumerate(every):
        compare(faces, [motion, every[-number]], 256)


def test_faces_of_other_parts_share_a_batch() -> None:
    """A sheet without openings, a mouth without lip offsets, and one whose hair ends at the frame's top."""
    raised = sheet_avatar().positions - np.array([0, 3, 0], np.float32)
    hair = sheet_avatar(
        positions=raised, uv=raised[:, :2].copy(), landmarks=np.full((478, 3), 60, np.float32)
    )
    faces = [GeometricRenderer(avatar, 96) for avatar in (sheet_avatar(), mouth_avatar(10), hair)]
    assert faces[2].driver.top is not None
    for motion in motions():
        compare(faces, [motion] * 3, 96)


def test_a_motion_that_is_not_finite_leaves_the_others_alone() -> None:
    faces = [GeometricRenderer(mouth_avatar(10), 96) for _ in range(2)]
    broken = Motion(0, np.full(52, np.nan, np.float32), np.full(6, np.nan, np.float32))
    row = np.zeros(CONTROL_COUNT, np.float32)
    controls(faces[0], broken, True, row)
    assert (row == 0).all()


def test_a_batch_refuses_a_face_that_needs_more_room() -> None:
    room = room_for([GeometricRenderer(sheet_avatar(), 96)])
    with pytest.raises(UnavailableError, match="room for its lights, edge"):
        prepare(GeometricRenderer(mouth_avatar(10), 96), room)
