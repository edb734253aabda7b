"""The inside of the mouth on the bundled portraits."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.avatar import mouth
from engine.avatar.contact import contact_pairs
from engine.avatar.fit import fit_head
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.mouth import MouthColours, build_mouth, tooth_white
from engine.avatar.parts import FittedHead, Float, MeshPart
from engine.avatar.photo import open_portrait
from engine.avatar.photo_teeth import PhotoTeeth
from engine.avatar.teeth import COLUMNS
from engine.conventions import ARKIT_INDEX
from engine.render.layers import LIP_POINTS

JAW_OPEN = ARKIT_INDEX["jawOpen"]


@pytest.fixture(scope="module", params=["hopper", "astronaut"])
def head(
    request: pytest.FixtureRequest, landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> FittedHead:
    return fit_head(open_portrait(hopper if request.param == "hopper" else astronaut, landmarker))


@pytest.fixture(scope="module")
def parts(head: FittedHead) -> dict[str, MeshPart]:
    return {part.name: part for part in build_mouth(head)}


def test_arrays_fit_together(parts: dict[str, MeshPart]) -> None:
    assert list(parts) == ["mouth_cavity", "tongue", "lower_teeth", "upper_teeth", "mouth_shadow"]
    for part in parts.values():
        count = len(part.positions)
        assert part.deltas.shape == (52, count, 3)
        assert part.uv.shape == (count, 2) and part.shade.shape == part.rigid.shape == part.breath.shape == (
            count,
        )
        assert set(np.unique(part.triangles)) == set(range(count))
        assert (part.uv >= 0).all() and (part.uv <= part.texture.shape[1::-1]).all()
        assert all(np.isfinite(a).all() for a in (part.positions, part.deltas, part.uv, part.shade))


def test_the_cavity_begins_with_the_lips_contact_lines(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    cavity = parts["mouth_cavity"]
    for group, first in (("upper_lip_contact", 0), ("lower_lip_contact", LIP_POINTS)):
        line = head.groups[group]
        for weight in (0.0, 0.6):
            mine = (cavity.positions + weight * cavity.deltas[JAW_OPEN])[first : first + LIP_POINTS]
            lips = (head.neutral + weight * head.deltas[JAW_OPEN])[line]
            assert np.allclose(mine[[0, -1]], lips[[0, -1]], atol=1e-3)
            steps = np.linalg.norm(mine[:, None, :2] - lips[None, :, :2], axis=2).min(axis=1)
            assert steps.max() < 0.05 * head.inter_ocular


def test_the_lower_lip_hangs_round(head: FittedHead) -> None:
    gap = contact_pairs()["lips"].gap(head.neutral + 0.5 * head.deltas[JAW_OPEN])
    quarter = len(gap) // 4
    assert gap[[quarter, -1 - quarter]].min() > 0.75 * gap.max()


def test_upper_teeth_stay_and_lower_ones_follow_the_jaw(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    assert np.abs(parts["upper_teeth"].deltas).max() < 0.005 * head.inter_ocular
    jaw = head.deltas[JAW_OPEN][head.groups["lower_teeth"]].mean(axis=0)
    teeth = parts["lower_teeth"].deltas[JAW_OPEN].mean(axis=0)
    assert jaw[1] > 0.1 * head.inter_ocular
    assert np.allclose(teeth, jaw, atol=0.03 * head.inter_ocular)


def test_teeth_stand_behind_the_lips(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    lips = head.neutral[head.groups["upper_lip_contact"]]
    middle = lips[len(lips) // 2]
    for name in ("upper_teeth", "lower_teeth"):
        teeth = parts[name].positions
        assert teeth[:, 2].min() > middle[2]
        assert abs(teeth[:, 0].mean() - middle[0]) < 0.06 * head.inter_ocular
    edge_of_upper = parts["upper_teeth"].positions[:, 1].max()
    assert middle[1] < edge_of_upper < middle[1] + 0.12 * head.inter_ocular


def test_speech_shows_the_lower_teeth(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    """As in people: with the jaw a little open and the lower lip drawn down their edges stand well above it."""
    lip_line = head.groups["lower_lip_contact"]
    weights = {"jawOpen": 0.25, "mouthLowerDownLeft": 0.25, "mouthLowerDownRight": 0.25}

    def opened(positions: Float, deltas: Float) -> Float:
        return positions + sum(weight * deltas[ARKIT_INDEX[name]] for name, weight in weights.items())

    lip = opened(head.neutral[lip_line], head.deltas[:, lip_line])[len(lip_line) // 2, 1]
    teeth = parts["lower_teeth"]
    edge = opened(teeth.positions, teeth.deltas)[COLUMNS // 2, 1]
    upper_edge = parts["upper_teeth"].positions[COLUMNS // 2, 1]
    assert 0.02 * head.inter_ocular < lip - edge < 0.09 * head.inter_ocular
    assert abs(edge - upper_edge) < 0.06 * head.inter_ocular  # the rows are near each other


def test_the_tongue_ends_as_dark_as_the_throat(head: FittedHead, parts: dict[str, MeshPart]) -> None:
    tongue, throat = parts["tongue"], MouthColours(head).throat.max()
    brightness = tongue.shade * tongue.texture.max(axis=2).mean()
    back = tongue.positions[:, 2] > np.quantile(tongue.positions[:, 2], 0.9)
    assert np.allclose(brightness[back], throat, atol=0.15 * throat)
    assert brightness.max() > 2 * throat


def test_the_shadow_covers_the_opening_from_lip_to_lip(parts: dict[str, MeshPart]) -> None:
    shadow, cavity = parts["mouth_shadow"], parts["mouth_cavity"]
    opened = [part.positions + 0.6 * part.deltas[JAW_OPEN] for part in (shadow, cavity)]
    upper, lower = opened[1][:LIP_POINTS, 1], opened[1][LIP_POINTS : 2 * LIP_POINTS, 1]
    across = opened[0][:, 1].reshape(-1, LIP_POINTS)
    assert (across[0] <= upper).all() and (across[-1] >= lower).all()
    assert shadow.coverage is not None
    assert shadow.coverage[:, 0].max() == 0 and shadow.coverage[:, -1].min() == 255


def test_colours_are_those_of_a_mouth(head: FittedHead) -> None:
    colours = MouthColours(head)
    white = tooth_white(head)
    assert white.min() > (0.7 if "glasses" in head.flags else 0.8) * white.max()
    assert colours.tooth.mean() > colours.lip.mean() > colours.throat.mean()
    for red in (colours.lip, colours.gum, colours.tongue):
        assert red[0] > 1.15 * red[1]
    assert colours.throat.max() < 70


def lit(head: FittedHead, light: tuple[float, float, float]) -> FittedHead:
    return replace(head, photo=np.clip(np.rint(head.photo * light), 0, 255).astype(np.uint8))


def test_teeth_take_the_colour_of_the_light(head: FittedHead) -> None:
    plain, warm, cold = (
        MouthColours(lit(head, light)).tooth
        for light in ((0.8, 0.8, 0.8), (0.8, 0.72, 0.52), (0.6, 0.7, 0.8))
    )
    blue_over_green = [colour[2] / colour[1] for colour in (plain, warm, cold)]
    assert blue_over_green[1] < 0.9 * blue_over_green[0] < blue_over_green[2]


def test_behind_glasses_the_skin_tells_the_lights_colour_too(head: FittedHead) -> None:
    warm = lit(head, (0.8, 0.68, 0.5))
    bare, behind = (tooth_white(replace(warm, flags=frozenset(flags))) for flags in ((), ("glasses",)))
    assert behind[2] / behind[0] < bare[2] / bare[0]


def test_teeth_in_a_narrow_gap_are_not_taken_for_pink(
    head: FittedHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a photo shows of teeth between nearly shut lips is mixed with the lips."""
    found = PhotoTeeth(
        head.photo, np.ones(head.photo.shape[:2]), np.array([150.0, 105.0, 110.0]), 0.0, 1.0, np.zeros(3)
    )
    monkeypatch.setattr(mouth, "find_photo_teeth", lambda head: found)
    tooth, pink = MouthColours(head).tooth, found.colour
    assert tooth[1] / tooth[0] > 1.15 * pink[1] / pink[0] and tooth.max() >= 150


