"""Creating, saving and loading avatars; the quality report and the contact sheet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.avatar.create import create_avatar
from engine.avatar.expressions import POSES, own_expression
from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.matte import Matte, PersonMatte
from engine.avatar.measure import Viewer, mouth_mask, psnr
from engine.avatar.photo import open_portrait
from engine.avatar.report import COLUMNS, TILE, quality_report, write_sheet
from engine.conventions import ARKIT_INDEX
from engine.errors import BundleError, InputError, PhotoError, SettingError
from engine.motion.values import rest
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from tests.full_disk import full_disk


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, float]]:
    return []


@pytest.fixture(scope="module")
def made(hopper: Image, steps: list[tuple[str, float]]) -> Avatar:
    return Avatar.from_photo(hopper, rights="public-domain", progress=lambda *step: steps.append(step))


@pytest.fixture(scope="module")
def smiling(astronaut: Image) -> Iterator[Avatar]:
    yield create_avatar(astronaut)


def frame_of(avatar: Avatar) -> np.ndarray:
    frame = GeometricRenderer(avatar, avatar.side).render(rest(0), StageTimer())
    return frame.view(np.uint8).reshape(*frame.shape, 4)[..., :3]


def test_progress_is_told_in_order(made: Avatar, steps: list[tuple[str, float]]) -> None:
    shares = [share for _, share in steps]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] < 1
    assert len({step for step, _ in steps}) == len(steps) >= 4


def test_a_saved_avatar_comes_back_the_same(made: Avatar, tmp_path: Path) -> None:
    made.save(tmp_path / "a.avatar")
    loaded = Avatar.load(tmp_path / "a.avatar")
    assert loaded.rights == "public-domain" and loaded.report == made.report
    assert loaded.part_names == made.part_names
    assert (frame_of(loaded) == frame_of(made)).all()


def test_a_full_disk_leaves_the_files_that_were_there(made: Avatar, tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    for write in (made.save, lambda out: write_sheet(made, out)):
        with full_disk(), pytest.raises(InputError, match="can be written for .*old"):
            write(path)
        assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_at_rest_it_is_the_photo(made: Avatar, hopper: Image) -> None:
    photo = open_portrait(hopper, FaceLandmarker()).photo
    sure = PersonMatte()(photo).alpha > 0.99
    off = np.abs(frame_of(made).astype(int) - photo).max(axis=2)[sure]
    assert off.mean() < 1.5 and (off > 24).mean() < 0.01


def test_at_the_photos_own_expression_it_is_the_photo(smiling: Avatar, astronaut: Image) -> None:
    photo = open_portrait(astronaut, FaceLandmarker()).photo
    own = own_expression(smiling)
    mouth = mouth_mask(smiling.landmarks, smiling.side)
    assert psnr(Viewer(smiling, smiling.side).picture(own), photo, mouth) > 40
    assert psnr(Viewer(smiling, smiling.side).picture(rest(0)), photo, mouth) < 25  # it smiles no more


def test_the_arrays_fit_together(smiling: Avatar) -> None:
    vertices = len(smiling.positions)
    assert smiling.triangles.max() < vertices and smiling.delta_vertex.max() < vertices
    assert smiling.delta_start[0] == 0 and smiling.delta_start[-1] == len(smiling.delta_vertex)
    assert smiling.triangle_part.max() == len(smiling.part_names) - 1
    height, width = smiling.atlas.shape
    assert (smiling.uv >= 0).all() and (smiling.uv <= [width, height]).all()
    for array in (smiling.positions, smiling.uv, smiling.shade, smiling.rigid, smiling.delta_value):
        assert array.dtype == np.float32 and np.isfinite(array).all()
    assert not smiling.positions.flags.writeable


def test_nothing_of_other_parts_is_mixed_into_a_smaller_frame(made: Avatar) -> None:
    """The photo ends at the atlas' first part; a filter that shrinks it to half reads six texels beyond."""
    side = made.side
    beyond = made.atlas[side : side + 6, :side]
    assert (beyond == made.atlas[side - 1, :side]).all()
    assert (made.atlas[:side, side : side + 6] == made.atlas[:side, side - 1 : side]).all()
    small = GeometricRenderer(made, side // 2).layers[0].atlas  # twice as fine as that frame
    covered = (made.atlas[side - 8 : side, :side] >> 24 == 255).all(axis=0)
    inside = cv2.erode(covered.astype(np.uint8), np.ones((1, 15), np.uint8))[0] > 0
    assert inside.sum() > side / 4
    assert (small[side - 2, :side][inside] >> 24 == 255).all()


def test_without_a_matte_the_whole_picture_bends(monkeypatch: pytest.MonkeyPatch, hopper: Image) -> None:
    def unsure(self: PersonMatte, photo: Image, landmarks: object = None) -> Matte:
        return Matte(np.full(photo.shape[:2], 0.5, np.float32), 0.1, False)

    monkeypatch.setattr(PersonMatte, "__call__", unsure)
    avatar = create_avatar(hopper)
    assert any("background" in warning for warning in avatar.report["warnings"])
    side = avatar.side
    assert (avatar.atlas[:side, :side] >> 24 == 255).all()


def test_bad_input_is_refused_with_a_reason(hopper: Image, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="rights"):
        create_avatar(hopper, rights="mine")  # type: ignore[arg-type]
    with pytest.raises(PhotoError, match="face"):
        create_avatar(np.full((300, 300, 3), 127, np.uint8))
    (tmp_path / "no.avatar").write_bytes(b"no zip")
    with pytest.raises(BundleError):
        Avatar.load(tmp_path / "no.avatar")


def test_the_report_sees_a_face_in_every_pose_and_shut_lips(made: Avatar, smiling: Avatar) -> None:
    for avatar in (made, smiling):
        report = quality_report(avatar)
        assert report["found"] == 1.0
        assert report["problems"] == []
        assert report["neutral_lip_gap"] < 0.02 < 0.12 < report["jaw_gap"]
        assert report["fit_residual_px"] < 0.8
        assert 0 < report["landmark_px"] < 1.5 and set(report["landmark_px_of"]) == set(POSES)
        assert max(max(gap.values()) for gap in report["gaps_px"].values()) < 1
        assert report["seam_px"] < 40
    assert any("closed-mouth photo" in line for line in smiling.report["advice"])
    assert not any("mouth" in line for line in made.report["advice"])
    assert any("glasses" in line for line in made.report["advice"])


def test_the_report_says_what_is_wrong(made: Avatar) -> None:
    """An avatar whose jaw pulls everything down and whose blink does nothing."""
    jaw, blinks = ARKIT_INDEX["jawOpen"], [ARKIT_INDEX[f"eyeBlink{side}"] for side in ("Left", "Right")]
    value = made.delta_value.copy()
    value[made.delta_start[jaw] : made.delta_start[jaw + 1]] *= (0, 3, 0)
    for blink in blinks:
        value[made.delta_start[blink] : made.delta_start[blink + 1]] = 0
    problems = quality_report(replace(made, delta_value=value))["problems"]
    assert any("lids do not look shut" in line for line in problems)
    assert any(line.startswith("left lids stay") for line in problems)


def test_the_sheet_shows_the_photo_and_every_pose(made: Avatar, tmp_path: Path) -> None:
    write_sheet(made, tmp_path / "sheet.png", quality_report(made))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    tiles = 1 + len(POSES)
    rows = -(-tiles // COLUMNS)
    assert sheet is not None and sheet.shape[0] > rows * TILE and sheet.shape[1] == COLUMNS * TILE
    words = np.asarray(sheet)[rows * TILE :]
    assert (words > 128).any() and words.mean() < 64
    last = np.asarray(sheet)[(rows - 1) * TILE : rows * TILE, : TILE * (tiles - (rows - 1) * COLUMNS)]
    assert last.std() > 20
    whole = np.asarray(sheet)[30:TILE, :TILE].astype(int)
    photo = cv2.resize(frame_of(made), (TILE, TILE), interpolation=cv2.INTER_AREA)[30:, :, ::-1].astype(int)
    assert np.abs(photo - whole).mean() < 2  # a closed mouth: the photo's own face is the neutral one
