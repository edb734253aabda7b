"""Manners of speaking: a face has its own, modest and always the same; the user's wish comes on top."""

import numpy as np
import pytest

from engine.motion.manner import OWN, Manner, lively, own_manner


def test_every_face_has_a_modest_manner_of_its_own() -> None:
    rng = np.random.default_rng(0)
    faces = rng.normal(0, 0.4, (50, 30)).astype(np.float32)
    manners = np.array([own_manner(face).vector() for face in faces])
    assert np.abs(manners).max() <= OWN
    assert manners.std(axis=0).min() > 0.1
    assert own_manner(faces[3]) == own_manner(faces[3].copy())


@pytest.mark.parametrize("articulation", [-0.35, 0.0, 0.35])
def test_expressiveness_adds_articulation_within_range(articulation: float) -> None:
    own = Manner(articulation, 0.2)
    assert lively(own, 1.0) == own
    low, high = lively(own, 0.0), lively(own, 2.0)
    assert -1.0 <= low.articulation < articulation < high.articulation <= 1.0
    assert low.jaw == high.jaw == 0.2
