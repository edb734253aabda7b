"""How good an avatar is, in numbers and pictures: its own expressions drawn, and its face found again in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from engine.avatar.avatar import Avatar
from engine.avatar.expressions import POSES, motion_of, own_expression
from engine.avatar.landmarks import FaceLandmarker, Landmarks
from engine.avatar.measure import (
    SIZE,
    Gap,
    Viewer,
    closures,
    distances,
    find_again,
    landmark_places,
    leaks,
    stretched,
)
from engine.avatar.parts import Float, Image
from engine.files import replaced

TILE: Final = 288
COLUMNS: Final = 6
CLOSE_UP: Final = 1.3
"""Pictures of expressions show this much of the face's height."""
LINE: Final = 24
"""Height of a line of text under the pictures."""

SHUT_GAP: Final = 0.02
"""Lips less apart than this (mean of three places, over the outer eye corners' distance) count as shut."""
SHUT_LIDS: Final = 0.7
"""A blink should bring the lids' gap below this share of the calm one; the landmarker sees a gap in any shut eye."""
MOST_LANDMARK_PX: Final = 1.5
MOST_GAP_PX: Final = 1.0
MOST_LEAK_PX: Final = 40
MOST_STRETCHED_PX: Final = 600
"""A blink aside: it draws the sliver of lid that a photo shows over the whole eye."""

UPPER_LIP, LOWER_LIP = [13, 82, 312], [14, 87, 317]
UPPER_LIDS, LOWER_LIDS = [159, 386], [145, 374]


def quality_report(avatar: Avatar) -> dict[str, Any]:
    """JSON values: what creation noted, and what is measured on the avatar's own pictures of ``POSES``.

    Pixels are those of a 512 px picture. "found": share of the poses in which a face is found. "landmark_px": median
    distance of found landmarks to those of the commanded mesh, of all poses and of each. "gaps_px": lips and lids
    that should be shut, by the mesh and as seen. "seam_px": largest number of pixels in the face that show the
    background; "stretched_px": largest number that show the photo stretched (see ``engine.avatar.measure``), a blink
    aside. "neutral_lip_gap", "jaw_gap": between the lips as the landmarker sees them, at rest and at jawOpen 0.6;
    "open_lids_gap", "blink_gap": between the lids (mean of both eyes), at rest and in a blink; over the distance of
    the outer eye corners. "problems": what misses its mark, in words; "advice": what a better photo would be.
    """
    viewer, landmarker = Viewer(avatar), FaceLandmarker()
    faces: dict[str, Landmarks | None] = {}
    errors: dict[str, Float] = {}
    for name, pose in POSES.items():
        shown = viewer.show(motion_of(*pose))
        faces[name] = face = find_again(landmarker, shown.picture)
        if face is not None:
            errors[name] = distances(face, landmark_places(avatar, shown.positions))
    gaps, thin = closures(avatar), stretched(avatar)
    report = dict(avatar.report) | _seen(faces)
    report |= {
        "found": len(errors) / len(POSES),
        "landmark_px": _median(np.concatenate([*errors.values(), np.zeros(0)])),
        "landmark_px_of": {name: _median(error) for name, error in errors.items()},
        "gaps_px": {name: {"mesh": round(g.mesh, 2), "seen": round(g.seen, 2)} for name, g in gaps.items()},
        "seam_px": max(leaks(avatar).values()),
        "stretched_px": max(pixels for name, pixels in thin.items() if name != "blink"),
    }
    return report | {"problems": _problems(report, faces, gaps)}


def _seen(faces: Mapping[str, Landmarks | None]) -> dict[str, float]:
    """Openings of lips and lids as the landmarker sees them."""
    seen = {}
    for key, name, upper, lower in (
        ("neutral_lip_gap", "neutral", UPPER_LIP, LOWER_LIP),
        ("jaw_gap", "jawOpen 0.6", UPPER_LIP, LOWER_LIP),
        ("open_lids_gap", "neutral", UPPER_LIDS, LOWER_LIDS),
        ("blink_gap", "blink", UPPER_LIDS, LOWER_LIDS),
    ):
        face = faces[name]
        if face is not None:
            distance = np.linalg.norm(face.points[upper, :2] - face.points[lower, :2], axis=1)
            seen[key] = round(float(distance.mean()) / face.inter_ocular, 4)
    return seen


