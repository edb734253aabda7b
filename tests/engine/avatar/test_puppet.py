"""The landmarks of a driven avatar, and finding out from them how it was driven."""

from dataclasses import replace

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.landmark_rig import LandmarkRig
from engine.avatar.landmarks import Image
from engine.avatar.measure import landmark_places
from engine.avatar.puppet import PuppetFit
from engine.conventions import ARKIT_INDEX
from engine.motion.values import Motion
from engine.render.drive import Driver


@pytest.fixture(scope="module", params=["hopper", "astronaut"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    photo: Image = request.getfixturevalue(request.param)
    return create_avatar(photo)


def motion(pose: tuple[float, ...] = (), **amounts: float) -> Motion:
    shapes = np.zeros(52, np.float32)
    for name, amount in amounts.items():
        shapes[ARKIT_INDEX[name]] = amount
    return Motion(0, shapes, np.array([*pose, *[0.0] * (6 - len(pose))], np.float32))


MOTIONS = [
    motion(),
    motion(jawOpen=0.4),
    motion(jawOpen=0.3, mouthClose=0.8),
    motion(eyeBlinkLeft=0.8, eyeLookDownLeft=0.7),
    motion(mouthSmileLeft=0.6, mouthSmileRight=0.3, browInnerUp=0.5),
]


@pytest.mark.parametrize("shown", MOTIONS)
def test_rig_is_where_the_mesh_is_drawn(avatar: Avatar, shown: Motion) -> None:
    rig = LandmarkRig.of_avatar(avatar)
    drawn = landmark_places(avatar, Driver(avatar).drive(shown))[rig.number]
    there = np.isfinite(drawn).all(axis=1)
    assert there.sum() > 380
    ours = rig.shape(rig.amounts(shown.blendshapes.astype(np.float64)))
    np.testing.assert_allclose(ours[there, :2], drawn[there], atol=0.02)


def test_photo_is_the_zero(avatar: Avatar) -> None:
    rig = LandmarkRig.of_avatar(avatar)
    scores = np.zeros(52, np.float32)
    fit = PuppetFit(rig, scores)
    found = fit.fit(rig.photo, scores, fit.photo)
    np.testing.assert_allclose(found.blendshapes, rig.photo_blendshapes, atol=0.02)
    np.testing.assert_allclose(found.head(avatar.head_width), 0.0, atol=0.1)


def test_motion_is_found_from_landmarks(avatar: Avatar) -> None:
    """The landmarker's scores know only a part of it; the landmarks tell the rest."""
    whole = LandmarkRig.of_avatar(avatar)
    shown = motion((8, 5, -6, 0.03, -0.02, 0.2), jawOpen=0.35, mouthSmileLeft=0.4)
    drawn = landmark_places(avatar, Driver(avatar).drive(shown))
    kept = np.isfinite(drawn[whole.number]).all(axis=1)
    rig = replace(
        whole,
        number=whole.number[kept],
        neutral=whole.neutral[kept],
        deltas=whole.deltas[:, kept],
    )
    photo = Motion(0, rig.photo_blendshapes.astype(np.float32), np.zeros(6, np.float32))
    seen = rig.photo + drawn - landmark_places(avatar, Driver(avatar).drive(photo))
    fit = PuppetFit(rig, photo.blendshapes)
    found = fit.fit(seen, 0.5 * shown.blendshapes, fit.photo)
    head = found.head(avatar.head_width)
    np.testing.assert_allclose(head[:3], shown.pose[:3], atol=1.0)
    np.testing.assert_allclose(head[3:], shown.pose[3:], atol=0.06)
    for name in ("jawOpen", "mouthSmileLeft"):
        assert found.blendshapes[ARKIT_INDEX[name]] == pytest.approx(
            shown.blendshapes[ARKIT_INDEX[name]], abs=0.15
        )
    assert (found.blendshapes >= 0).all() and (found.blendshapes <= 1).all()
