"""From a photo to an avatar."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.avatar.advice import advice
from engine.avatar.alignment import IRIS_LANDMARKS
from engine.avatar.appearance import clarity
from engine.avatar.avatar import RIGHTS, Avatar, Rights
from engine.avatar.beside import background_beside
from engine.avatar.clothing import clothing
from engine.avatar.contact import contact_pairs
from engine.avatar.eyes import build_eyes
from engine.avatar.face_region import pixel_centres
from engine.avatar.fit import fit_head
from engine.avatar.follow import Following
from engine.avatar.framing import CHIN
from engine.avatar.garment import Undressed, undress
from engine.avatar.head_model import load_head_model
from engine.avatar.landmarks import FaceLandmarker
from engine.avatar.layers import background_plate, decided, foreground, uncovered, within
from engine.avatar.lip_follow import lip_follow
from engine.avatar.lips import shut_lips_picture
from engine.avatar.matte import Matte, PersonMatte
from engine.avatar.mesh import skin_part
from engine.avatar.mouth import build_mouth
from engine.avatar.parts import FittedHead, Float, Image, MeshPart
from engine.avatar.photo import Portrait, open_portrait
from engine.avatar.photo_shape import photo_shape
from engine.conventions import ARKIT_INDEX
from engine.errors import SettingError
from engine.packed import packed_rgb

Progress = Callable[[str, float], None]

BORDER: Final = 8
"""Copied texels around each part of an atlas: a frame of three eighths of the canvas reads it by a filter that reaches so far."""

STILL_PX: Final = 0.01
"""Blendshapes that move a vertex less than this on a 512 px canvas leave it out."""


def create_avatar(
    source: str | Path | bytes | Image | Portrait,
    rights: Rights = "unstated",
    face: int | None = None,
    progress: Progress | None = None,
) -> Avatar:
    """Make an avatar from one photo.

    source, face: as in ``open_portrait``, or a portrait that was opened already. rights: on what ground the picture is
    used. progress: told the step's name and the share of the work done before it, in [0, 1]; 0 until the photo was found to
    show one face that will do.

    Raises:
        PhotoError: the photo cannot become an avatar; the message says why.
        SettingError: ``rights`` is none of ``RIGHTS``.
    """
    if rights not in RIGHTS:
        raise SettingError(f"expected rights to be one of {', '.join(RIGHTS)}, got {rights!r}")
    tell = progress or (lambda step, share: None)
    tell("loading the networks", 0.0)
    person_matte = PersonMatte()
    load_head_model()
    contact_pairs()
    if isinstance(source, Portrait):
        portrait = source
    else:
        landmarker = FaceLandmarker()
        tell("finding the face", 0.0)
        portrait = open_portrait(source, landmarker, face)
    tell("cutting out the person", 0.3)
    matte = person_matte(portrait.photo, portrait.landmarks.points)
    if matte.trusted and not portrait.inside.all():
        chin = float(portrait.landmarks.points[CHIN, 1])
        photo = background_beside(portrait.photo, portrait.inside, matte.alpha, chin)
        portrait = replace(portrait, photo=photo)
        matte = person_matte(portrait.photo, portrait.landmarks.points)
    tell("fitting the head", 0.4)
    head = fit_head(portrait)
    undressed, plate, following = _take_apart(head, matte)
    skin = skin_part(head, shut_lips_picture(head, undressed.person), undressed.coverage, following)
    tell("building mouth and eyes", 0.8)
    parts = [skin, *build_mouth(head), *build_eyes(head)]
    if undressed.clothing is not None:
        parts.append(undressed.clothing)
    warnings = list(portrait.warnings)
    if not matte.trusted:
        warnings.append(
            "the person cannot be told from the background: the whole picture bends with the head"
        )
    blinks = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    report: dict[str, Any] = {
        "warnings": warnings,
        "flags": sorted(head.flags),
        "face_px": round(portrait.face_px),
        "angles_deg": [round(angle, 1) for angle in portrait.angles_deg],
        "fit_residual_px": round(head.residual_px, 2),
        "misfit": round(head.misfit, 4),
        "matte_confidence": round(matte.confidence, 3),
        "cut_top": round(float((matte.alpha[:2] > 0.5).mean()), 3),
        "shut_eyes": round(float(portrait.landmarks.blendshapes[blinks].max()), 3),
    }
    report |= clarity(portrait.photo, portrait.landmarks)
    report["advice"] = advice(report)
    return join_parts(head, parts, plate, rights, report, undressed.extras)


def _take_apart(head: FittedHead, matte: Matte) -> tuple[Undressed, Image, Following]:
    """The person with clothing as a layer of its own, the plate behind, and what follows the head."""
    if not matte.trusted:
        return Undressed(head.photo, None), head.photo, Following(head.landmarks)
    coverage = decided(matte.alpha)
    worn = clothing(head.photo, coverage, head.landmarks)
    following = Following.of(head.landmarks, coverage, worn)
    # What is worn belongs to the plate: where the neck moves away from a collar, more of that shows.
    still, seen = 1.0 - worn, np.maximum(coverage, matte.alpha)
    plate = background_plate(head.photo, seen * still, _moving(following, head.side) * still)
    rooted = within(coverage)
    plate = uncovered(plate, head.photo, seen, worn * (1.0 - rooted))
    person = foreground(head.photo, coverage, plate)
    return undress(person, coverage, worn, following, rooted), plate, following


def _moving(following: Following, side: int) -> Float:
    """How far each pixel follows the head, float32 [side, side]."""
    return following.pose(pixel_centres(side)).astype(np.float32)


def join_parts(
    head: FittedHead,
    parts: Sequence[MeshPart],
    background: Image,
    rights: Rights,
    report: dict[str, Any],
    extras: Mapping[str, NDArray[Any]],
) -> Avatar:
    """One mesh and one atlas from all parts; the first part's texture lies at the atlas' top left."""
    atlas, corners = _pack(parts)
    starts = np.cumsum([0, *(len(part.positions) for part in parts)])
    deltas = np.concatenate([part.deltas for part in parts], axis=1)
    moved = [np.flatnonzero(np.abs(d).max(axis=1) > STILL_PX * head.side / 512) for d in deltas]
    return Avatar(
        side=head.side,
        positions=np.concatenate([part.positions for part in parts]),
        delta_start=np.cumsum([0, *map(len, moved)]).astype(np.int32),
        delta_vertex=np.concatenate(moved).astype(np.int32),
        delta_value=np.concatenate([d[m] for d, m in zip(deltas, moved, strict=True)]),
        triangles=np.concatenate(
            [part.triangles + start for part, start in zip(parts, starts, strict=False)]
        ).astype(np.int32),
        triangle_part=np.repeat(np.arange(len(parts)), [len(part.triangles) for part in parts]).astype(
            np.uint8
        ),
        part_names=tuple(part.name for part in parts),
        uv=np.concatenate([part.uv + corner for part, corner in zip(parts, corners, strict=True)]).astype(
            np.float32
        ),
        shade=np.concatenate([part.shade for part in parts]),
        rigid=np.concatenate([part.rigid for part in parts]),
        breath=np.concatenate([part.breath for part in parts]),
        atlas=atlas,
        background=packed_rgb(background),
        pivot=head.pivot,
        head_width=head.head_width,
        inter_ocular=head.inter_ocular,
        landmarks=head.landmarks,
        style=head.style,
        rights=rights,
        extras=_landmark_places(parts[0]) | photo_shape(head, parts) | lip_follow(parts) | dict(extras),
        report=report,
    )


def _landmark_places(skin: MeshPart) -> dict[str, NDArray[Any]]:
    """Which vertices of the skin, the avatar's first part, the landmarks lie between, -1 where it lacks them."""
    head = load_head_model()
    number = np.full(len(head.vertices), -1, np.int32)
    assert skin.source is not None
    ours = np.flatnonzero(skin.source >= 0)
    number[skin.source[ours]] = ours
    vertex = number[head.landmark_triangle]
    vertex[(vertex < 0).any(axis=1)] = -1
    vertex[list(IRIS_LANDMARKS)] = -1
    return {"landmark_vertex": vertex, "landmark_weight": head.landmark_weight.copy()}