def with_eyes(head: FittedHead, brightness: float, skin: float = 0.5) -> FittedHead:
    """The photo darkened to ``skin``, the openings of its eyes white and so bright beside the skin of the cheeks."""
    photo = np.rint(head.photo * skin)
    cheeks = photo[tuple(np.rint(head.landmarks[[50, 280], 1::-1].T).astype(int))]
    for side in ("left", "right"):
        lids = [head.in_photo[head.groups[f"{side}_{lid}_lid"], :2] for lid in ("upper", "lower")]
        outline = np.rint(np.concatenate([lids[0], lids[1][::-1]])).astype(np.int32)
        cv2.fillPoly(photo, [outline], np.full(3, brightness * (cheeks @ mouth.LUMA).mean()).tolist())
    return replace(head, photo=np.clip(photo, 0, 255).astype(np.uint8))


def test_light_that_reaches_the_whites_of_the_eyes_reaches_the_teeth(head: FittedHead) -> None:
    dark, bright = (build_mouth(with_eyes(head, brightness)) for brightness in (0.6, 1.2))
    shades = []
    for parts in (dark, bright):
        named = {part.name: part for part in parts}
        lower, shadow = named["lower_teeth"], named["mouth_shadow"]
        assert shadow.coverage is not None and lower.coverage is not None
        assert shadow.coverage[0, 0] == 0 and shadow.coverage[0, -1] == 255
        shades.append((lower.texture[lower.coverage > 0].mean(), shadow.coverage[0].mean()))
    (dim, thick), (lit, thin) = shades
    assert lit > 1.2 * dim and thin < 0.8 * thick


def test_teeth_of_dark_skin_are_as_bright_as_the_whites_of_its_eyes(head: FittedHead) -> None:
    dark = with_eyes(head, 2.0, skin=0.25)
    white = 2.0 * np.median(mouth._skin(dark) @ mouth.LUMA)
    assert tooth_white(dark).max() > 0.85 * white
