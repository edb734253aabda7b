"""How good an avatar is, in numbers and pictures: its own expressions drawn, and its face found again in them."""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from engine.avatar.avatar import Avatar
from engine.avatar.expressions import POSES, motion_of
from engine.avatar.landmarks import FaceLandmarker, Landmarks
from engine.avatar.parts import Float, Image
from engine.render.geometric import GeometricRenderer
from engine.timing import StageTimer

SIZE: Final = 512
TILE: Final = 288
COLUMNS: Final = 6

SHUT_GAP: Final = 0.02
"""Lips less apart than this (mean of three places, over the outer eye corners' distance) count as shut."""
SHUT_LIDS: Final = 0.7
"""A blink should bring the lids' gap below this share of the calm one; the landmarker sees a gap in any shut eye."""

UPPER_LIP, LOWER_LIP = [13, 82, 312], [14, 87, 317]
UPPER_LIDS, LOWER_LIDS = [159, 386], [145, 374]


def draw_pose(renderer: GeometricRenderer, name: str) -> Image:
    """One of ``POSES``, uint8 [SIZE, SIZE, 3] RGB."""
    frame = renderer.render(motion_of(*POSES[name]), StageTimer())
    return np.ascontiguousarray(frame.view(np.uint8).reshape(*frame.shape, 4)[..., :3])


def quality_report(avatar: Avatar) -> dict[str, Any]:
    """JSON values: what creation noted, and what the landmarker sees in the avatar's own frames.

    "found": share of the poses in which a face is found. "neutral_lip_gap", "jaw_gap": between the lips, at rest and
    at jawOpen 0.6; "open_lids_gap", "blink_gap": between the lids (mean of both eyes), at rest and in a blink; all over
    the distance of the outer eye corners. "problems": what misses its mark, in words.
    """
    renderer, landmarker = GeometricRenderer(avatar, SIZE), FaceLandmarker()
    faces = {name: landmarker.track(draw_pose(renderer, name), None, blendshapes=False) for name in POSES}
    report = dict(avatar.report)
    lost = [name for name, face in faces.items() if face is None]
    report["found"] = 1.0 - len(lost) / len(faces)
    problems = [f"no face is found at: {name}" for name in lost]
    neutral, wide, blink = (faces[name] for name in ("neutral", "jawOpen 0.6", "blink"))
    if neutral is not None:
        report["neutral_lip_gap"] = round(_gap(neutral, UPPER_LIP, LOWER_LIP).mean().item(), 4)
        if report["neutral_lip_gap"] >= SHUT_GAP:
            problems.append("the lips do not look shut at rest")
    if wide is not None:
        report["jaw_gap"] = round(_gap(wide, UPPER_LIP, LOWER_LIP).mean().item(), 4)
    if blink is not None and neutral is not None:
        report["open_lids_gap"], report["blink_gap"] = (
            round(_gap(face, UPPER_LIDS, LOWER_LIDS).mean().item(), 4) for face in (neutral, blink)
        )
        if report["blink_gap"] >= SHUT_LIDS * report["open_lids_gap"]:
            problems.append("the lids do not look shut in a blink")
    return report | {"problems": problems}


def write_sheet(avatar: Avatar, path: str | Path) -> None:
    """Write the photo and all ``POSES`` as one labelled picture."""
    renderer = GeometricRenderer(avatar, SIZE)
    tiles = [_tile(_photo(avatar), "photo"), *(_tile(draw_pose(renderer, name), name) for name in POSES)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    ok, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    if not ok:
        raise RuntimeError("the contact sheet cannot be encoded")
    Path(path).write_bytes(data.tobytes())


def _photo(avatar: Avatar) -> Image:
    """The photo again from its two layers, uint8 [side, side, 3]."""
    person, plate = (
        layer.view(np.uint8).reshape(avatar.side, avatar.side, 4)
        for layer in (np.ascontiguousarray(avatar.atlas[: avatar.side, : avatar.side]), avatar.background)
    )
    coverage = person[..., 3:] / np.float32(255)
    return np.asarray(np.rint(coverage * person[..., :3] + (1 - coverage) * plate[..., :3]), np.uint8)


def _gap(face: Landmarks, upper: list[int], lower: list[int]) -> Float:
    distance = np.linalg.norm(face.points[upper, :2] - face.points[lower, :2], axis=1)
    return np.asarray(distance / face.inter_ocular)


def _tile(image: Image, label: str) -> Image:
    tile = np.asarray(cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA)
    return tile
