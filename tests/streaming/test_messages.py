"""The values that travel packed."""

import pickle

import numpy as np

from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion
from streaming.messages import FrameDone, pack_motion, unpack_motion


def test_a_frames_motion_survives_the_way() -> None:
    blendshapes = np.zeros(52, np.float32)
    blendshapes[ARKIT_INDEX["jawOpen"]] = 0.5
    pose = np.array([1, -2, 3, 0.01, -0.02, 0.03], np.float32)
    done = FrameDone("s", 7, 0, 0, 0.0, {}, True, pack_motion(Motion(7, blendshapes, pose)))
    values = unpack_motion(pickle.loads(pickle.dumps(done)).motion)
    assert values.dtype == np.float32 and values.shape == (58,)
    assert values[ARKIT_INDEX["jawOpen"]] == 0.5
    np.testing.assert_array_equal(values[52:], pose)
