"""A damaged bundle is refused in one line, whatever is wrong with it."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.avatar.avatar import Avatar
from engine.errors import BundleError
from engine.motion.values import rest
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer
from tests.engine.render.made_up import landmarked_avatar, sheet_avatar


def message_of(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Avatar.load(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 400
    return message


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "a.avatar"
    landmarked_avatar(6.0).save(path)
    return path


def test_whole_avatars_come_through(bundle: Path, tmp_path: Path) -> None:
    assert Avatar.load(bundle).extras.keys() == {"landmark_vertex", "landmark_weight"}
    sheet_avatar().save(tmp_path / "b.avatar")
    assert Avatar.load(tmp_path / "b.avatar").side == 96


def test_bits_that_fell_over_never_raise_anything_else(bundle: Path) -> None:
    whole = np.frombuffer(bundle.read_bytes(), np.uint8)
    random = np.random.default_rng(3)
    for _ in range(300):
        broken = whole.copy()
        # The directory at the end, the names and flags at the beginning, or anywhere.
        low, high = [(-200, 0), (0, 100), (-len(whole), 0)][random.integers(3)]
        broken[random.integers(low, high, 4)] = random.integers(0, 256, 4)
        bundle.write_bytes(broken.tobytes())
        try:
            Avatar.load(bundle)
        except BundleError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("at", "value"),
    [(8, 99), (6, 1), (-1, 0)],
    ids=["a compression that there is not", "encrypted", "cut short"],
)
def test_zip_files_that_cannot_be_unpacked_are_refused(bundle: Path, at: int, value: int) -> None:
    data = bytearray(bundle.read_bytes())
    if at < 0:
        data = data[: len(data) // 2]
    else:
        entry = data.rindex(b"PK\1\2")  # of arrays.safetensors, in the directory
        data[entry + at + 2] = value
        local = data.rindex(b"PK\3\4")
        data[local + at] = value
    bundle.write_bytes(bytes(data))
    assert "cannot be read" in message_of(bundle)


def test_packed_data_that_is_damaged_is_refused(bundle: Path) -> None:
    data = bytearray(bundle.read_bytes())
    start = data.index(b"arrays.safetensors") + 18
    data[start : start + 40] = b"\xff" * 40
    bundle.write_bytes(bytes(data))
    assert "cannot be read" in message_of(bundle)


def one_off(name: str, value: object) -> Callable[[Avatar], dict[str, Any]]:
    """A change of the first value of a member."""

    def change(avatar: Avatar) -> dict[str, Any]:
        array = np.array(getattr(avatar, name))
        array.flat[0] = value
        return {name: array}

    return change


def lips(
    vertex: tuple[int, ...] = (2, 3, 4, 5), upper: tuple[int, ...] = (2, 3), lower: tuple[int, ...] = (4, 5)
) -> Callable[[Avatar], dict[str, Any]]:
    """Lips whose lines are these vertices."""
    numbers = {"lip_vertex": vertex, "lip_upper": upper, "lip_lower": lower}
    more = {name: np.array(value, np.int32) for name, value in numbers.items()}
    more["lip_follow"] = np.zeros((len(vertex), 3), np.float32)
    return lambda avatar: {"extras": {**avatar.extras, **more}}


def fewer(part: str, count: int) -> Callable[[Avatar], dict[str, Any]]:
    """So many triangles of a part and no more."""

    def change(avatar: Avatar) -> dict[str, Any]:
        mine = avatar.triangle_part == avatar.part_names.index(part)
        kept = ~mine | (np.cumsum(mine) <= count)
        return {"triangles": avatar.triangles[kept], "triangle_part": avatar.triangle_part[kept]}

    return change


def with_photo_mouth(avatar: Avatar, **changes: np.ndarray) -> dict[str, Any]:
    """The extras of an avatar whose photo has a mouth of its own, some of them changed."""
    extras = {
        "photo_mouth": np.zeros((4, 6), np.uint32),
        "photo_mouth_corner": np.zeros(2, np.float32),
        "photo_mouth_triangles": avatar.triangles[:2],
        "photo_blendshapes": np.zeros(52, np.float32),
        "photo_offset": np.zeros_like(avatar.positions),
    }
    return {"extras": {**avatar.extras, **extras, **changes}}


def test_what_may_be_empty_comes_through_and_is_drawn(tmp_path: Path) -> None:
    """Nothing that a shape moves, no identity, and parts that no light and no box go by."""
    whole = landmarked_avatar(6.0)
    empty = replace(
        whole,
        part_names=(*whole.part_names, "tongue", "upper_teeth", "mouth_shadow", "left_sclera"),
        delta_start=np.zeros(53, np.int32),
        delta_vertex=np.zeros(0, np.int32),
        delta_value=np.zeros((0, 3), np.float32),
        style=np.zeros(0, np.float32),
        **with_photo_mouth(whole),
    )
    empty.save(tmp_path / "a.avatar")
    GeometricRenderer(Avatar.load(tmp_path / "a.avatar"), 64).render(rest(0), StageTimer())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (fewer("mouth_cavity", 0), "at least 66 vertices in the part mouth_cavity, got 0"),
        (fewer("mouth_cavity", 20), "at least 66 vertices in the part mouth_cavity, got 22"),
        (
            lambda a: {"part_names": (*a.part_names, "left_lashes")},
            "at least 50 vertices in the part left_lashes, got 0",
        ),
        (
            lambda a: {
                "part_names": (*a.part_names, "clothing"),
                "extras": {
                    **a.extras,
                    "before_clothing": np.zeros((96, 96), np.uint8),
                    "inside_collar": np.zeros((96, 96), np.uint8),
                },
            },
            "at least 3 vertices in the part clothing, got 0",
        ),
        (
            lambda a: {"triangles": a.triangles[:0], "triangle_part": a.triangle_part[:0], "part_names": ()},
            "something in triangles, got [0, 3]",
        ),
        (lambda a: {"part_names": ("skin", "mouth_shadow")}, "mouth_cavity beside mouth_shadow"),
        (
            lambda a: with_photo_mouth(a, photo_mouth=np.zeros((0, 6), np.uint32)),
            "something in photo_mouth, got [0, 6]",
        ),
        (
            lambda a: with_photo_mouth(a, photo_mouth_triangles=np.zeros((0, 3), np.int32)),
            "something in photo_mouth_triangles, got [0, 3]",
        ),
        (lambda a: {"positions": a.positions.astype(np.float64)}, "float32 [V, 3] as positions, got float64"),
        (lambda a: {"shade": a.shade[:-1]}, "[V] as shade with V = "),
        (lambda a: {"uv": a.uv[:, :1]}, "[V, 2] as uv"),
        (lambda a: {"triangles": a.triangles.reshape(-1)}, "[T, 3] as triangles"),
        (lambda a: {"triangle_part": a.triangle_part[1:]}, "[T] as triangle_part"),
        (lambda a: {"background": a.background[:-1]}, "[side, side] as background"),
        (lambda a: {"landmarks": a.landmarks[:468]}, "[478, 3] as landmarks"),
        (lambda a: {"delta_value": np.zeros((7, 3), np.float32)}, "[N, 3] as delta_value"),
        (lambda a: {"pivot": 3.0}, "an array as pivot, got float"),
        (one_off("positions", np.nan), "finite numbers up to 1e+06 in positions"),
        (one_off("shade", np.inf), "finite numbers up to 1e+06 in shade"),
        (one_off("positions", -1e20), "finite numbers up to 1e+06 in positions"),
        (one_off("triangles", 10**6), "in triangles, got 0 to 1000000"),
        (one_off("triangles", -1), "in triangles, got -1"),
        (one_off("triangle_part", 200), "numbers from 0 to 1 in triangle_part"),
        (one_off("delta_start", 1), "delta_start to rise from 0"),
        (lambda a: {"side": 96.5}, "whole number as side, got 96.5"),
        (lambda a: {"side": 0}, "whole number as side"),
        (lambda a: {"head_width": float("nan")}, "above 0, up to 1e+06, as head_width"),
        (lambda a: {"inter_ocular": "wide"}, "as inter_ocular, got 'wide'"),
        (lambda a: {"head_width": 1e300}, "up to 1e+06, as head_width"),
        (lambda a: {"atlas": a.atlas[:95]}, "an atlas of at least 96 x 96, got [95, "),
        (lips(vertex=(5, 4, 3, 2)), "rising numbers in lip_vertex"),
        (lips(upper=()), "two and more of lip_vertex in lip_upper"),
        (lips(lower=(2, 9)), "two and more of lip_vertex in lip_lower"),
        (lambda a: {"rights": "stolen"}, "rights of self, permission"),
        (lambda a: {"rights": None}, "rights of self, permission"),
        (lambda a: {"report": []}, "a table as report"),
        (lambda a: {"part_names": (1, 2)}, "words as part_names"),
        (lambda a: {"part_names": ("skin", ["mouth_cavity"])}, "words as part_names"),
        (lambda a: {"part_names": ("skin", "clothing")}, "before_clothing beside clothing"),
        (lambda a: {"extras": {"landmark_vertex": a.extras["landmark_vertex"]}}, "landmark_weight beside"),
        (
            lambda a: {"extras": {**a.extras, "landmark_vertex": a.extras["landmark_vertex"] - 9000}},
            "numbers from -1 to",
        ),
        (lambda a: {"extras": {"photo_blendshapes": np.zeros(51, np.float32)}}, "[52] as photo_blendshapes"),
        (
            lambda a: {"extras": {"else": np.full(3, np.nan, np.float32)}},
            "finite numbers up to 1e+06 in else",
        ),
    ],
)
def test_members_that_cannot_be_are_refused(
    tmp_path: Path, change: Callable[[Avatar], dict[str, Any]], says: str
) -> None:
    avatar = landmarked_avatar(6.0)
    path = tmp_path / "a.avatar"
    for name, value in change(avatar).items():
        object.__setattr__(avatar, name, value)
    avatar.save(path)
    message = message_of(path)
    assert "is damaged: expected" in message and says in message


@pytest.mark.parametrize("header", [[], {}, {"format": "vividlive-avatar", "version": 4, "values": 3}])
def test_another_header_is_refused(tmp_path: Path, bundle: Path, header: object) -> None:
    path = tmp_path / "b.avatar"
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(path, "w") as new:
        new.writestr("avatar.json", json.dumps(header))
        new.writestr("arrays.safetensors", old.read("arrays.safetensors"))
    message_of(path)