def _problems(
    report: Mapping[str, Any], faces: Mapping[str, Landmarks | None], gaps: Mapping[str, Gap]
) -> list[str]:
    problems = [f"no face is found at: {name}" for name, face in faces.items() if face is None]
    if report["landmark_px"] > MOST_LANDMARK_PX:
        problems.append(f"the face is found {report['landmark_px']:.1f} px beside where it was moved to")
    if report.get("neutral_lip_gap", 0.0) >= SHUT_GAP:
        problems.append("the lips do not look shut at rest")
    if report.get("blink_gap", 0.0) >= SHUT_LIDS * report.get("open_lids_gap", 1.0):
        problems.append("the lids do not look shut in a blink")
    for name, gap in gaps.items():
        if max(gap.mesh, gap.seen) >= MOST_GAP_PX:
            problems.append(f"{name} stay {max(gap.mesh, gap.seen):.1f} px open")
    if report["seam_px"] > MOST_LEAK_PX:
        problems.append("the background shows through the face")
    if report["stretched_px"] > MOST_STRETCHED_PX:
        problems.append("skin is stretched far in some expressions")
    return problems


def write_sheet(avatar: Avatar, path: str | Path, report: Mapping[str, Any] | None = None) -> None:
    """Write the photo and all ``POSES`` as one labelled picture, expressions from near; under it what a ``quality_report`` found, if given."""
    viewer, close_up = Viewer(avatar), _close_up(avatar)
    tiles = [_tile(viewer.picture(own_expression(avatar)), "as in the photo")]
    for name, (shapes, angles) in POSES.items():
        picture = viewer.picture(motion_of(shapes, angles))
        tiles.append(_tile(picture if any(angles) else picture[close_up], name))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    if report is not None:
        rows.append(_words(_summary(report)))
    ok, data = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    if not ok:
        raise RuntimeError("the contact sheet cannot be encoded")
    with replaced(path) as part:
        part.write_bytes(data.tobytes())


def _summary(report: Mapping[str, Any]) -> list[str]:
    gap = max(max(sides.values()) for sides in report["gaps_px"].values())
    return [
        f"face {report['face_px']} px wide, fit {report['fit_residual_px']:.2f} px, landmarks "
        f"{report['landmark_px']:.2f} px, widest gap {gap:.2f} px, seams {report['seam_px']} px, stretched "
        f"{report['stretched_px']} px, matte {report['matte_confidence']:.2f}",
        *(f"problem: {line}" for line in report["problems"]),
        *(f"warning: {line}" for line in report["warnings"]),
        *(f"advice: {line}" for line in report["advice"]),
    ]


def _words(lines: list[str]) -> Image:
    """Lines of text, as wide as the sheet."""
    band = np.zeros((LINE * len(lines) + LINE // 2, TILE * COLUMNS, 3), np.uint8)
    for number, line in enumerate(lines, 1):
        cv2.putText(
            band, line, (8, LINE * number - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255,) * 3, 1, cv2.LINE_AA
        )
    return band


def _median(errors: Float) -> float:
    return round(float(np.median(errors)), 3) if len(errors) else float("inf")


def _close_up(avatar: Avatar) -> tuple[slice, slice]:
    """The square around the face at rest, a slice of the picture's rows and one of its columns."""
    places = avatar.landmarks[:, :2] * (SIZE / avatar.side)
    low, high = places.min(axis=0), places.max(axis=0)
    side = min(round(CLOSE_UP * float((high - low).max())), SIZE)
    left, top = np.clip(np.rint((low + high - side) / 2), 0, SIZE - side).astype(int).tolist()
    return slice(top, top + side), slice(left, left + side)


def _tile(image: Image, label: str) -> Image:
    sampling = cv2.INTER_AREA if len(image) > TILE else cv2.INTER_CUBIC
    tile = np.asarray(cv2.resize(image, (TILE, TILE), interpolation=sampling), np.uint8)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width, cv2.LINE_AA)
    return tile
