"""From picture to portrait: framing, choice of the face, and every reason to refuse."""

from collections.abc import Callable

import cv2
import numpy as np
import PIL.Image
import pytest

from engine.avatar.landmarks import FaceLandmarker, Image
from engine.avatar.photo import TURN_ERROR_DEG, SeveralFacesError, open_portrait
from engine.conventions import ARKIT_NAMES
from engine.errors import PhotoError
from engine.training.synthetic_heads import SyntheticHead


def scaled(image: Image, factor: float) -> Image:
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8)


def refusal(image: Image, landmarker: FaceLandmarker, face: int | None = None) -> str:
    with pytest.raises(PhotoError) as caught:
        open_portrait(image, landmarker, face)
    message = str(caught.value)
    assert "expected" in message and "\n" not in message and len(message) < 300
    return message


def encoded(picture: Image) -> bytes:
    """The picture as the bytes of a PNG."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def side_by_side(left: Image, right: Image) -> Image:
    height = max(left.shape[0], right.shape[0])
    pair = [
        cv2.copyMakeBorder(one, 0, height - len(one), 0, 0, cv2.BORDER_REPLICATE) for one in (left, right)
    ]
    return np.hstack(pair).astype(np.uint8)


@pytest.mark.parametrize("name", ["hopper", "astronaut"])
def test_portrait_is_framed_as_in_a_video_call(
    name: str, landmarker: FaceLandmarker, request: pytest.FixtureRequest
) -> None:
    image: Image = request.getfixturevalue(name)
    portrait = open_portrait(image, landmarker)
    assert portrait.photo.shape == (portrait.side, portrait.side, 3) and portrait.photo.dtype == np.uint8
    assert 512 <= portrait.side <= 768
    x, y, width, height = portrait.landmarks.box
    assert 0.30 <= width / portrait.side <= 0.40
    assert 0.4 <= (x + width / 2) / portrait.side <= 0.6
    assert y > 0.15 * portrait.side and y + height < 0.8 * portrait.side  # room for hair, and for shoulders
    # The canvas is that part of the photo, at another size.
    affine = portrait.canvas_from_photo
    back = cv2.warpAffine(portrait.photo, affine, image.shape[1::-1], flags=cv2.WARP_INVERSE_MAP).astype(
        np.uint8
    )
    left, top = np.linalg.solve(affine[:, :2], np.array([x, y]) - affine[:, 2]).astype(int)
    right, bottom = np.linalg.solve(affine[:, :2], np.array([x + width, y + height]) - affine[:, 2]).astype(
        int
    )
    face = np.s_[top:bottom, left:right]
    assert np.abs(back[face].astype(int) - image[face]).mean() < 4
    assert portrait.face_px == pytest.approx(width / affine[0, 0], rel=0.05)


def test_flags_tell_the_mouths_apart(landmarker: FaceLandmarker, hopper: Image, astronaut: Image) -> None:
    assert "toothy" in open_portrait(astronaut, landmarker).flags
    assert not open_portrait(hopper, landmarker).flags & {"toothy", "parted_lips"}


def test_glasses_are_seen(landmarker: FaceLandmarker, hopper: Image, astronaut: Image) -> None:
    assert "glasses" in open_portrait(hopper, landmarker).flags
    bare = open_portrait(astronaut, landmarker)
    assert "glasses" not in bare.flags
    points = bare.landmarks.points[:, :2]
    worn = bare.photo.copy()
    for eye in (468, 473):
        cv2.circle(
            worn, tuple(points[eye].astype(int)), round(0.25 * bare.landmarks.inter_ocular), (40, 35, 30), 4
        )
    inner = points[[133, 362]].astype(int) + (0, -2)
    cv2.line(worn, tuple(inner[0]), tuple(inner[1]), (40, 35, 30), 4)
    assert "glasses" in open_portrait(worn, landmarker).flags


def test_small_face_warns_and_tiny_face_is_refused(landmarker: FaceLandmarker, hopper: Image) -> None:
    (warning,) = open_portrait(scaled(hopper, 0.5), landmarker).warnings
    assert "px wide" in warning
    assert not open_portrait(scaled(hopper, 1.3), landmarker).warnings
    assert "at least 64 px" in refusal(scaled(hopper, 40 / 182), landmarker)


@pytest.mark.parametrize("factor", [2.9, 6.1])
def test_large_photo_is_averaged_down(landmarker: FaceLandmarker, hopper: Image, factor: float) -> None:
    large = cv2.resize(hopper, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    portrait, same = open_portrait(large, landmarker), open_portrait(hopper, landmarker)
    assert portrait.side == 768 and not portrait.warnings
    again = cv2.resize(portrait.photo, (same.side, same.side), interpolation=cv2.INTER_AREA)
    assert np.abs(again.astype(int) - same.photo).mean() < 8
    moved = np.linalg.norm(portrait.landmarks.points * same.side / 768 - same.landmarks.points, axis=1)
    assert moved.mean() < 4


def test_tight_photo_is_taken_as_it_is(landmarker: FaceLandmarker, hopper: Image) -> None:
    tight = np.ascontiguousarray(hopper[60:400, 110:420])
    portrait = open_portrait(tight, landmarker)
    x, _, width, _ = portrait.landmarks.box
    assert 0.5 < width / portrait.side < 0.65 and 0 < x
    assert portrait.side >= 512


def test_face_at_the_edge_is_padded_toward_the_middle(landmarker: FaceLandmarker, astronaut: Image) -> None:
    cut = np.ascontiguousarray(astronaut[:, 165:])
    portrait = open_portrait(cut, landmarker)
    x, _, width, _ = portrait.landmarks.box
    assert 0.33 < (x + width / 2) / portrait.side < 0.67


def test_no_face(landmarker: FaceLandmarker, hopper: Image) -> None:
    assert "found none" in refusal(np.ascontiguousarray(hopper[420:]), landmarker)
    assert "found none" in refusal(np.full((300, 300, 3), 127, np.uint8), landmarker)


def test_several_faces_are_listed_and_can_be_chosen(
    landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    pair = side_by_side(hopper, astronaut)
    with pytest.raises(SeveralFacesError) as caught:
        open_portrait(pair, landmarker)
    boxes = caught.value.boxes
    assert len(boxes) == 2 and boxes[0][0] < 512 < boxes[1][0]
    assert all(str(box[0]) in str(caught.value) for box in boxes)
    left, right = (open_portrait(pair, landmarker, face) for face in (0, 1))
    assert "toothy" not in left.flags and "toothy" in right.flags
    assert "face number" in refusal(pair, landmarker, 2)
    assert "face number" in refusal(pair, landmarker, -1)


def test_a_bystander_far_behind_does_not_count(
    landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    small = scaled(astronaut[40:220, 130:320], 0.42)  # a face a fifth as wide as the other
    crowd = hopper.copy()
    crowd[60 : 60 + len(small), 420 : 420 + small.shape[1]] = small
    assert "toothy" not in open_portrait(crowd, landmarker).flags


@pytest.mark.parametrize(
    ("turns", "words"), [(1, "90 degrees clockwise"), (2, "180 degrees"), (3, "90 degrees counter-clockwise")]
)
def test_a_file_on_its_side_is_turned_and_a_picture_in_memory_refused(
    landmarker: FaceLandmarker, hopper: Image, turns: int, words: str
) -> None:
    lying = np.ascontiguousarray(np.rot90(hopper, turns))
    assert f"turn the picture by {words}" in refusal(lying, landmarker)
    upright, turned = (open_portrait(encoded(picture), landmarker) for picture in (hopper, lying))
    assert (turned.photo == upright.photo).all()
    assert f"the photo was turned by {words}" in turned.warnings
    assert not any("turned by" in warning for warning in upright.warnings)


def test_faces_of_a_file_on_its_side_are_listed_where_they_lie_in_it(
    landmarker: FaceLandmarker, hopper: Image, astronaut: Image
) -> None:
    pair = side_by_side(hopper, astronaut)
    with pytest.raises(SeveralFacesError) as upright:
        open_portrait(encoded(pair), landmarker)
    for turns in (1, 2, 3):
        lying = np.ascontiguousarray(np.rot90(pair, turns))
        with pytest.raises(SeveralFacesError) as caught:
            open_portrait(encoded(lying), landmarker)
        for box, (x, y, width, height) in zip(caught.value.boxes, upright.value.boxes, strict=True):
            marked = np.zeros(pair.shape[:2], bool)
            marked[y : y + height, x : x + width] = True
            rows, columns = np.nonzero(np.rot90(marked, turns))
            expected = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
            assert np.abs(np.subtract(box, expected)).max() <= 1


def test_a_face_cut_by_the_edge_is_refused(landmarker: FaceLandmarker, hopper: Image) -> None:
    assert "edge cuts" in refusal(np.ascontiguousarray(hopper[:305]), landmarker)  # through the chin
    assert "edge cuts" in refusal(np.ascontiguousarray(hopper[:, 215:]), landmarker)  # through the cheek


def tilted(photo: Image, degrees: float) -> Image:
    turn = cv2.getRotationMatrix2D((256.0, 240.0), degrees, 0.8)
    return cv2.warpAffine(photo, turn, (512, 600), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def test_a_tilted_head_is_taken_unless_it_lies(landmarker: FaceLandmarker, hopper: Image) -> None:
    assert open_portrait(tilted(hopper, 33.0), landmarker).angles_deg[2] == pytest.approx(-33.0, abs=5.0)
    assert "tilted by about 4" in refusal(tilted(hopper, -47.0), landmarker)


def test_a_head_turned_sideways_is_taken_while_its_mouth_shows(landmarker: FaceLandmarker) -> None:
    def photo(yaw: float) -> Image:
        pose = np.array([yaw, 0, 0, 0, 0, 0], np.float32)
        return SyntheticHead.make(9005).render(np.zeros(len(ARKIT_NAMES), np.float32), pose)

    portrait = open_portrait(photo(30.0), landmarker)
    assert portrait.angles_deg[0] == pytest.approx(30.0, abs=TURN_ERROR_DEG[0])
    assert any("frontal photo" in warning for warning in portrait.warnings)
    assert "turned sideways by at most 35 degrees" in refusal(photo(48.0), landmarker)


@pytest.mark.parametrize(
    ("given", "came"),
    [
        (lambda photo: photo[..., 0], r"uint8 \[300, 250\]"),
        (lambda photo: np.dstack([photo, photo[..., :1]]), r"uint8 \[300, 250, 4\]"),
        (lambda photo: photo / np.float32(255), r"float32 \[300, 250, 3\]"),
        (PIL.Image.fromarray, "Image"),
        (bytearray, "bytearray"),
        (lambda photo: None, "NoneType"),
    ],
)
def test_other_pictures_in_memory_are_told_what_is_taken(
    landmarker: FaceLandmarker, given: Callable[[Image], object], came: str
) -> None:
    grey = np.full((300, 250, 3), 127, np.uint8)
    with pytest.raises(PhotoError, match=rf"a path, the bytes of a file, or an array, .*, got {came}"):
        open_portrait(given(grey), landmarker)  # type: ignore[arg-type]


def test_an_array_may_be_a_mirrored_view(landmarker: FaceLandmarker, hopper: Image) -> None:
    mirrored = open_portrait(hopper[:, ::-1], landmarker)
    copied = open_portrait(hopper[:, ::-1].copy(), landmarker)
    np.testing.assert_array_equal(mirrored.photo, copied.photo)