def _pack(parts: Sequence[MeshPart]) -> tuple[NDArray[np.uint32], list[NDArray[np.float32]]]:
    """The atlas and each part's corner in it: textures side by side in rows, each with a copied border; the first lies in the
    corner, where reading stops by itself."""
    width = max(part.texture.shape[1] for part in parts)
    places: list[tuple[int, int]] = []
    x = y = row = 0
    shared: dict[int, int] = {}
    for index, part in enumerate(parts):
        if (first := shared.setdefault(id(part.texture), index)) != index:
            places.append(places[first])
            continue
        tall, wide = part.texture.shape[:2]
        if index == 0:
            places.append((0, 0))
            y = tall + BORDER
            continue
        if x + wide > width:
            x, y, row = 0, y + row, 0
        places.append((x + BORDER, y + BORDER))
        x += wide + 2 * BORDER
        row = max(row, tall + 2 * BORDER)
    atlas = np.zeros((y + row, width + 2 * BORDER), np.uint32)
    for (left, top), part in zip(places, parts, strict=True):
        before_x, before_y = min(left, BORDER), min(top, BORDER)
        texture = np.pad(
            packed_rgb(part.texture, part.coverage), ((before_y, BORDER), (before_x, BORDER)), mode="edge"
        )
        tall, wide = texture.shape
        top, left = top - before_y, left - before_x
        atlas[top : top + tall, left : left + wide] = texture
    return atlas, [np.array(place, np.float32) for place in places]
